"""Pictures that are rows of arrays: kept once as they are stored, each handed out as a view."""

import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from striate.data.sources.classes import class_list
from striate.data.sources.opened import Opened
from striate.data.sources.trees import Tree
from striate.errors import DataError
from striate.show.names import listed, printable


@dataclass(frozen=True)
class Block:
    """Pictures of one size and of one split.

    Parameters
    ----------
    split
        train, val or test; "" where the data says none
    pixels
        (n, height, width, channels) of uint8
    labels
        the names of each picture's classes
    """

    split: str
    pixels: np.ndarray
    labels: Sequence[tuple[str, ...]]


class ArraySource:
    """Rows of arrays, one array after the other.

    Parameters
    ----------
    arrays
        (n, height, width, channels) of uint8 each; they are not copied
    """

    def __init__(self, arrays: Sequence[np.ndarray]):
        self._arrays = list(arrays)
        self._ends = list(accumulate(len(array) for array in arrays))

    def read(self, row: int) -> np.ndarray:
        """Pixels (height, width, channels)."""
        place = bisect_right(self._ends, row)
        array = self._arrays[place]
        # a view, but where a picture's values do not lie side by side, as CIFAR's planes of one colour each
        return np.ascontiguousarray(array[row - (self._ends[place] - len(array))])

    def stamp(self, row: int) -> tuple[int, int]:
        """Its bytes, and a sum of them."""
        pixels = self.read(row)
        return pixels.nbytes, zlib.crc32(pixels.data)


def from_blocks(
    where: str,
    blocks: Sequence[Block],
    *,
    notes: Sequence[str] = (),
    several: bool = False,
    classes: Sequence[str] | None = None,
) -> Opened:
    """Blocks as one set of pictures; the picture 17 of a split is called train/00017.

    Parameters
    ----------
    where
        how messages call the data
    blocks
        its pictures
    notes
        what a person should know
    several
        whether a picture may have several labels
    classes
        the order of the classes, where the data states one
    """
    channels = {block.pixels.shape[3] for block in blocks}
    if len(channels) > 1:
        raise DataError(f"all pictures are gray or all have three channels, but {printable(where)} has both")
    if not sum(len(block.labels) for block in blocks):
        raise DataError(f"{printable(where)} holds no picture: its arrays have no rows")
    names: list[str] = []
    count = dict.fromkeys((block.split for block in blocks), 0)
    for block in blocks:
        start, folder = count[block.split], f"{block.split}/" if block.split else ""
        count[block.split] += len(block.labels)
        names += [f"{folder}{place:05d}" for place in range(start, count[block.split])]
    for block in blocks:
        block.pixels.flags.writeable = False  # what is handed out is a view of all there is
    return Opened(
        source=ArraySource([block.pixels for block in blocks]),
        names=names,
        labels=[label for block in blocks for label in block.labels],
        splits=[block.split for block in blocks for _ in block.labels],
        groups=[""] * len(names),
        gray=channels == {1},
        notes=list(notes),
        several=several,
        classes=list(classes) if classes is not None else None,
    )


def in_one_folder(tree: Tree, names: Sequence[str]) -> dict[str, str]:
    """Files that belong together by their names without the folder, which has to be the same for all."""
    folders = sorted({name.rpartition("/")[0] for name in names})
    if len(folders) > 1:
        raise DataError(
            f"files that belong together lie in one folder, but those of {printable(tree.where)} lie in "
            f"{listed([folder or 'its root' for folder in folders])}; open one of them"
        )
    return {name.rpartition("/")[2]: name for name in names}


def listed_classes(tree: Tree, name: str) -> list[str] | None:
    """A class name per line of a file, in the order of the labels 0, 1, 2, …; None where there is no such file."""
    if tree.find(name) is None:
        return None
    return class_list(tree.read(name), name)


def named(numbers: np.ndarray, classes: Sequence[str] | None, what: str) -> list[tuple[str, ...]]:
    """Class names of whole numbers (n,): the places in `classes`, or the numbers themselves.

    Parameters
    ----------
    numbers
        the labels
    classes
        names of 0, 1, 2, …
    what
        how messages call the labels
    """
    values, places = np.unique(numbers, return_inverse=True)
    if classes is not None and len(values) and not 0 <= int(values[0]) <= int(values[-1]) < len(classes):
        wrong = next(int(value) for value in values if not 0 <= value < len(classes))
        raise DataError(f"there are names for {len(classes)} classes, 0 to {len(classes) - 1}, but {what} has {wrong}")
    texts = [(str(int(value)) if classes is None else classes[int(value)],) for value in values]
    return [texts[place] for place in places]
