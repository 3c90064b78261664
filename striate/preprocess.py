"""Preprocess: how a picture becomes a network's input. One object, shared by every room.

Training's validation, evaluation, explanation and serving all call `pixels`, so the same picture gives them the same
input; the exported graph repeats the same sums.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from striate.errors import StriateError
from striate.pictures.decode import WHITE, Decoded, brightness, decode
from striate.pictures.resize import Interpolation, resize

Fit = Literal["crop", "pad", "squash"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocess:
    """What happens to a picture between its file and the network.

    Parameters
    ----------
    size
        height and width of the network's input
    resize
        what the short side is resized to before the crop (for an input that is not square: before its shorter side is
        cropped); None is the input's own short side
    fit
        crop the centre, pad to the input's shape, or squash
    interpolation
        how the resize fills pixels; always antialiased
    channels
        order of the colour channels that the network was trained with, or L for brightness alone
    scale
        what a pixel of 255 becomes before mean and std: 1 or 255
    mean, std
        per channel in that order, in that scale
    background
        the colour (red, green, blue) under transparent parts, and of what is padded

    >>> Preprocess().pixels(np.zeros((375, 500, 3), np.uint8)).shape
    (224, 224, 3)
    """

    size: tuple[int, int] = (224, 224)
    resize: int | None = 256
    fit: Fit = "crop"
    interpolation: Interpolation = "bilinear"
    channels: Literal["RGB", "BGR", "L"] = "RGB"
    scale: Literal[1, 255] = 1
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    background: tuple[int, int, int] = WHITE

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():  # a record from a file may hold anything
            value = getattr(self, name)
            if get_origin(hint) is Literal and value not in get_args(hint):
                raise StriateError(f"{name} is {' or '.join(map(str, get_args(hint)))}, but here it is {value!r}")
        for name in ("size", "mean", "std", "background"):
            object.__setattr__(self, name, _numbers(name, getattr(self, name)))
        count = 1 if self.channels == "L" else 3
        if not len(self.mean) == len(self.std) == count:
            raise StriateError(
                f"mean and std hold {count} value(s) for {self.channels}, one per channel, "
                f"but are {self.mean} and {self.std}"
            )
        if min(self.std) <= 0:
            raise StriateError(f"std divides, so it must be above 0, but is {self.std}")
        if len(self.size) != 2 or min(self.size) < 1:
            raise StriateError(f"size is a height and a width of at least 1, but is {self.size}")
        if len(self.background) != 3 or not all(level in range(256) for level in self.background):
            raise StriateError(f"background is red, green and blue, each 0 to 255, but is {self.background}")
        if self.fit == "crop" and self.resize is not None and self.resize < min(self.size):
            raise StriateError(
                "the short side is resized to at least the input's, so that the crop fits, "
                f"but resize is {self.resize} for an input of {self.size[0]}×{self.size[1]}"
            )

    def read(self, source: Path | bytes, name: str = "") -> Decoded:
        """The pixels of a file, (height, width, channels) of uint8, and what was done to read it."""
        gray: Literal["RGB", "L"] = "L" if self.channels == "L" else "RGB"
        name = name or (str(source) if isinstance(source, Path) else "the picture")
        whole = decode(source, name, channels=gray, background=self.background)
        return Decoded(self.pixels(whole.pixels), whole.notes)

    def pixels(self, picture: np.ndarray, around: int = 0) -> np.ndarray:
        """An upright picture (height, width, channels) of uint8, fitted to the input's size; still red, green, blue.

        Parameters
        ----------
        picture
            the pixels
        around
            how many pixels more are shown on each side, of what the input's size cuts off. Where the picture ends, its
            border goes on, or the background where that is what it is padded with
        """
        height, width = (side + 2 * around for side in self.size)
        whole = self.fitted(picture.shape[:2])
        top, left = (start - around for start in self._starts(whole))
        rows = slice(max(0, top), min(whole[0], top + height))
        columns = slice(max(0, left), min(whole[1], left + width))
        shown = resize(picture, whole, self.interpolation, (rows, columns))
        if shown.shape[:2] == (height, width):
            return shown
        if self.fit != "pad":
            beyond = (rows.start - top, top + height - rows.stop), (columns.start - left, left + width - columns.stop)
            return np.pad(shown, (*beyond, (0, 0)), mode="edge")
        paper = np.empty((height, width, picture.shape[2]), np.uint8)
        paper[:] = self.background if picture.shape[2] == 3 else brightness(self.background)
        paper[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = shown
        return paper

    def fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width that a picture is resized to before it is cropped or padded."""
        if self.fit == "squash":
            return self.size
        room = self.size
        if self.fit == "crop" and self.resize:
            room = tuple(side * self.resize // min(self.size) for side in self.size)
        tall = size[0] * room[1] >= size[1] * room[0]  # narrower than the input
        if tall == (self.fit == "crop"):  # the width fits exactly, the height is what the shape makes it
            return max(1, size[0] * room[1] // size[1]), room[1]
        return room[0], max(1, size[1] * room[0] // size[0])

    def seen(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """The part of a picture of this height and width that the input shows: top, bottom, left and right as shares.

        They lie beyond 0 and 1 where the picture is padded.
        """
        whole = self.fitted(size)
        starts = self._starts(whole)
        (top, bottom), (left, right) = (
            (start / inner, (start + side) / inner) for start, side, inner in zip(starts, self.size, whole, strict=True)
        )
        return top, bottom, left, right

    def _starts(self, whole: tuple[int, int]) -> list[int]:
        """The first row and column of a fitted picture that the input shows; below 0 where it is padded."""
        if self.fit == "pad":
            return [-((side - inner) // 2) for side, inner in zip(self.size, whole, strict=True)]
        # half to even, as torchvision crops
        return [round((inner - side) / 2) for side, inner in zip(self.size, whole, strict=True)]

    def normalised(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (…, height, width, channels) as the network takes them: (…, channels, height, width), float32."""
        ordered = pixels[..., ::-1] if self.channels == "BGR" else pixels
        factor, shift = self.factors
        return np.moveaxis(ordered * factor + shift, -1, -3)

    @property
    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """What pixels are multiplied by and what is added then, per channel: scale, mean and std in one."""
        mean, std = np.array(self.mean), np.array(self.std)
        return (self.scale / 255 / std).astype(np.float32), (-mean / std).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocess":
        """Back from `to_dict`, also after a trip through JSON, where tuples become lists."""
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        if unknown := sorted(plain.keys() - {field.name for field in fields(cls)}):
            raise StriateError(
                f"a preprocess is described by {', '.join(cls.__annotations__)}, but {unknown} are there"
            )
        if missing := sorted({field.name for field in fields(cls)} - plain.keys() - {"background"}):
            raise StriateError(f"a preprocess is described by all of its parts, but {', '.join(missing)} are missing")
        return cls(**plain)


def _numbers(name: str, values: Any) -> tuple:
    """Several numbers as a tuple, which can be compared and remembered."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, int | float) for value in values):
        raise StriateError(f"{name} is several numbers, but here it is {values!r}")
    return tuple(values)
