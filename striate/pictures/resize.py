"""How striate resizes: two matrix products with whole-number weights, so that every engine gives the same pixels.

Each output pixel is a weighted mean of the input pixels near it, along the rows first and along the columns then, each
time rounded to whole levels: an antialiased triangle (bilinear) or cubic filter that widens as a picture shrinks. The
weights are whole numbers over a power of two, small enough for every sum to be exact in float32. So the order of a
sum does not matter, and NumPy, PyTorch and an exported graph agree to the bit.
"""

from functools import lru_cache
from typing import Literal

import numpy as np

from striate.errors import GeometryError
from striate.show.numbers import show_size

Interpolation = Literal["bilinear", "bicubic"]
# 255 times the sum of a row's absolute weights must stay below 2^24, where float32 stops counting
BITS = {"bilinear": 16, "bicubic": 15}
BLOCK = 32  # output positions at a time: a weight matrix is zero outside a band, so most of a whole product is wasted
BAND = 128  # rows at a time, so that a photo of 12 megapixels takes no hundreds of megabytes as float32


def resize(pixels: np.ndarray, size: tuple[int, int], interpolation: Interpolation = "bilinear") -> np.ndarray:
    """Pixels of another size.

    Parameters
    ----------
    pixels
        (height, width, channels) of uint8
    size
        height and width of the result
    interpolation
        bilinear or bicubic, both antialiased

    >>> resize(np.array([[[0], [100], [200], [200]]], np.uint8), (1, 2))[0, :, 0].tolist()
    [71, 186]
    """
    if min(*size, *pixels.shape[:2]) < 1:
        raise GeometryError(f"a picture has at least 1×1 pixels, but {show_size(pixels.shape[:2])} → {show_size(size)}")
    height, width = size
    narrow = np.empty((pixels.shape[2], len(pixels), width), np.float32)  # (channels, height before, width)
    across, down = (
        resize_weights(n, m, interpolation) for n, m in zip(pixels.shape[1::-1], (width, height), strict=True)
    )
    for top in range(0, len(pixels), BAND):
        rows = np.moveaxis(pixels[top : top + BAND], 2, 0).astype(np.float32)
        narrow[:, top : top + BAND] = _weighed(rows, across, interpolation)
    small = _weighed(narrow.swapaxes(1, 2), down, interpolation)  # (channels, width, height)
    return np.ascontiguousarray(small.transpose(2, 1, 0), dtype=np.uint8)


@lru_cache(maxsize=64)
def resize_weights(before: int, after: int, interpolation: Interpolation = "bilinear") -> np.ndarray:
    """Weights (after, before), whole numbers as float32, whose rows sum to 2^BITS[interpolation].

    Rounded as differences of a running sum: so a row's sum is exact, and a plain colour keeps its level.
    """
    widest = max(before, after)
    # how far apart an input and an output pixel are, in units of which the filter is 2·widest wide
    apart = np.abs((2 * np.arange(before)) * after + after - ((2 * np.arange(after)[:, None] + 1) * before))
    if interpolation == "bilinear":
        raw = np.maximum(2 * widest - apart, 0).astype(np.float64)  # whole, so all of what follows is exact
    else:
        t = apart / (2 * widest)  # Keys' cubic with a = −1/2
        raw = np.where(t < 1, (1.5 * t - 2.5) * t * t + 1, np.where(t < 2, ((2.5 - 0.5 * t) * t - 4) * t + 2, 0))
    running = np.cumsum(raw, axis=1)
    whole = np.floor(running / running[:, -1:] * 2 ** BITS[interpolation] + 0.5)
    weights = np.diff(whole, axis=1, prepend=0).astype(np.float32)
    weights.flags.writeable = False
    return weights


def _weighed(values: np.ndarray, weights: np.ndarray, interpolation: Interpolation) -> np.ndarray:
    """(channels, rows, before) → (channels, rows, after), whole levels from 0 to 255."""
    result = np.empty((*values.shape[:2], len(weights)), np.float32)
    for first in range(0, len(weights), BLOCK):
        block = weights[first : first + BLOCK]
        used = np.flatnonzero(block.any(axis=0))
        band = slice(used[0], used[-1] + 1)
        result[:, :, first : first + BLOCK] = values[:, :, band] @ block[:, band].T
    result *= 2.0 ** -BITS[interpolation]
    return np.clip(np.floor(result + 0.5), 0, 255)
