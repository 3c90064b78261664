"""Small data sets that tests make."""

import io

import numpy as np
from PIL import Image

from striate.data.dataset import Dataset


def photo(number: int, height: int = 40, width: int = 50) -> np.ndarray:
    """A smooth picture of its own: (height, width, 3)."""
    random = np.random.default_rng(number)
    rough = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return np.asarray(rough.resize((width, height), Image.Resampling.BICUBIC))


def encoded(pixels: np.ndarray, format: str = "PNG", **options) -> bytes:
    """A file's bytes."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


class Kept:
    """A source whose files, or pixels, are in a list; it counts how often each is read."""

    def __init__(self, contents: list):
        self.contents = list(contents)
        self.reads = [0] * len(contents)

    def read(self, row: int):
        self.reads[row] += 1
        return self.contents[row]

    def stamp(self, row: int) -> tuple[int, int]:
        content = self.contents[row]
        return (len(content), hash(content)) if isinstance(content, bytes) else (content.nbytes, int(content.sum()))


def dataset(contents: list, labels=None, *, where: str = "made", gray: bool = False) -> Dataset:
    """Pictures of the classes a and b by turns, all for training, or with these labels."""
    count = len(contents)
    return Dataset(
        where=where,
        source=Kept(contents),
        rows=np.arange(count),
        names=[f"{number:03d}.png" for number in range(count)],
        classes=("a", "b"),
        labels=np.arange(count) % 2 if labels is None else np.asarray(labels),
        splits=np.array(["train"] * count),
        groups=np.array([""] * count),
        gray=gray,
    )
