"""Pictures for the operators: upright, channels first, as numbers from 0 to 255."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from striate.errors import PictureError
from striate.ops.scene import BUILT_IN
from striate.pictures.decode import WHITE, is_deep, on_background, turned_upright
from striate.pictures.opened import opened
from striate.show.numbers import show_size

COLOURS = ("red", "green", "blue")
LUMA = (0.299, 0.587, 0.114)  # how bright each colour looks: ITU-R BT.601, as Pillow turns colour into gray


@dataclass(frozen=True)
class Picture:
    """A picture as numbers.

    Parameters
    ----------
    name
        the file's name, or that of a built-in picture
    pixels
        (channels, height, width), from 0 to 255; one channel (gray) or three (red, green, blue). A byte each where
        the file has 8 bits: a large photo as float64 would take eight times as much
    notes
        what was done to it while reading
    """

    name: str
    pixels: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> np.ndarray:
        """The pixels as float64."""
        return np.asarray(self.pixels, float)

    @property
    def size(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        channels, height, width = self.pixels.shape
        return height, width, channels

    def gray(self) -> np.ndarray:
        """The brightness alone, (1, height, width)."""
        return self.values if len(self.pixels) == 1 else np.einsum("c, cyx -> yx", LUMA, self.pixels)[None]

    def __str__(self) -> str:
        return f"{self.name}, {show_size(self.size)}"


def read_picture(source: str | Path | None) -> Picture:
    """Read a picture.

    Parameters
    ----------
    source
        a file, or the name of a built-in picture (scene, halves); None is the scene

    >>> read_picture("halves").size
    (6, 6, 1)
    """
    name = "scene" if source is None else str(source)
    path = Path(name)
    if name in BUILT_IN and not path.exists():
        return Picture(f"{name} (built in)", _channels_first(BUILT_IN[name]()))
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not an ordinary file" if path.exists() else "not there"
        raise PictureError(f"a picture is a file, or built in ({', '.join(BUILT_IN)}), but {path} is {what}")
    with opened(path, str(path)) as image:
        upright, notes = turned_upright(image, str(path))
        pixels = _channels(upright, notes)
    return Picture(path.name, pixels, tuple(notes))


def _channels(image: Image.Image, notes: list[str]) -> np.ndarray:
    """(channels, height, width): gray stays one channel, and 16-bit gray keeps its levels."""
    if is_deep(image):
        notes.append("16-bit gray, scaled to 0…255 without rounding")
        return np.asarray(image)[None] / 257.0
    opaque = on_background(image, WHITE, notes)
    return _channels_first(opaque.convert("L" if opaque.mode in ("1", "L") else "RGB"))


def _channels_first(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
