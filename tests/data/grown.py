"""Folders of tiny pictures that tests make, and what they ask of the data in them."""

from pathlib import Path
from zlib import crc32

import numpy as np
from made import encoded

from striate.data.dataset import Dataset


def picture(name: str) -> bytes:
    """A file's bytes, others for another name."""
    return encoded(np.frombuffer(crc32(name.encode("utf-8", "surrogateescape")).to_bytes(4), np.uint8)[None])


def grow(root: Path, *names: str) -> Path:
    """Write a picture under each name, or a folder where it ends in '/'."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(name))
    return root


def many(count: int, *folders: str) -> list[str]:
    """Names of so many pictures in each folder."""
    return [f"{folder}/{number}.png" for folder in folders for number in range(count)]


def share(data: Dataset, split: str = "val") -> dict[str, int]:
    """How many pictures of each class a split has."""
    labels = data[split].labels
    return dict(zip(data.classes, np.bincount(labels, minlength=len(data.classes)).tolist(), strict=True))


def told(data: Dataset, words: str) -> bool:
    """Whether opening told something with these words."""
    return any(words in note for note in data.notes)
