"""Pooling: the largest or the mean value under each window, per channel, with nothing to learn.

Windows may overlap (a stride smaller than the window) and may run over the end (`ceil`). Padding never competes for a
maximum. For a mean it counts as zeros with `count_padding`, which PyTorch calls `count_include_pad` and has on by
default; without it the mean is over the positions of the picture itself. What a window sees beyond the padding,
by `ceil`, never counts.
"""

import numpy as np
from numpy.typing import ArrayLike

from striate.errors import GeometryError
from striate.ops.size import Window
from striate.ops.windows import Padding, PerAxis, pictures, taps, windows


def max_pool(
    x: ArrayLike, f: PerAxis, stride: PerAxis | None = None, *, padding: Padding = 0, ceil: bool = False
) -> np.ndarray:
    """The largest value under each window.

    Parameters
    ----------
    x
        pictures (batch, channels, height, width)
    f
        height and width of the window
    stride
        the step down and to the right; as large as the window where it is None
    padding
        what is added around the pictures; less than the window
    ceil
        let a last window run over the end

    >>> max_pool(np.arange(16).reshape(1, 1, 4, 4), 2)[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    x = pictures(x)
    rows, columns = _windows(x, f, stride, padding, ceil)
    views = (seen for _, _, seen in taps(_surrounded(x, rows, columns, -np.inf), rows, columns))
    largest = next(views).copy()
    for seen in views:
        np.maximum(largest, seen, out=largest)
    return largest


def max_pool_backward(
    gradient: ArrayLike,
    x: ArrayLike,
    f: PerAxis,
    stride: PerAxis | None = None,
    *,
    padding: Padding = 0,
    ceil: bool = False,
) -> np.ndarray:
    """The gradient with respect to the pictures: each window hands its own to its first largest value.

    Parameters
    ----------
    gradient
        of the loss with respect to the output
    x, f, stride, padding, ceil
        as they were given to `max_pool`
    """
    x = pictures(x)
    rows, columns = _windows(x, f, stride, padding, ceil)
    largest = max_pool(x, f, stride, padding=padding, ceil=ceil)
    waiting = np.ones(largest.shape, bool)  # windows whose largest value has not been met yet
    padded = _surrounded(x, rows, columns, -np.inf)
    padded_gradient = np.zeros(padded.shape)
    for (_, _, seen), (_, _, seen_gradient) in zip(
        taps(padded, rows, columns), taps(padded_gradient, rows, columns), strict=True
    ):
        won = waiting & ((seen == largest) | np.isnan(seen))
        seen_gradient += np.where(won, gradient, 0)
        waiting &= ~won
    return _inside(padded_gradient, rows, columns)


def average_pool(
    x: ArrayLike,
    f: PerAxis,
    stride: PerAxis | None = None,
    *,
    padding: Padding = 0,
    ceil: bool = False,
    count_padding: bool = True,
) -> np.ndarray:
    """The mean under each window.

    Parameters
    ----------
    x, f, stride, padding, ceil
        as `max_pool` takes them
    count_padding
        count padding as zeros; otherwise the mean is over the picture alone

    >>> corner = average_pool(np.ones((1, 1, 2, 2)), 2, padding=1)[0, 0, 0, 0]
    >>> alone = average_pool(np.ones((1, 1, 2, 2)), 2, padding=1, count_padding=False)[0, 0, 0, 0]
    >>> float(corner), float(alone)
    (0.25, 1.0)
    """
    x = pictures(x)
    rows, columns = _windows(x, f, stride, padding, ceil)
    total = np.zeros((*x.shape[:2], rows.out, columns.out))
    for _, _, seen in taps(_surrounded(x, rows, columns, 0), rows, columns):
        total += seen
    return total / _counted(rows, columns, count_padding)


def average_pool_backward(
    gradient: ArrayLike,
    x: ArrayLike,
    f: PerAxis,
    stride: PerAxis | None = None,
    *,
    padding: Padding = 0,
    ceil: bool = False,
    count_padding: bool = True,
) -> np.ndarray:
    """The gradient with respect to the pictures: each window shares its own out equally.

    Parameters
    ----------
    gradient
        of the loss with respect to the output
    x, f, stride, padding, ceil, count_padding
        as they were given to `average_pool`
    """
    x = pictures(x)
    rows, columns = _windows(x, f, stride, padding, ceil)
    share = np.asarray(gradient, float) / _counted(rows, columns, count_padding)
    padded = _surrounded(np.zeros(x.shape), rows, columns, 0)
    for _, _, seen in taps(padded, rows, columns):
        seen += share
    return _inside(padded, rows, columns)


def _windows(x: np.ndarray, f: PerAxis, stride: PerAxis | None, padding: Padding, ceil: bool) -> tuple[Window, Window]:
    found = windows(x.shape[2:], f, f if stride is None else stride, padding, ceil=ceil)
    for axis in found:
        if max(axis.p) >= axis.f:
            raise GeometryError(
                "the padding of a pooling window must be smaller than the window, or it sees nothing but padding: "
                f"p {max(axis.p)} with f {axis.f}; p {axis.f - 1} or less would fit"
            )
    return found


def _surrounded(x: np.ndarray, rows: Window, columns: Window, value: float) -> np.ndarray:
    """Pictures with their padding, and with what a last window sees beyond it."""
    sides = [(axis.p[0], axis.p[1] + axis.beyond) for axis in (rows, columns)]
    return np.pad(x, ((0, 0), (0, 0), *sides), constant_values=value)


def _inside(padded: np.ndarray, rows: Window, columns: Window) -> np.ndarray:
    top, left = rows.p[0], columns.p[0]
    return padded[..., top : top + rows.n, left : left + columns.n]


def _counted(rows: Window, columns: Window, count_padding: bool) -> np.ndarray:
    """How many positions under each window count, (out height, out width)."""
    return np.outer(_counted_along(rows, count_padding), _counted_along(columns, count_padding))


def _counted_along(axis: Window, count_padding: bool) -> np.ndarray:
    positions = np.arange(axis.out)[:, None] * axis.s + np.arange(axis.f)  # (out, f), from the padding's first
    first, end = (0, axis.n + sum(axis.p)) if count_padding else (axis.p[0], axis.p[0] + axis.n)
    return ((first <= positions) & (positions < end)).sum(axis=1)
