"""Disagreement: pictures that the members of an ensemble name differently."""

from collections.abc import Collection, Sequence

import numpy as np
from scipy.special import entr, expit, softmax

from striate.show.names import listed, printable
from striate.show.numbers import count, exact, percent
from striate.show.table import Column, Table
from striate.train.transfer.compare import HALF


def disagreements(
    members: Collection[str], classes: Sequence[str], names: Sequence[str], scores: np.ndarray, labels: np.ndarray
) -> Table:
    """A row for each picture that members name differently, the most different first.

    How different is the Jensen–Shannon divergence of their probabilities, in bits: by how much the mean of them is
    less sure than they are. It is 0 where all say the same, however unsure they are, and log2 of their number where
    each is sure of another class. Where a picture may have several labels, each class is a question of its own.

    Parameters
    ----------
    members
        names
    classes
        names
    names
        of the n pictures
    scores
        (n, members, classes) logits
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1
    """
    rows = []
    if labels.ndim == 2:
        probabilities = expit(scores)
        bits = divergence(np.stack([probabilities, 1 - probabilities], axis=-1))  # (n, classes)
        said = probabilities >= HALF
        for picture, place in np.argwhere(said.any(1) & ~said.all(1)).tolist():
            name = classes[place]
            yes = probabilities[picture, :, place]
            rows.append(
                {
                    "name": names[picture],
                    "label": name if labels[picture, place] else f"no {name}",
                    "bits": float(bits[picture, place]),
                    "answers": [(name, share) if share >= HALF else (f"no {name}", 1 - share) for share in yes],
                }
            )
    else:
        probabilities = softmax(scores, axis=2)
        bits = divergence(probabilities)  # (n,)
        said = scores.argmax(2)  # (n, members)
        for picture in np.flatnonzero((said != said[:, :1]).any(1)).tolist():
            sure = probabilities[picture].max(1)
            rows.append(
                {
                    "name": names[picture],
                    "label": classes[labels[picture]],
                    "bits": float(bits[picture]),
                    "answers": [(classes[place], share) for place, share in zip(said[picture], sure, strict=True)],
                }
            )
    for row in rows:
        for member, (word, share) in zip(members, row.pop("answers"), strict=True):
            row[f"said by {member}"] = f"{word} ({percent(share)})"
    rows.sort(key=lambda row: -row["bits"])
    columns = [
        Column("picture", "name", printable, align="left"),
        Column("label", "label", printable, align="left"),
        Column("apart by", "bits", lambda bits: f"{bits:.3f} bits"),
        *(Column(printable(member), f"said by {member}", printable, align="left") for member in members),
    ]
    first = listed([row["name"] for row in rows])
    told = (
        f"members differ on {exact(len(rows))} of {count(labels.size, 'answer')}{f', most on {first}' if first else ''}"
    )
    return Table(columns, rows, "pictures that members name differently", notes=[told])


def divergence(probabilities: np.ndarray) -> np.ndarray:
    """(n, …): the Jensen–Shannon divergence of members, in bits.

    Parameters
    ----------
    probabilities
        (n, members, …, answers), which add up to 1 over the answers
    """
    mean = entr(probabilities.mean(1)).sum(-1)
    return np.maximum(0, mean - entr(probabilities).sum(-1).mean(1)) / np.log(2)  # 0, but for rounding
