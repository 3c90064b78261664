"""Parts: the pictures that a training learns from, those that it is judged by meanwhile, and those for the end."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.dataset import Dataset, OnBad, Problem
from striate.data.sources.shards import Shards, open_shards
from striate.errors import DataError
from striate.show.names import listed, printable
from striate.show.numbers import count

Where = str | Path | Dataset | Shards


@dataclass(frozen=True)
class Parts:
    """Pictures with the same classes.

    Parameters
    ----------
    train
        to learn from
    val, test
        to be judged by; None where there are none
    pictures
        in an epoch
    """

    train: Dataset | Shards
    val: Dataset | None
    test: Dataset | None
    pictures: int

    @property
    def where(self) -> str:
        """What was opened."""
        return self.train.where

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in order."""
        return self.train.classes

    @property
    def several(self) -> bool:
        """Whether a picture may have several labels."""
        return self.train.several

    @property
    def counts(self) -> dict[str, int]:
        """How many pictures each part has."""
        return {"train": self.pictures, "val": len(self.val or ()), "test": len(self.test or ())}

    @property
    def fingerprint(self) -> str:
        """A short sum, which tells later whether any part changed."""
        parts = (part.fingerprint if part else "" for part in (self.train, self.val, self.test))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    @property
    def skipped(self) -> dict[str, Problem]:
        """What was left out when they were opened, by name."""
        parts = [part for part in (self.train, self.val, self.test) if isinstance(part, Dataset)]
        return {problem.name: problem for part in parts for problem in part.skipped}

    @property
    def notes(self) -> list[str]:
        """What a person should know before anything is learned from them."""
        notes = [*self.train.notes] if isinstance(self.train, Dataset) else []
        if left := [problem.reason for problem in self.skipped.values()]:
            notes.append(f"{count(len(left))} left out when the data was opened: {listed(left)}")
        if not self.val and not self.test:
            notes.append(
                "ATTENTION, nothing is held out, so nobody will know how good the network is; a class of 3 pictures "
                "or more has some for that, or --validation names others"
            )
        return notes

    def about(self, on_bad: OnBad) -> dict[str, Any]:
        """What a run keeps of them, from which `open_parts` opens them again."""
        validation = self.val.where if self.val and self.val.where != self.where else None
        return {
            "where": absolute(self.where),
            "stream": isinstance(self.train, Shards),
            "validation": absolute(validation) if validation else None,
            "fingerprint": self.fingerprint,
            "on_bad": on_bad,
            "several": self.several,
            "pictures": self.counts,
        }


def open_parts(
    where: Where,
    on_bad: OnBad,
    pictures: int | None = None,
    validation: str | Path | Dataset | None = None,
    classes: Sequence[str] | None = None,
    file: Path | None = None,
) -> Parts:
    """Open what a training needs.

    Parameters
    ----------
    where
        a data set or shards
    on_bad
        stop at what cannot be used, or skip it
    pictures
        in tar shards, which are then read as a stream
    validation
        other pictures to judge by
    classes, file
        an earlier run's, and a file of them: the data's are put in that order
    """
    if isinstance(where, Dataset):
        data = where
    elif pictures is not None or isinstance(where, Shards):
        if not isinstance(where, Shards):
            where = open_shards(str(where), classes=classes, on_bad=on_bad)
        if pictures is None or pictures < 1:
            raise DataError(f"a stream does not say how many pictures it has: give pictures, of which {pictures} were")
        val = _whole(validation, on_bad, where.classes, "val") if validation is not None else None
        return _same_classes(Parts(where, val, None, pictures), classes)
    else:
        data = Dataset.open(where, on_bad=on_bad)
        if classes and data.classes != tuple(classes) and set(data.classes) == set(classes):
            data = Dataset.open(where, on_bad=on_bad, classes=file)
    train, val, test = (data[split] for split in ("train", "val", "test"))
    if validation is not None:
        val = _whole(validation, on_bad, data.classes, "val")
    return _same_classes(Parts(train, val if len(val) else None, test if len(test) else None, len(train)), classes)


def _whole(where: str | Path | Dataset, on_bad: OnBad, classes: tuple[str, ...], split: str) -> Dataset:
    """All pictures of a data set as one split."""
    data = where if isinstance(where, Dataset) else Dataset.open(where, on_bad=on_bad)
    refuse_other_classes(data.classes, classes, data.where, "those that the network learns")
    return replace(data, splits=np.full(len(data), split))


def _same_classes(parts: Parts, classes: Sequence[str] | None) -> Parts:
    if classes is not None:
        refuse_other_classes(parts.classes, tuple(classes), parts.where, "those that the network learned")
    return parts


def refuse_other_classes(found: tuple[str, ...], wanted: tuple[str, ...], where: str, whose: str) -> None:
    """Nothing if the classes are the same; else what lacks and what is there besides.

    Parameters
    ----------
    found
        of a data set
    wanted
        in their order
    where
        the data set lies
    whose
        the wanted ones are
    """
    if found == wanted:
        return
    sides = (("lacks", set(wanted) - set(found)), ("has besides", set(found) - set(wanted)))
    what = "; it ".join(f"{word} {listed(sorted(names))}" for word, names in sides if names)
    raise DataError(f"the classes must be {whose}, but {printable(where)} {what or 'has them in another order'}")


def absolute(where: str) -> str:
    """A place as another folder would name it; a name that is no place stays what it is.

    Parameters
    ----------
    where
        a path, or the name of a data set
    """
    return str(Path(where).resolve()) if Path(where).exists() else where
