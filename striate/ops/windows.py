"""How a window slides over a picture: per axis and per side, over a border, one tap at a time.

A *tap* is one position inside the window, seen from all places of the window at once: a strided view of the picture.
Convolution and pooling are sums and maxima over taps; their gradients are added back through the same views.
"""

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from striate.errors import GeometryError, UnknownName
from striate.ops.size import Window, same_padding

Border = Literal["zero", "reflect", "replicate", "circular"]
PerAxis = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | Literal["valid", "same"]
Sides = tuple[tuple[int, int], tuple[int, int]]

BORDERS: tuple[Border, ...] = get_args(Border)
NUMPY_MODE: dict[str, Literal["constant", "reflect", "edge", "wrap"]] = {
    "zero": "constant",
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
}


def windows(
    size: tuple[int, ...],
    f: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil: bool = False,
) -> tuple[Window, Window]:
    """The window on the rows and the window on the columns of a picture.

    Parameters
    ----------
    size
        height and width of the picture
    f
        height and width of the window
    stride
        the step down and to the right
    padding
        what is added around the picture
    dilation
        the distance between neighbouring positions inside the window
    ceil
        let a last window run over the end

    >>> [axis.out for axis in windows((7, 9), 3, stride=(1, 2), padding=1)]
    [7, 5]
    """
    f, s, d = per_axis("window", f), per_axis("stride", stride), per_axis("dilation", dilation)
    p = per_side(padding, f, d)
    rows, columns = (Window(size[axis], f[axis], s[axis], p[axis], d[axis], ceil) for axis in (0, 1))
    return rows, columns


def per_axis(name: str, value: PerAxis) -> tuple[int, int]:
    """One number for both axes, or one for each, as (vertical, horizontal)."""
    try:
        down, right = np.broadcast_to(_whole(value), (2,)).tolist()
    except ValueError as error:
        raise GeometryError(f"a {name} is a whole number or two, (vertical, horizontal), but is {value!r}") from error
    return down, right


def per_side(padding: Padding, f: PerAxis | None = None, dilation: PerAxis = 1) -> Sides:
    """((top, bottom), (left, right)), by the rules of `numpy.pad`; "same" looks at the window and its dilation.

    >>> per_side((1, 2))
    ((1, 2), (1, 2))
    >>> per_side("same", 5)
    ((2, 2), (2, 2))
    """
    if isinstance(padding, str):
        if padding == "valid":
            return (0, 0), (0, 0)
        if padding != "same":
            raise UnknownName("padding", padding, ["valid", "same"])
        if f is None:
            raise GeometryError("the padding 'same' depends on a window, but here is none; an amount would fit")
        f, d = per_axis("window", f), per_axis("dilation", dilation)
        return same_padding(f[0], d[0]), same_padding(f[1], d[1])
    try:
        (top, bottom), (left, right) = np.broadcast_to(_whole(padding), (2, 2)).tolist()
    except ValueError as error:
        rule = "a padding is a whole number, (before, after) or ((top, bottom), (left, right))"
        raise GeometryError(f"{rule}, but is {padding!r}") from error
    if min(top, bottom, left, right) < 0:
        raise GeometryError(f"a padding must be at least 0 on every side, but is {padding!r}")
    return (top, bottom), (left, right)


def pad(x: ArrayLike, padding: Padding, border: Border = "zero") -> np.ndarray:
    """Put a border around pictures.

    Parameters
    ----------
    x
        pictures (batch, channels, height, width)
    padding
        how much, per side
    border
        zero, reflect (mirror, the edge itself not repeated), replicate (the edge goes on) or circular

    >>> pad(np.arange(3).reshape(1, 1, 1, 3), ((0, 0), (2, 2)), "reflect").astype(int)[0, 0]
    array([[2, 1, 0, 1, 2, 1, 0]])
    """
    x = pictures(x)
    return np.pad(x, ((0, 0), (0, 0), *per_side(padding)), mode=numpy_mode(border))


def pad_backward(gradient: ArrayLike, x: ArrayLike, padding: Padding, border: Border = "zero") -> np.ndarray:
    """The gradient with respect to the pictures: what a border copied, it hands back to where it came from.

    Padding an axis is linear, so it is a matrix, and the matrix is what padding makes of the identity. The pass forward
    is P = V x Hᵀ, the pass backward is Vᵀ G H.
    """
    height, width = pictures(x).shape[2:]
    vertical, horizontal = (
        np.pad(np.eye(n), (sides, (0, 0)), mode=numpy_mode(border))
        for n, sides in zip((height, width), per_side(padding), strict=True)
    )
    return vertical.T @ np.asarray(gradient, float) @ horizontal


def numpy_mode(border: str) -> Literal["constant", "reflect", "edge", "wrap"]:
    """What `numpy.pad` calls a border."""
    if border not in NUMPY_MODE:
        raise UnknownName("border", border, BORDERS)
    return NUMPY_MODE[border]


def taps(padded: np.ndarray, rows: Window, columns: Window) -> Iterator[tuple[int, int, np.ndarray]]:
    """For each position (i, j) inside the window: what it sees from all places, (…, out height, out width), a view.

    >>> picture = np.arange(16).reshape(4, 4)
    >>> next(taps(picture, *windows((4, 4), 2, stride=2)))
    (0, 0, array([[ 0,  2],
           [ 8, 10]]))
    """
    for i in range(rows.f):
        for j in range(columns.f):
            yield i, j, padded[..., _places(i, rows), _places(j, columns)]


def pictures(x: ArrayLike) -> np.ndarray:
    """As float64 (batch, channels, height, width)."""
    x = np.asarray(x, float)
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise GeometryError(f"pictures have the shape (batch, channels, height, width), but this one is {x.shape}")
    return x


def _places(position: int, axis: Window) -> slice:
    first = position * axis.dilation
    return slice(first, first + (axis.out - 1) * axis.s + 1, axis.s)


def _whole(value) -> np.ndarray:
    numbers = np.asarray(value)
    if numbers.dtype.kind not in "iu":
        raise ValueError(value)
    return numbers
