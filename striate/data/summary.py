"""A data set in one table: how many pictures each class has in each split."""

import numpy as np

from striate.data.dataset import SPLITS, Dataset
from striate.data.sources.classes import class_counts
from striate.show.names import listed, printable
from striate.show.numbers import exact
from striate.show.table import Column, Table

MOST = 30  # classes that have a row each; of more, the smallest and the largest have
ENDS = 5  # of each of these


def summary(data: Dataset) -> Table:
    """How many pictures each class has in each split, what was skipped, and what a person should know.

    Parameters
    ----------
    data
        pictures with labels
    """
    splits = [split for split in SPLITS if (data.splits == split).any()]
    counts = {split: class_counts(data.labels[data.splits == split], data.classes) for split in splits}
    total = sum(counts.values(), np.zeros(len(data.classes), np.int64))

    def row(place: int) -> dict:
        in_splits = {split: int(counts[split][place]) for split in splits}
        return {"class": data.classes[place], **in_splits, "pictures": int(total[place])}

    places = list(range(len(data.classes)))
    notes = list(data.notes)
    if len(places) > MOST:
        by_size = np.argsort(total, kind="stable").tolist()
        places = by_size[:ENDS] + by_size[-ENDS:]
        notes.insert(0, f"shown are the {ENDS} smallest and the {ENDS} largest of {len(by_size):,} classes")
    if data.several:
        notes.insert(0, "a picture may have several labels, so the classes add up to more or less than the pictures")
    if data.skipped:
        notes.insert(0, f"skipped, because they cannot be used: {_skipped(data)}")
    every = {split: int((data.splits == split).sum()) for split in splits}
    return Table(
        [Column("class", "class", printable, "left")]
        + [Column(split, split, exact) for split in splits]
        + [Column("pictures", "pictures", exact)],
        [row(place) for place in places],
        title=f"{printable(data.where)}: {_count(len(data), 'picture')} of {_count(len(data.classes), 'class')}",
        total={"class": "all", **every, "pictures": len(data)},
        notes=notes,
    )


def _skipped(data: Dataset) -> str:
    return f"{len(data.skipped):,} ({listed([problem.reason for problem in data.skipped], 2)})"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what if number == 1 else what + ('es' if what.endswith('s') else 's')}"
