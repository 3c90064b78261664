"""CIFAR-10 and CIFAR-100 in their binary versions, for their Python versions are pickles, which can run code."""

import re

import numpy as np

from striate.data.sources.blocks import Block, from_blocks, in_one_folder, listed_classes, named
from striate.data.sources.opened import Opened
from striate.data.sources.trees import Tree
from striate.errors import DataError
from striate.show.names import printable
from striate.show.numbers import exact

TEN = re.compile(r"data_batch_([1-5])\.bin|test_batch\.bin")
HUNDRED = ("train.bin", "test.bin", "fine_label_names.txt")
PIXELS = 3 * 32 * 32


def bases(tree: Tree) -> set[str]:
    """Names of files without their folders."""
    return {name.rpartition("/")[2] for name in tree.entries()}


def is_cifar(tree: Tree) -> bool:
    """Whether there are binary batches of CIFAR-10 or CIFAR-100, or their pickles."""
    found = bases(tree)
    return any(map(TEN.fullmatch, found)) or is_hundred(found) or is_pickled(found)


def is_hundred(found: set[str]) -> bool:
    """Whether these are files of CIFAR-100."""
    return "fine_label_names.txt" in found and not found.isdisjoint(HUNDRED[:2])


def is_pickled(found: set[str]) -> bool:
    """Whether these are files of the Python version of one of them."""
    return found >= {"batches.meta", "data_batch_1"} or found >= {"meta", "train", "test"}


def open_cifar(tree: Tree) -> Opened:
    """Pictures and labels of binary batches."""
    found = bases(tree)
    ten = any(map(TEN.fullmatch, found))
    if not ten and not is_hundred(found):
        size = 10 if "data_batch_1" in found else 100
        raise DataError(
            f"{printable(tree.where)} is CIFAR-{size}'s Python version, whose pickles can run code and are never read; "
            f"cifar-{size}-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html has the same pictures"
            + (" (`striate get cifar10`)" if size == 10 else "")
        )
    belongs = TEN.fullmatch if ten else HUNDRED.__contains__
    files = in_one_folder(tree, [name for name in tree.entries() if belongs(name.rpartition("/")[2])])
    folder = next(iter(files.values())).rpartition("/")[0]
    classes = listed_classes(tree, f"{folder}/{'batches.meta.txt' if ten else HUNDRED[2]}".lstrip("/"))
    expected = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"] if ten else HUNDRED[:2]
    notes = [f"{name} is not there" for name in expected if name not in files]
    blocks = [
        read_batch(tree, files[name], "test" if name.startswith("test") else "train", 1 if ten else 2, classes)
        for name in expected
        if name in files
    ]
    return from_blocks(tree.where, blocks, notes=notes, classes=classes)


def read_batch(tree: Tree, name: str, split: str, heads: int, classes: list[str] | None) -> Block:
    """The pictures of one file: rows of labels (the last one is read), then the red, green and blue plane."""
    content = tree.read(name)
    if not content or len(content) % (heads + PIXELS):
        raise DataError(
            f"a batch is rows of {exact(heads + PIXELS)} bytes, but {printable(name)} has {exact(len(content))} bytes"
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, heads + PIXELS)
    planes = rows[:, heads:].reshape(-1, 3, 32, 32)  # a view, as is its turn to channels last
    return Block(split, planes.transpose(0, 2, 3, 1), named(rows[:, heads - 1], classes, printable(name)))
