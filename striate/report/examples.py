"""Pictures that tell most: the worst mistakes, the doubtful ones and the best, with what the network looked at."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image
from scipy.special import expit, softmax

from striate.evaluate.judging import Judged
from striate.show.numbers import percent
from striate.show.page import figure, text

WORST, DOUBTFUL, BEST = 12, 6, 6
GAP = 4  # pixels between a picture and what was looked at

Looked = Callable[[Sequence[int], Sequence[int]], list[Image.Image | None]]


def examples(
    classes: tuple[str, ...],
    said: Judged,
    doubtful: Sequence[str],
    small: Callable[[int], Image.Image | None],
    looked: Looked,
) -> str:
    """Some pictures of each kind.

    Parameters
    ----------
    classes
        names
    said
        what the network said
    doubtful
        names of pictures whose label may be wrong, the most doubtful first
    small
        a picture's thumbnail by its place
    looked
        pictures by their places, and a class for each -> what the network looked at for that class, if it is known
    """
    groups = _groups(said)
    about = {name: place for place, name in enumerate(said.data.names)}
    # of the mistakes, most labels in doubt are shown already
    seen = {place for group in groups.values() for place, _ in group}
    more = [about[name] for name in doubtful if about[name] not in seen]
    groups["Labels worth a look, beside these"] = [(p, int(said.scores[p].argmax())) for p in more[:DOUBTFUL]]
    groups = {name: group for name, group in groups.items() if group}
    places = [place for group in groups.values() for place, _ in group]
    explained = [number for group in groups.values() for _, number in group]
    maps = dict(zip(places, looked(places, explained), strict=True))
    parts = []
    for name, group in groups.items():
        shown = (
            figure(_stacked(small(place), maps[place]), said.data.names[place], _caption(classes, said, place, number))
            for place, number in group
        )
        parts.append(f'<p>{text(name)}</p><div class="pictures">{"".join(shown)}</div>')
    return "".join(parts)


def _groups(said: Judged) -> dict[str, list[tuple[int, int]]]:
    """Places of pictures, each with the class that it is about, by what they are examples of."""
    labels, scores = said.data.labels, said.scores
    if labels.ndim == 2:
        off = np.abs(labels - expit(scores))  # (n, classes)
        about, size = off.argmax(1), off.max(1)
        order = np.argsort(-size, kind="stable")
        return {
            "Furthest from the label": [(p, int(about[p])) for p in order.tolist() if size[p] > 0.5][:WORST],
            "Closest to every label": [(p, int(labels[p].argmax())) for p in order[::-1].tolist()][:BEST],
        }
    named = scores.argmax(1)
    ordered = np.sort(softmax(scores, axis=1), axis=1)
    sure, margin = ordered[:, -1], ordered[:, -1] - ordered[:, -2]
    wrong, right = np.flatnonzero(named != labels), np.flatnonzero(named == labels)
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:WORST]
    doubtful = np.setdiff1d(np.argsort(margin, kind="stable")[: WORST + DOUBTFUL], worst, assume_unique=True)
    chosen = {
        "Wrong, and surest of it": worst,
        "Hardly decided between two classes": doubtful[np.argsort(margin[doubtful], kind="stable")][:DOUBTFUL],
        "Right, and surest of it": right[np.argsort(-sure[right], kind="stable")][:BEST],
    }
    return {name: [(place, int(named[place])) for place in places.tolist()] for name, places in chosen.items()}


def _caption(classes: tuple[str, ...], said: Judged, place: int, number: int) -> tuple[str, ...]:
    labels, scores = said.data.labels, said.scores[place]
    if labels.ndim == 2:
        there = "is there" if labels[place, number] else "is not there"
        return (f"{classes[number]}, which {there}: {percent(float(expit(scores[number])))}",)
    sure = softmax(scores)
    lines = [f"{classes[number]} {percent(float(sure[number]))}"]
    if (label := int(labels[place])) != number:
        lines.append(f"labelled {classes[label]}, {percent(float(sure[label]))}")
    return tuple(lines)


def _stacked(above: Image.Image | None, below: Image.Image | None) -> Image.Image | None:
    """A picture, and below it what was looked at."""
    if above is None or below is None:
        return above
    below = below.resize((above.width, max(1, round(below.height * above.width / below.width))))
    paper = Image.new("RGB", (above.width, above.height + GAP + below.height), "white")
    paper.paste(above.convert("RGB"))
    paper.paste(below, (0, above.height + GAP))
    return paper
