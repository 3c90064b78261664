"""A data set in one table: how many pictures each class has in each split."""

from dataclasses import replace

import numpy as np

from striate.data.dataset import SPLITS, Dataset
from striate.data.sources.classes import class_counts
from striate.show.names import listed, printable
from striate.show.numbers import count, exact
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
    table = class_table(data)
    title = f"{printable(data.where)}: {count(len(data))} of {count(len(data.classes), 'class')}"
    return replace(table, title=title, notes=[*table.notes, *data.notes])


def class_table(data: Dataset, most: int = MOST) -> Table:
    """How many pictures each class has in each split, and what was skipped.

    Parameters
    ----------
    data
        pictures with labels
    most
        classes that have a row each; of more, the smallest and the largest have
    """
    splits = [split for split in SPLITS if (data.splits == split).any()]
    counts = {split: class_counts(data.labels[data.splits == split], data.classes) for split in splits}
    total = sum(counts.values(), np.zeros(len(data.classes), np.int64))

    def row(place: int) -> dict:
        in_splits = {split: int(counts[split][place]) for split in splits}
        return {"class": data.classes[place], **in_splits, "pictures": int(total[place])}

    places = list(range(len(data.classes)))
    notes = []
    if data.skipped:
        reasons = listed([problem.reason for problem in data.skipped], 2)
        notes.append(f"skipped, because they cannot be used: {len(data.skipped):,} ({reasons})")
    if data.several:
        notes.append("a picture may have several labels, so the classes add up to more or less than the pictures")
    if len(places) > most:
        by_size = np.argsort(total, kind="stable").tolist()
        places = by_size[:ENDS] + by_size[-ENDS:]
        notes.append(f"shown are the {ENDS} smallest and the {ENDS} largest of {len(by_size):,} classes")
    every = {split: int((data.splits == split).sum()) for split in splits}
    return Table(
        [Column("class", "class", printable, "left")]
        + [Column(split, split, exact) for split in splits]
        + [Column("pictures", "pictures", exact)],
        [row(place) for place in places],
        total={"class": "all", **every, "pictures": len(data)},
        notes=notes,
    )
