"""Arrays that tests write into files, and what is read back from them."""

from pathlib import Path

import numpy as np

from striate.data.sources.arrays import open_arrays, recognise
from striate.data.sources.trees import Folder

RANDOM = np.random.default_rng(0)


def pixels(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def opened(folder: Path):
    tree = Folder(folder)
    assert recognise(tree)
    return open_arrays(tree)


def rows(found) -> list[np.ndarray]:
    return [found.source.read(row) for row in range(len(found.names))]
