"""What was taken for what: a table whose cells open their pictures."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from striate.evaluate.judging import Judged
from striate.show.matrix import MOST, matrix
from striate.show.numbers import count
from striate.show.page import figure, text

EACH = 8  # pictures of a cell
ALL = 240  # of all cells: a page is a file


def cells(classes: tuple[str, ...], said: Judged, small: Callable[[int], Image.Image | None], back: str) -> str:
    """The confusion matrix, and below it the pictures of the cell that was chosen.

    Parameters
    ----------
    classes
        names
    said
        what the network said of pictures with one label each
    small
        a picture's thumbnail by its place
    back
        the address of the matrix, which closes a cell
    """
    labels, named = said.data.labels, said.scores.argmax(1)
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (labels, named), 1)
    if len(classes) > MOST:
        return matrix(counts.tolist(), classes)
    margin = np.partition(said.scores, -2, axis=1)
    sure = margin[:, -1] - margin[:, -2]
    groups, left = [], ALL
    # mistakes first, the commonest before the others: the room on a page is for them
    for a, b in sorted(np.argwhere(counts).tolist(), key=lambda cell: (cell[0] == cell[1], -counts[tuple(cell)])):
        places = np.flatnonzero((labels == a) & (named == b))
        places = places[np.argsort(-sure[places], kind="stable")][: min(EACH, left)]
        left -= len(places)
        groups.append(_group(classes, a, b, int(counts[a, b]), said, places.tolist(), small, back))
    table = matrix(counts.tolist(), classes, "#cell")
    hint = '<p class="faint">A number opens its pictures, those first of which the network was surest.</p>'
    return f"{table}{hint}{''.join(groups)}"


def _group(
    classes: tuple[str, ...],
    a: int,
    b: int,
    number: int,
    said: Judged,
    places: list[int],
    small: Callable[[int], Image.Image | None],
    back: str,
) -> str:
    """The pictures of a cell, which are there when its address is."""
    what = f"{count(number)} of {classes[a]}, " + ("seen as such" if a == b else f"taken for {classes[b]}")
    shown = "".join(figure(small(place), said.data.names[place]) for place in places)
    more = f'<p class="faint">and {number - len(places):,} more</p>' if number > len(places) else ""
    return (
        f'<div class="cell" id="cell{a}-{b}"><p>{text(what)} · <a href="{back}">close</a></p>'
        f'<div class="pictures">{shown}</div>{more}</div>'
    )
