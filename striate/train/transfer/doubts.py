"""Doubts: labels that are worth a look, because what has not learned the picture is sure of another."""

from collections.abc import Sequence

import numpy as np

from striate.errors import DataError
from striate.show.names import printable
from striate.show.numbers import count, exact, percent
from striate.show.table import Column, Table
from striate.train.transfer.folds import Folds

NEAR = 0.8  # of what is usual: from there on a picture looks like one of a class

COLUMNS = [
    Column("picture", "name", printable, align="left"),
    Column("label", "label", printable, align="left"),
    Column("looks like", "suggested", printable, align="left"),
    Column("label's probability", "given", percent, narrow=1),
    Column("probability", "other", percent),
]


def doubts(
    names: Sequence[str],
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    folds: Folds | None = None,
) -> Table:
    """Pictures whose label may be wrong, the most doubtful first.

    How sure a head is differs between classes, so each class is measured by its own pictures: the mean probability
    that those with its label get is what is usual for it. A label is in doubt where it gets less than four fifths of
    what is usual, and another class more than it, and at least four fifths of what is usual there. The further apart
    the two shares are, the further up it stands. (Where a picture may have several labels, each class is such a
    question between yes and no.) Networks are wrong about difficult pictures, too: this is a list of what to look at,
    no more.

    Parameters
    ----------
    names
        (n,) of the pictures
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1
    probabilities
        (n, classes), of `out_of_fold`
    classes
        their names
    folds
        by which they were held out: classes that were unknown there are not judged; None where one network saw none
    """
    alone = folds.alone if folds else ()
    if not len(names) == len(labels) == len(probabilities) == (len(folds.numbers) if folds else len(names)):
        raise DataError("doubts need the labels, the probabilities and the folds of the same pictures")
    find = _several if labels.ndim == 2 else _single
    places, given, other, size, words = find(labels, probabilities, classes, alone)
    rows = [
        {
            "name": str(names[int(places[number])]),
            "label": words(number)[0],
            "suggested": words(number)[1],
            "given": float(given[number]),
            "other": float(other[number]),
        }
        for number in np.argsort(-size, kind="stable")
    ]
    notes = [f"{exact(len(rows))} of {count(labels.size, 'label')} may be worth a look; a label here may well be right"]
    if alone:
        notes.append(f"not judged: {count(len(alone), 'class')} with a single picture, or a single group of them")
    return Table(COLUMNS, rows, "labels worth a look", notes=notes)


def _single(labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], alone: Sequence[int]):
    judged = ~np.isin(labels, alone)
    every = np.arange(len(labels))
    mine = probabilities[every, labels]  # (n,)
    there = np.bincount(labels, minlength=len(classes))
    usual = np.bincount(labels, mine, len(classes)) / np.maximum(there, 1)
    shares = probabilities / np.maximum(usual, 1e-12)  # (n, classes), of what is usual
    own = shares[every, labels]
    shares[:, there == 0] = shares[:, list(alone)] = shares[every, labels] = -1
    best = shares.argmax(1)
    rival, other = shares[every, best], probabilities[every, best]
    places = np.flatnonzero(judged & (own < NEAR) & (rival >= NEAR) & (other > mine))
    given, other, best, size = mine[places], other[places], best[places], (rival - own)[places]
    return (
        places,
        given,
        other,
        size,
        lambda number: (
            classes[int(labels[places[number]])],
            classes[int(best[number])],
        ),
    )


def _several(labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], alone: Sequence[int]):
    yes = labels > 0  # (n, classes)
    mine = np.where(yes, probabilities, 1 - probabilities)
    sums = [np.where(side, mine, 0).sum(0) for side in (yes, ~yes)]  # (classes,) each
    usual = [
        np.maximum(total / np.maximum(side.sum(0), 1), 1e-12) for total, side in zip(sums, (yes, ~yes), strict=True)
    ]
    own, rival = mine / np.where(yes, *usual), (1 - mine) / np.where(yes, usual[1], usual[0])
    doubtful = (own < NEAR) & (rival >= NEAR) & (1 - mine > mine)
    doubtful[:, yes.all(0) | ~yes.any(0)] = False  # nothing is usual for an answer that nobody gave
    doubtful[:, list(alone)] = False
    places, column = np.nonzero(doubtful)
    given = mine[places, column]
    size = (rival - own)[places, column]

    def words(number: int) -> tuple[str, str]:
        name, there = classes[int(column[number])], yes[places[number], column[number]]
        return (name, f"no {name}") if there else (f"no {name}", name)

    return places, given, 1 - given, size, words
