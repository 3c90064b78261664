"""How striate resizes: two matrix products with whole-number weights, so that every engine gives the same pixels.

Each output pixel is a weighted mean of the input pixels near it, along the rows first and along the columns then, each
time rounded to whole levels: an antialiased triangle (bilinear) or cubic filter that widens as a picture shrinks. The
weights are whole numbers over a power of two, small enough for every sum to be exact in float32. So the order of a
sum does not matter, and NumPy, PyTorch and an exported graph agree to the bit.

Always along the rows first: some libraries choose the order by the sizes, and differ by a level here and there.
"""

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from striate.errors import GeometryError
from striate.show.numbers import show_size

Interpolation = Literal["bilinear", "bicubic"]
# 255 times the sum of a row's absolute weights must stay below 2^24, where float32 stops counting
BITS = {"bilinear": 16, "bicubic": 15}
BLOCK = 16  # output positions at a time: weights are zero outside a band, so most of a whole product is wasted
BAND = 64  # rows at a time, so that a photo of 12 megapixels takes no hundreds of megabytes as float32


def resize(
    pixels: np.ndarray,
    size: tuple[int, int],
    interpolation: Interpolation = "bilinear",
    window: tuple[slice, slice] = (slice(None), slice(None)),
) -> np.ndarray:
    """Pixels of another size.

    Parameters
    ----------
    pixels
        (height, width, channels) of uint8
    size
        height and width of the result
    interpolation
        bilinear or bicubic, both antialiased
    window
        the rows and columns of the result that are wanted; the others are not computed

    >>> resize(np.array([[[0], [100], [200], [200]]], np.uint8), (1, 2))[0, :, 0].tolist()
    [71, 186]
    """
    if min(*size, *pixels.shape[:2]) < 1:
        raise GeometryError(f"a picture has at least 1×1 pixels, but {show_size(pixels.shape[:2])} → {show_size(size)}")
    (rows, down), (columns, across) = (
        _blocks(before, after, *part.indices(after)[:2], interpolation)
        for before, after, part in zip(pixels.shape, size, window, strict=False)
    )
    pixels = pixels[rows, columns]
    height, width, channels = len(pixels), across[-1].outputs.stop, pixels.shape[2]
    narrow = np.empty((channels, height, width), np.float32)
    for top in range(0, height, BAND):
        part = np.moveaxis(pixels[top : top + BAND], 2, 0).astype(np.float32, order="C")
        for block in across:
            out = narrow[:, top : top + BAND, block.outputs]
            np.matmul(part[:, :, block.inputs], block.weights.T, out=out)
        _round(narrow[:, top : top + BAND], interpolation)
    result = np.empty((down[-1].outputs.stop, width, channels), np.uint8)
    for block in down:
        small = block.weights @ narrow[:, block.inputs]  # (channels, rows of the block, width)
        _round(small, interpolation)
        result[block.outputs] = np.moveaxis(small, 0, 2)
    return result


def resize_weights(
    before: int, after: int, interpolation: Interpolation = "bilinear", outputs: range | None = None
) -> tuple[slice, np.ndarray]:
    """Which input positions some output positions see, and their weights.

    The weights (outputs, inputs) are whole numbers as float32, whose rows sum to 2^BITS[interpolation]. They are
    rounded as differences of a running sum: so a row's sum is exact, and a plain colour keeps its level.

    Parameters
    ----------
    before, after
        how many positions there are
    interpolation
        bilinear or bicubic
    outputs
        some of the output positions, side by side; None is all

    >>> resize_weights(4, 2)
    (slice(0, 4, None), array([[28087., 28087.,  9362.,     0.],
           [    0.,  9362., 28087., 28087.]], dtype=float32))
    """
    outputs = range(after) if outputs is None else outputs
    widest = max(before, after)
    reach = 2 * widest * (1 if interpolation == "bilinear" else 2)
    # pixel i lies at (2i + 1) · after, output o at (2o + 1) · before; in these units the triangle is 4 · widest wide
    first = max(0, ((2 * outputs[0] + 1) * before - after - reach) // (2 * after))
    last = min(before - 1, ((2 * outputs[-1] + 1) * before - after + reach) // (2 * after))
    at = (2 * np.arange(first, last + 1) + 1) * after
    apart = np.abs(at - (2 * np.asarray(outputs)[:, None] + 1) * before)
    if interpolation == "bilinear":
        raw = np.maximum(reach - apart, 0).astype(np.float64)  # whole, so all of what follows is exact
    else:
        t = apart / (2 * widest)  # Keys' cubic with a = −1/2
        raw = np.where(t < 1, (1.5 * t - 2.5) * t * t + 1, np.where(t < 2, ((2.5 - 0.5 * t) * t - 4) * t + 2, 0))
    running = np.cumsum(raw, axis=1)
    whole = np.floor(running / running[:, -1:] * 2 ** BITS[interpolation] + 0.5)
    return slice(first, last + 1), np.diff(whole, axis=1, prepend=0).astype(np.float32)


class _Block(NamedTuple):
    """A few output positions, the inputs that they see, both counted from the first of the window, and the weights."""

    outputs: slice
    inputs: slice
    weights: np.ndarray


@lru_cache(maxsize=64)
def _blocks(before: int, after: int, first: int, last: int, interpolation: Interpolation) -> tuple[slice, list[_Block]]:
    """The inputs of the output positions from `first` to before `last`, and their weights block by block."""
    found = []
    for at in range(first, last, BLOCK):
        outputs = range(at, min(at + BLOCK, last))
        inputs, weights = resize_weights(before, after, interpolation, outputs)
        found.append((outputs, inputs, weights))
    start, stop = found[0][1].start, found[-1][1].stop
    return slice(start, stop), [
        _Block(
            slice(outputs[0] - first, outputs[-1] + 1 - first),
            slice(inputs.start - start, inputs.stop - start),
            weights,
        )
        for outputs, inputs, weights in found
    ]


def _round(sums: np.ndarray, interpolation: Interpolation) -> None:
    """Sums become whole levels from 0 to 255, in place."""
    sums *= 2.0 ** -BITS[interpolation]
    sums += 0.5
    np.floor(sums, out=sums)
    np.clip(sums, 0, 255, out=sums)
