"""Distortion: how strongly a training view may differ from its picture; presets, and one text for them."""

import re
from dataclasses import asdict, dataclass, replace
from math import sqrt

import numpy as np

from striate.data.distort.draw import NUMBERS, WARP, Drawn, draw
from striate.data.randomness import Purpose, uniforms
from striate.errors import StriateError, UnknownName

# what each strength may be, and its unit
RANGES = {
    "mirror": (0, 1, "a probability"),
    "crop": (0, 1, "a share of the area"),
    "aspect": (1, 4, "a ratio of sides"),
    "padding": (0, 4096, "pixels of the view"),
    "rotate": (0, 180, "degrees either way"),
    "shear": (0, 60, "degrees either way"),
    "scale": (0, 0.9, "a share of the size"),
    "warp": (0, 0.2, "a share of the shorter side"),
    "brightness": (0, 1, "a share"),
    "contrast": (0, 1, "a share"),
    "saturation": (0, 1, "a share"),
    "hue": (0, 180, "degrees either way"),
    "pca": (0, 1, "standard deviations"),
    "gray": (0, 1, "a probability"),
    "blur": (0, 1, "a probability"),
    "sigma": (0.1, 32, "pixels of the view"),
    "erase": (0, 1, "a probability"),
    "erased": (0.02, 1, "a share of the view"),
}


@dataclass(frozen=True)
class Distortion:
    """The strength of each distortion; 0 is off.

    Parameters
    ----------
    mirror
        probability of left and right swapped
    crop
        random resized crop: the smallest share of the picture's area in a view; 1 is all that its shape lets
    aspect
        how many times wider or taller than the view a crop may be, before it is squeezed into it
    padding
        padding and crop: up to so many pixels of the view it moves along each side; instead of `crop`
    rotate, shear
        degrees, either way
    scale
        share by which it grows or shrinks
    warp
        local warping: how far points move at most, as a share of the view's shorter side
    brightness, contrast, saturation
        share by which each is raised or lowered; contrast about mid-gray. A gray picture has no saturation, hue or pca
    hue
        degrees on the colour circle, either way
    pca
        shift along the main axes of the data's own colours, in their standard deviations (Krizhevsky's is 0.1)
    gray
        probability of no colour
    blur, sigma
        probability of blur, and the largest standard deviation of its bell, in pixels of the view
    erase, erased
        probability that a rectangle is painted over, and the largest share of the view that it covers
    """

    mirror: float = 0.0
    crop: float = 0.0
    aspect: float = 4 / 3
    padding: float = 0.0
    rotate: float = 0.0
    shear: float = 0.0
    scale: float = 0.0
    warp: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    pca: float = 0.0
    gray: float = 0.0
    blur: float = 0.0
    sigma: float = 2.0
    erase: float = 0.0
    erased: float = 0.3

    def __post_init__(self) -> None:
        for name, (low, high, unit) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise StriateError(f"{name} is {unit}, from {low} to {high}, but is {value}")
        if self.padding != int(self.padding):
            raise StriateError(f"padding is a whole number of pixels, but is {self.padding}")
        if self.crop and self.padding:
            raise StriateError(
                f"a view is cut out by crop or by padding, but crop is {self.crop} and padding {self.padding}; "
                "set one of them to 0"
            )

    def needed(self, size_in: tuple[int, int], size_out: tuple[int, int]) -> float:
        """How far a picture may be shrunk so that every view still has as many pixels as it shows; above 1 is too far.

        Parameters
        ----------
        size_in, size_out
            height and width of the picture and of the view
        """
        factor = max(after / before for after, before in zip(size_out, size_in, strict=True))
        if self.crop:
            smallest = self.crop * size_in[0] * size_in[1]
            factor = max(factor, sqrt(size_out[0] * size_out[1] / smallest))
        return factor * (1 + self.scale)

    def draw(
        self,
        size_in: tuple[int, int],
        size_out: tuple[int, int],
        seed: int,
        epoch: int,
        sample: int,
        spread: np.ndarray | None = None,
    ) -> Drawn:
        """What happens to one picture in one epoch.

        Parameters
        ----------
        size_in, size_out
            height and width of the picture and of the view
        seed, epoch, sample
            the address of the choice
        spread
            of the data's colours, for `pca`; see `striate.data.distort.colour.colour_spread`
        """
        return draw(
            self,
            size_in,
            size_out,
            uniforms(seed, epoch, sample, Purpose.DISTORT, NUMBERS if self.warp else WARP),
            spread,
        )

    def __str__(self) -> str:
        """The text that makes it: the nearest preset, then what differs."""
        nearest = min(PRESETS, key=lambda name: len(_changes(PRESETS[name], self)))
        changes = _changes(PRESETS[nearest], self)
        return ", ".join([nearest, *(f"{name} {repr(value).removesuffix('.0')}" for name, value in changes.items())])


PRESETS = {
    "none": Distortion(),
    "light": Distortion(mirror=0.5, crop=0.5, brightness=0.1, contrast=0.1),
    "photo": Distortion(
        mirror=0.5, crop=0.25, rotate=10, shear=5, brightness=0.25, contrast=0.25, saturation=0.25, hue=5
    ),
    "digits": Distortion(padding=2, rotate=10, shear=8, scale=0.1, warp=0.04),  # a mirrored 2 is no 2
    "strong": Distortion(
        mirror=0.5,
        crop=0.08,
        rotate=20,
        shear=10,
        scale=0.1,
        warp=0.04,
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=15,
        gray=0.1,
        blur=0.1,
        erase=0.25,
    ),
}


def distortion(text: "str | Distortion") -> Distortion:
    """Read a distortion: a preset's name, then what differs from it.

    Parameters
    ----------
    text
        such as "photo" or "photo, rotate 20, mirror 0"

    >>> distortion("photo, rotate 20, mirror 0").rotate
    20.0
    >>> print(distortion("photo, rotate 20, mirror 0"))
    photo, mirror 0, rotate 20
    """
    if isinstance(text, Distortion):
        return text
    if not isinstance(text, str):
        raise StriateError(f"a distortion is a text such as 'photo, rotate 20', but here it is {text!r}")
    preset, *changes = (part.strip().lower() for part in text.split(","))
    if preset not in PRESETS:
        first, _, rest = preset.partition(" ")
        if first in PRESETS:
            raise StriateError(f"parts of a distortion have commas between them: '{first}, {rest}', but it is '{text}'")
        if first.partition("=")[0] in RANGES:
            raise StriateError(f"a distortion begins with a preset, as in 'none, {preset}', but it is '{text}'")
        raise UnknownName("preset of distortions", preset, PRESETS)
    return replace(PRESETS[preset], **dict(_change(part) for part in changes))


def _change(text: str) -> tuple[str, float]:
    name, _, value = text.replace("=", " ").partition(" ")
    if name not in RANGES:
        raise UnknownName("distortion", name, RANGES)
    low, high, unit = RANGES[name]
    if not re.fullmatch(r"\d*\.?\d+(e-?\d+)?", value.strip()):
        raise StriateError(f"{name} is {unit}, from {low} to {high}, as in '{name} {high / 2:g}', but is '{value}'")
    return name, float(value)


def _changes(before: Distortion, after: Distortion) -> dict[str, float]:
    """The strengths of `after` that differ from those of `before`."""
    return {name: float(value) for name, value in asdict(after).items() if value != getattr(before, name)}
