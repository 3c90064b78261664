"""Convolution, which in a network is cross-correlation: the filter is not flipped.

    out[n, o, y, x] = bias[o] + Σ over c, i, j of  weights[o, c, i, j] · padded[n, c, y·s + i·d, x·s + j·d]

The sum over i and j is the loop; the sum over the channels c is a matrix product at every place.
"""

import numpy as np
from numpy.typing import ArrayLike

from striate.errors import GeometryError
from striate.ops.windows import Border, Padding, PerAxis, pad, pad_backward, pictures, taps, windows


def convolve(
    x: ArrayLike,
    weights: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    border: Border = "zero",
    dilation: PerAxis = 1,
    groups: int = 1,
    flip: bool = False,
) -> np.ndarray:
    """Slide filters over pictures.

    Parameters
    ----------
    x
        pictures (batch, channels, height, width)
    weights
        filters (out, channels / groups, height, width)
    bias
        a number per filter, added to its map
    stride
        the step down and to the right
    padding
        what is added around the pictures
    border
        what the padding is made of
    dilation
        the distance between neighbouring positions inside a filter
    groups
        parts into which channels and filters are divided; a filter sees the channels of its part only
    flip
        turn the filters by 180° first: the convolution of mathematics

    >>> halves = np.repeat([[[[10.0, 10, 10, 0, 0, 0]]]], 6, axis=2)
    >>> convolve(halves, [[[[1, 0, -1]] * 3]])[0, 0, 0]
    array([ 0., 30., 30.,  0.])
    """
    x, weights = pictures(x), _filters(weights, flip)
    _check(x, weights, groups)
    rows, columns = windows(x.shape[2:], weights.shape[2:], stride, padding, dilation)
    padded = _grouped(pad(x, (rows.p, columns.p), border), groups)  # (batch, groups, channels, height, width)
    filters = _grouped_filters(weights, groups)  # (groups, out, channels, height, width)
    total = np.zeros((len(x), groups, filters.shape[1], rows.out, columns.out))
    for i, j, seen in taps(padded, rows, columns):
        total += np.einsum("ngcyx, goc -> ngoyx", seen, filters[..., i, j])
    total = total.reshape(len(x), len(weights), rows.out, columns.out)
    return total if bias is None else total + _biases(bias, weights)[:, None, None]


def convolve_backward(
    gradient: ArrayLike,
    x: ArrayLike,
    weights: ArrayLike,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    border: Border = "zero",
    dilation: PerAxis = 1,
    groups: int = 1,
    flip: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients with respect to the pictures, the weights and the bias.

    Parameters
    ----------
    gradient
        of the loss with respect to the output, (batch, out, out height, out width)
    x, weights, stride, padding, border, dilation, groups, flip
        as they were given to `convolve`
    """
    x, weights = pictures(x), _filters(weights, flip)
    _check(x, weights, groups)
    rows, columns = windows(x.shape[2:], weights.shape[2:], stride, padding, dilation)
    padded = _grouped(pad(x, (rows.p, columns.p), border), groups)
    filters = _grouped_filters(weights, groups)
    gradient = np.asarray(gradient, float)  # (batch, out, out height, out width)
    grouped = gradient.reshape(len(x), groups, -1, rows.out, columns.out)

    padded_gradient, filter_gradient = np.zeros(padded.shape), np.zeros(filters.shape)
    for (i, j, seen), (_, _, seen_gradient) in zip(
        taps(padded, rows, columns), taps(padded_gradient, rows, columns), strict=True
    ):
        filter_gradient[..., i, j] = np.einsum("ngoyx, ngcyx -> goc", grouped, seen)
        seen_gradient += np.einsum("ngoyx, goc -> ngcyx", grouped, filters[..., i, j])

    outer = padded_gradient.reshape(*x.shape[:2], *padded.shape[3:])
    return (
        pad_backward(outer, x, (rows.p, columns.p), border),
        _filters(filter_gradient.reshape(weights.shape), flip),
        gradient.sum(axis=(0, 2, 3)),
    )


def _filters(weights: ArrayLike, flip: bool) -> np.ndarray:
    weights = np.asarray(weights, float)
    if weights.ndim != 4 or 0 in weights.shape:
        raise GeometryError(f"weights have the shape (out, in, height, width), but these are {weights.shape}")
    return weights[:, :, ::-1, ::-1] if flip else weights


def _check(x: np.ndarray, weights: np.ndarray, groups: int) -> None:
    channels, out = x.shape[1], weights.shape[0]
    if groups < 1 or channels % groups or out % groups:
        raise GeometryError(
            f"groups must divide the channels and the filters, but {groups} does not divide {channels} and {out}"
        )
    if weights.shape[1] != channels // groups:
        raise GeometryError(
            f"a filter must have a layer for each channel that it sees: {channels} channels in {groups} group(s) need "
            f"{channels // groups}, but the weights {weights.shape} have {weights.shape[1]}"
        )


def _biases(bias: ArrayLike, weights: np.ndarray) -> np.ndarray:
    bias = np.asarray(bias, float)
    if bias.shape != weights.shape[:1]:
        raise GeometryError(f"a bias has a number per filter, {len(weights)}, but has the shape {bias.shape}")
    return bias


def _grouped(x: np.ndarray, groups: int) -> np.ndarray:
    return x.reshape(len(x), groups, -1, *x.shape[2:])


def _grouped_filters(weights: np.ndarray, groups: int) -> np.ndarray:
    return weights.reshape(groups, -1, *weights.shape[1:])
