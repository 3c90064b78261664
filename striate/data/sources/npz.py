"""NumPy's .npz files, named as Keras, MedMNIST or a person names their arrays; never with pickles."""

import io
import zipfile
import zlib
from typing import Any

import numpy as np

from striate.data.sources.blocks import Block, from_blocks, listed_classes, named
from striate.data.sources.classes import same_name
from striate.data.sources.opened import Opened
from striate.data.sources.trees import Tree
from striate.data.sources.unpacking import inflated
from striate.errors import DataError
from striate.show.names import listed, printable
from striate.show.numbers import exact

# the names of pictures and of labels, and the split that they stand for
PAIRS = [
    *(("x_" + part, "y_" + part, split) for part, split in (("train", "train"), ("val", "val"), ("test", "test"))),
    *((split + "_images", split + "_labels", split) for split in ("train", "val", "test")),
    ("images", "labels", ""),
    ("x", "y", ""),
]
SHAPES = "uint8 of (n, height, width), (n, height, width, 1) or (n, height, width, 3)"


def open_npz(tree: Tree, name: str) -> Opened:
    """Pictures and labels of one file."""
    arrays = Arrays(tree, name)
    pairs = [pair for pair in PAIRS if pair[0] in arrays.keys and pair[1] in arrays.keys]
    splits = [split for _, _, split in pairs]
    if not pairs or len(set(splits)) < len(splits) or ("" in splits and len(splits) > 1):
        raise DataError(
            "arrays are called x_train and y_train (x_val, x_test), or train_images and train_labels (val_, test_), "
            f"or images and labels, or x and y, but {arrays.where} has {listed(arrays.keys, 12) or 'none'}"
        )
    used = {key for pair in pairs for key in pair[:2]}
    notes = [f"{printable(key)} of {arrays.where} is not read" for key in arrays.keys if key not in used]
    classes = listed_classes(tree, f"{name.rpartition('/')[0]}/classes.txt".lstrip("/"))
    labels = {pair: arrays.labels(pair[1]) for pair in pairs}
    widths = {array.shape[1] if array.ndim == 2 else 0 for array in labels.values()}
    if len(widths) > 1:
        raise DataError(
            f"the labels of all splits have one shape (n,) or (n, classes), but those of {arrays.where} differ"
        )
    width = widths.pop()
    if width and classes is None:
        classes = [str(place) for place in range(width)]
    if width and classes is not None and len(classes) != width:
        raise DataError(
            f"the labels of {arrays.where} have {width} columns, but classes.txt names {len(classes)} classes"
        )
    if width and all((array.sum(axis=1) == 1).all() for array in labels.values()):
        notes.append("every picture has exactly one label; labels of shape (n,) would say that it can have only one")
    blocks = []
    for pair in pairs:
        pixels, array = arrays.pixels(pair[0]), labels[pair]
        if len(pixels) != len(array):
            raise DataError(
                f"each picture has its labels, but {pair[0]} of {arrays.where} has {exact(len(pixels))} rows "
                f"and {pair[1]} has {exact(len(array))}"
            )
        blocks.append(Block(pair[2], pixels, names_of(array, classes, f"{pair[1]} of {arrays.where}")))
    return from_blocks(tree.where, blocks, notes=notes, several=bool(width), classes=classes)


def names_of(labels: np.ndarray, classes: list[str] | None, what: str) -> list[tuple[str, ...]]:
    """Class names of labels: numbers (n,), texts (n,), or 0 and 1 (n, classes)."""
    if labels.ndim == 2:
        assert classes is not None
        return [tuple(classes[place] for place in np.flatnonzero(row)) for row in labels]
    if labels.dtype.kind == "U":
        texts = {text: (same_name(text),) for text in map(str, np.unique(labels))}
        return [texts[str(text)] for text in labels]
    return named(labels, classes, what)


class Arrays:
    """The arrays of an .npz file, each checked as it is read."""

    def __init__(self, tree: Tree, name: str):
        self.where = printable(name)
        content = tree.read(name)
        if not content.startswith((b"PK", b"\x93NUMPY")):
            raise DataError(f"an .npz file is what numpy.savez writes, but {self.where} begins as something else")
        try:
            self._file = np.load(io.BytesIO(content), allow_pickle=False)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{self.where} is an .npz file that is cut short or broken: {error}") from error
        if not isinstance(self._file, np.lib.npyio.NpzFile):
            raise DataError(f"an .npz file holds several arrays with names, but {self.where} is a single one (.npy)")
        self.keys = list(self._file)
        archive: Any = self._file.zip
        self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    def read(self, key: str) -> np.ndarray:
        """One array."""
        member = self._members[key]
        too_large = inflated(member.file_size, member.compress_size)
        if too_large:
            raise DataError(f"{printable(key)} of {self.where} {too_large}; save it without compression")
        try:
            array = self._file[key]
            if not isinstance(array, np.ndarray):
                raise DataError(f"{printable(key)} of {self.where} is no array")
            return array
        except MemoryError as error:
            raise DataError(f"{key} of {self.where} does not fit into the memory") from error
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            if "pickle" in str(error):
                raise DataError(
                    f"{key} of {self.where} is an array of Python objects, a pickle, which can run code and is never "
                    "read; numbers or texts of a fixed width (dtype 'U20') would work"
                ) from error
            raise DataError(f"{key} of {self.where} cannot be read: {error}") from error

    def pixels(self, key: str) -> np.ndarray:
        """Pictures (n, height, width, channels)."""
        array = self.read(key)
        array = array[..., None] if array.ndim == 3 else array
        if array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] in (1, 3) and 0 not in array.shape[1:]:
            return array
        help = ""
        if array.dtype.kind == "f":
            help = f"; where its white is 1, save (255 * {key}).round().astype('uint8')"
        elif array.ndim == 4 and array.shape[1] in (1, 3):
            help = f"; save {key}.transpose(0, 2, 3, 1)"
        shape = self.read(key).shape
        raise DataError(f"pictures are {SHAPES}, but {key} of {self.where} is {array.dtype} of {shape}{help}")

    def labels(self, key: str) -> np.ndarray:
        """Labels: whole numbers or texts (n,), or 0 and 1 (n, classes)."""
        array = self.read(key)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.dtype.kind == "S":
            try:
                array = np.char.decode(array, "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(f"texts are UTF-8, but {key} of {self.where} is not: {error}") from error
        whole = array.dtype.kind in "iub"
        if array.ndim == 1 and (whole or array.dtype.kind == "U"):
            return array
        if array.ndim == 2 and whole and array.shape[1] and ((array == 0) | (array == 1)).all():
            return array
        raise DataError(
            "labels are whole numbers or texts of (n,) or (n, 1), or 0 and 1 of (n, classes), "
            f"but {key} of {self.where} is {array.dtype} of {array.shape}"
            + ("; save it with .astype('int64')" if array.dtype.kind == "f" else "")
        )
