"""Dataset: pictures with labels, wherever they lie."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from PIL import Image

from striate.errors import DataError
from striate.pictures.decode import WHITE, Decoded, decode

if TYPE_CHECKING:
    from striate.data.audit.audit import Audit
from striate.show.names import printable
from striate.show.table import Table

SPLITS = ("train", "val", "test")
OnBad = Literal["stop", "skip"]
SKIPPING = "`striate check` lists all that cannot be read, --on-bad skip (on_bad='skip') leaves them out"
HALF = 0.5  # the probability from which on a class is named, where a picture may have several


class Source(Protocol):
    """Where pictures lie: files of a folder, members of an archive, rows of an array."""

    def read(self, row: int) -> bytes | np.ndarray:
        """A file's bytes, or pixels (height, width, channels) of uint8."""
        ...

    def stamp(self, row: int) -> tuple[int, int]:
        """Size in bytes, and a number that changes with the content: the time of its last change, or a sum."""
        ...


@dataclass(frozen=True)
class Problem:
    """A picture that cannot be used.

    Parameters
    ----------
    name
        the picture's
    reason
        why, as a sentence that names it
    """

    name: str
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Pictures with labels.

    Parameters
    ----------
    where
        what was opened
    source
        where the pictures lie
    rows
        (n,) the place of each picture in the source: its address for every random choice, also in a part of the data
    names
        (n,) how people and messages call each picture: its path below `where`
    classes
        names of the classes, in order
    labels
        (n,) places in `classes`, or (n, classes) of 0 and 1 where a picture may have several labels
    splits
        (n,) train, val or test
    groups
        (n,) pictures of one group stay in one split; "" is a group of its own
    gray
        whether pictures are read as brightness alone, one channel, as those of MNIST are
    skipped
        what was left out, by the policy `skip`
    notes
        what a person should know: how it was split, which class is missing where
    """

    where: str
    source: Source
    rows: np.ndarray
    names: Sequence[str]
    classes: tuple[str, ...]
    labels: np.ndarray
    splits: np.ndarray
    groups: np.ndarray
    gray: bool = False
    skipped: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @staticmethod
    def open(
        where: "str | Path",
        *,
        classes: "Path | None" = None,
        on_bad: OnBad = "stop",
        seed: int = 0,
    ) -> "Dataset":
        """Open pictures with labels.

        Parameters
        ----------
        where
            a folder of classes (or of train, val, test with classes in each), a table (.csv, .tsv, .jsonl, .parquet), a
            zip or tar of these, a folder of IDX files or of CIFAR's binary batches, an .npz file, or `digits`
        classes
            a file with a class name per line, in the order wanted; without it they are sorted, 2 before 10
        on_bad
            stop at what cannot be used, naming the first and counting the rest, or skip it and count it
        seed
            of the split, where the data has none of its own
        """
        from striate.data.sources.opening import open_dataset

        return open_dataset(where, classes=classes, on_bad=on_bad, seed=seed)

    def __str__(self) -> str:
        return str(self.summary())

    def summary(self) -> Table:
        """How many pictures each class has in each split, what was skipped, and what a person should know."""
        from striate.data.summary import summary

        return summary(self)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<Dataset {printable(self.where)}: {len(self):,} pictures, {len(self.classes):,} classes>"

    def __getitem__(self, split: str) -> "Dataset":
        """One split: data["train"]."""
        if split not in SPLITS:
            raise DataError(f"a split is {', '.join(SPLITS)}, but '{split}' was asked for")
        return self.part(np.flatnonzero(self.splits == split))

    def part(self, places: np.ndarray) -> "Dataset":
        """The pictures at these places, in this order."""
        return replace(
            self,
            rows=self.rows[places],
            names=[self.names[place] for place in places],
            labels=self.labels[places],
            splits=self.splits[places],
            groups=self.groups[places],
        )

    @property
    def several(self) -> bool:
        """Whether a picture may have several labels."""
        return self.labels.ndim == 2

    def picture(
        self, place: int, least: tuple[int, int] | None = None, background: tuple[int, int, int] = WHITE
    ) -> Decoded:
        """Upright pixels of one picture; `least` and `background` are those of `striate.pictures.decode`."""
        content = self.source.read(int(self.rows[place]))
        if isinstance(content, np.ndarray):
            return Decoded(_as_channels(content, 1 if self.gray else 3))
        channels: Literal["RGB", "L"] = "L" if self.gray else "RGB"
        return decode(content, printable(self.names[place]), channels=channels, background=background, least=least)

    def audit(self) -> "Audit":
        """What would harm learning from these pictures: copies, broken files, labels that contradict each other."""
        from striate.data.audit.audit import audit

        return audit(self)

    @cached_property
    def fingerprint(self) -> str:
        """Names, sizes, labels and splits as a short sum, which tells later whether the data changed since."""
        return self._sum(lambda place: str(self.source.stamp(int(self.rows[place]))[0]).encode())

    def content_fingerprint(self) -> str:
        """The same over every byte of every picture: reads all of them."""

        def content(place: int) -> bytes:
            read = self.source.read(int(self.rows[place]))
            return hashlib.sha256(read.tobytes() if isinstance(read, np.ndarray) else read).digest()

        return self._sum(content)

    def place_fingerprint(self) -> str:
        """A sum of where the pictures lie and when each changed, in order: what is kept of them is found by it."""
        total = hashlib.sha256(os.path.realpath(self.where).encode("utf-8", "surrogateescape"))
        for name, row in zip(self.names, self.rows.tolist(), strict=True):
            total.update(f"{name}\0{row}\0{self.source.stamp(row)}\0".encode("utf-8", "surrogateescape"))
        return total.hexdigest()[:32]

    def _sum(self, what) -> str:
        total = hashlib.sha256("\0".join(self.classes).encode("utf-8", "surrogateescape"))
        for place in sorted(range(len(self)), key=lambda place: self.names[place]):
            name, split = (
                str(text).encode("utf-8", "surrogateescape") for text in (self.names[place], self.splits[place])
            )
            for part in (name, what(place), self.labels[place].tobytes(), split):
                total.update(hashlib.sha256(part).digest())
        return total.hexdigest()[:32]


def _as_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Pixels (height, width, 1 or 3) with one channel, their brightness, or with three."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
