"""Pictures that are stored as arrays: IDX files, CIFAR's binary batches, .npz files, and scikit-learn's digits."""

from typing import Any

import numpy as np

from striate.data.sources.blocks import Block, from_blocks, named
from striate.data.sources.cifar import is_cifar, open_cifar
from striate.data.sources.folders import is_hidden
from striate.data.sources.idx import is_idx, open_idx
from striate.data.sources.npz import open_npz
from striate.data.sources.opened import Opened
from striate.data.sources.trees import Tree
from striate.errors import DataError
from striate.pictures.opened import ENDINGS
from striate.show.names import listed, printable


def recognise(tree: Tree) -> bool:
    """Whether a tree holds pictures as arrays: names as MNIST's or CIFAR's, or .npz files and no picture files."""
    return any(map(is_idx, tree.entries())) or is_cifar(tree) or bool(npz_files(tree))


def open_arrays(tree: Tree) -> Opened:
    """Open what `recognise` recognises."""
    if any(map(is_idx, tree.entries())):
        return open_idx(tree)
    if is_cifar(tree):
        return open_cifar(tree)
    name, *more = npz_files(tree)
    if more:
        raise DataError(
            f"one .npz file is opened at a time, but {printable(tree.where)} has "
            f"{listed(sorted([name, *more]))}; give the path of one"
        )
    return open_npz(tree, name)


def npz_files(tree: Tree) -> list[str]:
    """The .npz files of a tree without pictures; beside pictures they are something else, such as features."""
    names = list(tree.entries())
    if any(f".{name.rpartition('.')[2].lower()}" in ENDINGS for name in names):
        return []
    return [name for name in names if name.lower().endswith(".npz") and not is_hidden(name)]


def open_digits() -> Opened:
    """The 1,797 handwritten digits that come with scikit-learn: 8×8, gray."""
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]  # stored as 0 to 16
    return from_blocks("digits", [Block("", pixels, named(digits.target, None, "digits"))])
