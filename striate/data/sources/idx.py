"""IDX files, as MNIST and its relatives come: a head with the sizes, then bytes; often gzipped."""

import gzip
import io
import math
import re
import struct
import zlib

import numpy as np

from striate.data.sources.blocks import Block, from_blocks, in_one_folder, listed_classes, named
from striate.data.sources.opened import Opened
from striate.data.sources.trees import Tree
from striate.errors import DataError
from striate.show.names import printable
from striate.show.numbers import exact, show_size

NAME = re.compile(r"(train|t10k)-(images|labels)[-.]idx([13])[-.]ubyte(\.gz)?")
SPLITS = {"train": "train", "t10k": "test"}
DEFLATE_LIMIT = 1032  # no gzip holds more than so many bytes in one
PIECE = 2**16  # bytes that are unpacked at a time


def is_idx(name: str) -> bool:
    """Whether a file is called as MNIST's are."""
    return bool(NAME.fullmatch(name.rpartition("/")[2]))


def open_idx(tree: Tree) -> Opened:
    """Pictures and labels of IDX files."""
    files = in_one_folder(tree, [name for name in tree.entries() if is_idx(name)])
    folder = next(iter(files.values())).rpartition("/")[0]
    found: dict[tuple[str, str], str] = {}
    notes = []
    for base in sorted(files):  # a packed one comes after its unpacked twin
        match = NAME.fullmatch(base)
        assert match
        key = (match[1], match[2])
        if key in found:
            notes.append(f"{printable(base)} is not read, for {printable(found[key])} is there, too")
        else:
            found[key] = files[base]
    classes = listed_classes(tree, f"{folder}/classes.txt".lstrip("/"))
    blocks = []
    for part, split in SPLITS.items():
        pair = [found.get((part, what)) for what in ("images", "labels")]
        if pair == [None, None]:
            continue
        pictures, labels = pair
        if not pictures or not labels:
            raise DataError(
                f"pictures and labels come in pairs, but {printable(tree.where)} has {printable(pictures or labels)} "
                f"and no {part}-{'labels-idx1' if pictures else 'images-idx3'}-ubyte or .gz"
            )
        pixels, numbers = read_idx(tree, pictures, 3), read_idx(tree, labels, 1)
        if len(pixels) != len(numbers):
            raise DataError(
                f"each picture has one label, but {printable(pictures)} has {exact(len(pixels))} pictures "
                f"and {printable(labels)} has {exact(len(numbers))} labels"
            )
        blocks.append(Block(split, pixels[..., None], named(numbers, classes, printable(labels))))
    return from_blocks(tree.where, blocks, notes=notes, classes=classes)


def read_idx(tree: Tree, name: str, dimensions: int) -> np.ndarray:
    """The array of one file, checked against what its head says.

    Parameters
    ----------
    tree
        where it lies
    name
        its name there
    dimensions
        3 for pictures (n, height, width), 1 for labels (n,)
    """
    raw = tree.read(name)
    try:
        # hardly more is unpacked than the head says, so a small file cannot fill the memory
        file = gzip.GzipFile(fileobj=io.BytesIO(raw)) if name.endswith(".gz") else io.BytesIO(raw)
        sizes = read_head(file.read(4 + 4 * dimensions), printable(name), dimensions)
        stated = math.prod(sizes)
        longest = len(raw) * (DEFLATE_LIMIT if name.endswith(".gz") else 1)
        content = bytearray()  # piece by piece: one read of all would hold it twice for a moment
        while len(content) <= stated <= longest and (piece := file.read(PIECE)):
            content += piece
        del raw
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{printable(name)} cannot be unpacked: {error}") from error
    if len(content) != stated:
        which = "more" if len(content) > stated else "fewer"
        raise DataError(
            f"{printable(name)} states {show_size(sizes)}, which is {exact(stated)} bytes, but it holds {which}"
        )
    return np.frombuffer(content, np.uint8).reshape(sizes)


def read_head(head: bytes, name: str, dimensions: int) -> tuple[int, ...]:
    """The sizes that a file states."""
    what = "pictures" if dimensions == 3 else "labels"
    if len(head) < 4 + 4 * dimensions or head[:4] != bytes((0, 0, 8, dimensions)):
        found = (
            f"begins with {head[:4].hex(' ')}" if len(head) == 4 + 4 * dimensions else f"ends after {len(head)} bytes"
        )
        raise DataError(f"{what} in IDX files begin with 00 00 08 0{dimensions} and their sizes, but {name} {found}")
    sizes = struct.unpack(f">{dimensions}I", head[4:])
    if 0 in sizes[1:]:
        raise DataError(f"a picture has at least one row and one column, but {name} states {show_size(sizes)}")
    return sizes
