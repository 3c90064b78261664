"""One picture through one kernel or one pooling window, and how any pixel of the output came about."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from striate.errors import GeometryError, StriateError
from striate.ops.answer import Equation, Grid, Work, show_number
from striate.ops.conv import convolve
from striate.ops.filters import Kernel, on_channels
from striate.ops.picture import COLOURS, Picture
from striate.ops.pool import average_pool, max_pool
from striate.ops.size import Window, count, left_over
from striate.ops.windows import Border, Padding, PerAxis, Sides, numpy_mode, windows
from striate.pictures.opened import PIXEL_LIMIT
from striate.show.numbers import show_size

BAND = 16  # output rows computed at once: few enough to stay in the processor's cache
LARGEST_BIAS = 1_000_000
On = Literal["gray", "all", "red", "green", "blue"]
Pooling = Literal["max", "average"]


@dataclass(frozen=True)
class Slid:
    """What a window made of a picture.

    Parameters
    ----------
    padded
        the picture with its border, as the window saw it, (channels, height, width)
    rows, columns
        the window on either axis
    out
        the output, (channels, height, width)
    notes
        what was done, in sentences
    """

    padded: np.ndarray
    rows: Window
    columns: Window
    out: np.ndarray
    notes: tuple[str, ...]

    @property
    def values(self) -> np.ndarray:
        """The picture without its border."""
        top, left = self.rows.p[0], self.columns.p[0]
        return self.padded[:, top : top + self.rows.n, left : left + self.columns.n]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the picture's channels."""
        return ("gray",) if len(self.padded) == 1 else COLOURS

    def formulas(self) -> list[str]:
        """The size formula with its numbers, and what no window sees."""
        same = self.rows.formula == self.columns.formula
        lines = [f"height and width: {self.rows.formula}"] if same else []
        lines = lines or [f"height: {self.rows.formula}", f"width: {self.columns.formula}"]
        unseen = left_over(self.rows, self.columns)
        return [*lines, unseen] if unseen else lines

    def seen_from(self, place: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The window of one output pixel, (channels, f, f), and which of it lies outside the picture, (f, f)."""
        for axis, at, name in ((self.rows, place[0], "row"), (self.columns, place[1], "column")):
            if not 0 <= at < axis.out:
                raise GeometryError(f"the output has {name}s 0 to {axis.out - 1}, but the work of {name} {at} is asked")
        down, right = (
            at * axis.s + np.arange(axis.f) * axis.dilation
            for at, axis in zip(place, (self.rows, self.columns), strict=True)
        )
        above = (down < self.rows.p[0]) | (down >= self.rows.p[0] + self.rows.n)
        beside = (right < self.columns.p[0]) | (right >= self.columns.p[0] + self.columns.n)
        return self.padded[:, down[:, None], right].astype(float), above[:, None] | beside

    def title(self, place: tuple[int, int]) -> str:
        """Which pixel, and where its window lies."""
        spans = []
        for at, axis, name in ((place[0], self.rows, "rows"), (place[1], self.columns, "columns")):
            first = at * axis.s - axis.p[0]
            step = f" in steps of {axis.dilation}" if axis.dilation > 1 else ""
            spans.append(f"{name} {first} to {first + axis.reach - 1}{step}".replace("-", "−"))
        outside = "; numbers in (parentheses) lie in the border" if self.seen_from(place)[1].any() else ""
        pixel = f"Output pixel at row {place[0]}, column {place[1]}, counted from 0"
        return f"{pixel}, sees {' and '.join(spans)} of the picture{outside}."


def filter_picture(
    picture: Picture,
    kernel: Kernel,
    on: On = "gray",
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    border: Border = "zero",
    dilation: PerAxis = 1,
    flip: bool = False,
    bias: float = 0.0,
) -> tuple[Slid, np.ndarray]:
    """Slide a kernel over a picture; returns also the filter as it lay on the picture, (channels, f, f).

    Parameters
    ----------
    picture
        what is filtered
    kernel
        the weights on one channel
    on
        the brightness, all channels (their answers added up), or one of them
    stride, padding, border, dilation, flip, bias
        as `convolve` takes them
    """
    if on in COLOURS and len(picture.pixels) == 1:
        raise StriateError(f"a gray picture has no channels red, green and blue, but '{on}' is asked of {picture.name}")
    if not abs(bias) <= LARGEST_BIAS:  # nor is nan
        raise StriateError(f"a bias is a number from −{LARGEST_BIAS:,} to {LARGEST_BIAS:,}, but is {bias:g}")
    values = picture.gray() if on == "gray" else picture.pixels
    weights = on_channels(kernel, len(values), COLOURS.index(on) if on in COLOURS else None)
    rows, columns = windows(values.shape[1:], weights.shape[2:], stride, padding, dilation)
    sides = rows.p, columns.p
    check_padded(values.shape[1:], sides)
    notes = []
    if np.any(sides):
        mean, notes = subtracted(values, sides, border)
        values = np.pad(values - mean, ((0, 0), *sides), mode=numpy_mode(border))
    bands = []
    for first in range(0, rows.out, BAND):
        last = min(first + BAND, rows.out) - 1
        seen = values[None, :, first * rows.s : last * rows.s + rows.reach]
        bands.append(convolve(seen, weights, [bias], stride=(rows.s, columns.s), dilation=dilation, flip=flip)[0])
    used = weights[0, :, ::-1, ::-1] if flip else weights[0]
    return Slid(values, rows, columns, np.concatenate(bands, axis=1), tuple(notes)), used


def filter_work(slid: Slid, weights: np.ndarray, bias: float, place: tuple[int, int]) -> Work:
    """One output pixel: the window times the filter, the sum of the products, and the bias."""
    window, outside = slid.seen_from(place)
    products = window * weights
    equations = tuple(
        Equation((Grid(f"window, {name}", seen, outside), Grid("filter", used), Grid("products", product)), ("×", "="))
        for name, seen, used, product in zip(slid.names, window, weights, products, strict=True)
    )
    sums = products.sum(axis=(1, 2))
    value = slid.out[0, place[0], place[1]]
    every = np.array([*sums, sums.sum(), bias, value])
    shown = [show_number(number, every) for number in every]
    total = shown[-3]
    named = zip(slid.names, shown, strict=False)
    steps = [f"sum of the {products[0].size} products, {name}: {text}" for name, text in named]
    if len(sums) > 1:
        steps.append(f"sum over the channels: {' + '.join(shown[: len(sums)])} = {total}")
    steps.append(f"with the bias: {total} + {shown[-2]} = {shown[-1]}")
    numbers = {
        "place": list(place),
        "windows": window.tolist(),
        "filters": weights.tolist(),
        "products": products.tolist(),
        "sums": sums.tolist(),
        "bias": bias,
        "value": float(value),
    }
    return Work(slid.title(place), equations, tuple(steps), numbers)


def channels_named(on: On) -> str:
    """What is filtered, in words: brightness, all channels, red only."""
    return {"gray": "brightness", "all": "all channels"}.get(on, f"{on} only")


def pool_picture(
    picture: Picture, kind: Pooling, f: PerAxis, stride: PerAxis | None, padding: Padding, ceil: bool
) -> Slid:
    """Pool each channel of a picture; padding never counts, neither for the largest nor for the mean."""
    rows, columns = windows(picture.size[:2], f, f if stride is None else stride, padding, ceil=ceil)
    sides = rows.p, columns.p
    settings = {"stride": (rows.s, columns.s), "padding": sides, "ceil": ceil}
    out = [
        max_pool(channel, f, **settings) if kind == "max" else average_pool(channel, f, count_padding=False, **settings)
        for channel in picture.pixels[:, None, None]
    ]
    reached = [(axis.p[0], axis.p[1] + axis.beyond) for axis in (rows, columns)]
    padded = np.pad(picture.pixels, ((0, 0), *reached))
    notes = ("padding never counts: a window's answer comes from the picture alone",) if np.any(sides) else ()
    return Slid(padded, rows, columns, np.concatenate(out)[:, 0], notes)


def pool_work(slid: Slid, kind: Pooling, place: tuple[int, int]) -> Work:
    """One output pixel of each channel: the window and its largest or mean value."""
    window, outside = slid.seen_from(place)
    named = list(zip(slid.names, window, strict=True))
    equations = tuple(Equation((Grid(f"window, {name}", seen, outside),)) for name, seen in named)
    steps = []
    for (name, seen), value in zip(named, slid.out[:, place[0], place[1]], strict=True):
        inside = seen[~outside]
        every = np.array([*inside, inside.sum(), value])
        how = "the largest" if kind == "max" else f"the mean, {show_number(inside.sum(), every)}/{inside.size},"
        steps.append(f"{name}: {how} of {count(inside.size, 'value')} is {show_number(value, every)}")
    values = {"place": list(place), "pooling": kind, "windows": window.tolist(), "outside": outside.tolist()}
    return Work(f"{kind}: {slid.title(place)}", equations, tuple(steps), values)


def subtracted(values: np.ndarray, padding: Sides, border: Border) -> tuple[np.ndarray, list[str]]:
    """What is subtracted from each channel, (channels, 1, 1), and a note that says so.

    It is the mean before a border of zeros, so that 0 means "average", and 0 before any other.
    """
    if border != "zero" or not np.any(padding):
        return np.zeros((len(values), 1, 1), values.dtype), []
    mean = values.mean(axis=(1, 2), keepdims=True)
    amounts = ", ".join(f"{value:.4g}" for value in mean.ravel())
    return mean, [f"before zero padding the mean ({amounts}) was subtracted, so that 0 means average"]


def padded_channels(values: np.ndarray, subtract: np.ndarray, padding: Sides, border: Border) -> Iterator[np.ndarray]:
    """Each channel with its border, one after the other: all at once would take half a gigabyte of a large photo."""
    for channel, mean in zip(values, subtract, strict=True):
        yield np.pad(channel - mean, padding, mode=numpy_mode(border))


def check_padded(size: tuple[int, ...], padding: Sides) -> None:
    """Refuse a border that makes a picture (height, width) larger than any picture may be."""
    height, width = (n + sum(side) for n, side in zip(size, padding, strict=True))
    if height * width > PIXEL_LIMIT:
        raise GeometryError(
            f"a padded picture may have {PIXEL_LIMIT:,} pixels, but {show_size((height, width))} has "
            f"{height * width:,}; a smaller padding would fit"
        )
