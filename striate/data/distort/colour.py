"""What happens to the colours of one picture, as one matrix."""

from collections.abc import Iterable
from math import cos, hypot, radians, sin, sqrt
from typing import TYPE_CHECKING

import numpy as np

from striate.data.randomness import normals
from striate.errors import StriateError
from striate.ops.picture import LUMA

if TYPE_CHECKING:
    from striate.data.distort.distortion import Distortion

MID_GRAY = 127.5
Light = tuple[float, float]


def draw_colour(
    distortion: "Distortion", numbers: list[float], spread: np.ndarray | None, amounts: dict[str, float]
) -> tuple[np.ndarray | None, Light | None]:
    """Brightness, contrast, hue, PCA shift and saturation, in this order: for a colour picture, and for a gray one.

    Parameters
    ----------
    distortion
        how strong
    numbers
        nine from 0 to 1: brightness, contrast, saturation, hue, gray and four of the shift
    spread
        `colour_spread` of the data
    amounts
        gets what was drawn
    """
    strengths = distortion.brightness, distortion.contrast, distortion.saturation, distortion.hue
    if not (any(strengths) or distortion.pca or numbers[4] < distortion.gray):
        return None, None
    brightness, contrast, saturation, hue = (
        strength * (2 * number - 1) for strength, number in zip(strengths, numbers, strict=False)
    )
    gain, lift = (1 + brightness) * (1 + contrast), -MID_GRAY * contrast
    kept = 0.0 if numbers[4] < distortion.gray else 1 + saturation
    if kept == 0:
        amounts["gray"] = 1
    # a turn about the axis of the grays: each row is the one above it, moved on
    along, across = (1 - cos(radians(hue))) / 3, sin(radians(hue)) / sqrt(3)
    p, q, r = 1 - 2 * along, along - across, along + across
    turned = (p, q, r), (r, p, q), (q, r, p)
    gray = [sum(share * row[column] for share, row in zip(LUMA, turned, strict=True)) for column in range(3)]
    matrix = [[gain * (kept * x + (1 - kept) * y) for x, y in zip(row, gray, strict=True)] + [lift] for row in turned]
    if distortion.pca:
        shift = _shift(distortion.pca, numbers[5:], spread)
        amounts["pca"] = hypot(*shift)
        light = sum(share * value for share, value in zip(LUMA, shift, strict=True))
        for row, value in zip(matrix, shift, strict=True):
            row[3] += kept * value + (1 - kept) * light
    for name, strength, drawn in zip(
        ("brightness", "contrast", "saturation", "hue"),
        strengths,
        (1 + brightness, 1 + contrast, 1 + saturation, hue),
        strict=True,
    ):
        if strength:
            amounts[name] = drawn
    return np.array(matrix, np.float32), (gain, lift)


def _shift(strength: float, numbers: list[float], spread: np.ndarray | None) -> list[float]:
    """Levels that are added to red, green and blue."""
    if spread is None:
        raise StriateError(
            f"pca shifts colours along the axes of the data's own, but is {strength} and their spread is not known; "
            "colour_spread(pictures) tells it, and pca 0 does without"
        )
    return (strength * (spread @ normals(np.array(numbers))[:3])).tolist()


def colour_spread(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """How the colours of some pictures spread: the root of their covariance, (3, 3), in levels.

    Times normal numbers it gives shifts that are distributed as the colours are: along their main axes (the
    eigenvectors), each by its own standard deviation. Every picture counts the same.

    Parameters
    ----------
    pictures
        each (height, width, 3) of uint8
    """
    count, total, squares = 0, np.zeros(3), np.zeros((3, 3))
    for picture in pictures:
        if picture.shape[2] != 3:
            raise StriateError(f"the spread of colours is that of 3 channels, but a picture has {picture.shape[2]}")
        colours = picture.reshape(-1, 3).astype(np.float64)
        count, total = count + 1, total + colours.mean(axis=0)
        squares += colours.T @ colours / len(colours)
    if not count:
        raise StriateError("the spread of colours is that of 1 picture or more, but there are none")
    sizes, axes = np.linalg.eigh(squares / count - np.outer(total, total) / count**2)
    return (axes * np.sqrt(np.maximum(sizes, 0))) @ axes.T
