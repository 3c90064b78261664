"""The commands of `striate op`: try an operator on a picture, or work out a size."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.files import check_output
from striate.ops.answer import Answer, Equation, Grid, is_small, ranged, result_table, small
from striate.ops.filtering import (
    On,
    Pooling,
    Slid,
    channels_named,
    check_padded,
    filter_picture,
    filter_work,
    padded_channels,
    pool_picture,
    pool_work,
    subtracted,
)
from striate.ops.filters import KERNELS, find_kernel
from striate.ops.options import Amounts, Dilation, Flag, KernelText, KernelTexts, Output, Place, Size, Stride
from striate.ops.panels import filtered, framed, light, picture_panel, shrunk, weighed
from striate.ops.picture import read_picture
from striate.ops.question import size_table
from striate.ops.windows import BORDERS, Border, per_side
from striate.pictures.sheet import PICTURE_ENDINGS, SIGNED, write_sheet
from striate.show.numbers import show_size
from striate.show.table import Column, Table


def conv(
    picture: str | Path | None = None,
    /,
    *,
    kernel: KernelText = "vertical",
    on: On = "gray",
    stride: Stride = 1,
    padding: Amounts = 0,
    border: Border = "zero",
    dilation: Dilation = 1,
    flip: Flag = False,
    bias: float = 0.0,
    show_work: Place = None,
    output: Output = None,
) -> Answer:
    """Slide a filter over a picture: its edges, with their sign.

    Parameters
    ----------
    picture
        A file, or built in: scene (the default), halves (6×6: left half 10, right half 0).
    kernel
        A name (vertical, diagonal-up, sobel-x, scharr-y, laplacian, …) or numbers: "1 0 -1; 1 0 -1; 1 0 -1".
    on
        What is filtered: the brightness (gray), all channels, their answers added up, or one, as in the edges of red.
    stride
        The step from one window to the next: 2, or vertical×horizontal 2x1.
    padding
        What is added around the picture: 1, vertical×horizontal 1x2, top,bottom,left,right 1,1,2,2, valid or same.
    border
        What the padding is made of. Before zeros, the mean is subtracted.
    dilation
        The distance between neighbouring positions inside the filter.
    flip
        True convolution: turn the filter by 180° first. Without it, cross-correlation, as in networks.
    bias
        A number added to every output.
    show_work
        One output pixel, counted from 0: its window, the products, their sum and the bias.
    output
        Where to write a sheet of the picture before and after (.png, .jpg, .webp).
    """
    check_output(output, PICTURE_ENDINGS, picture)
    found, source = find_kernel(kernel), read_picture(picture)
    slid, weights = filter_picture(
        source, found, on, stride=stride, padding=padding, border=border, dilation=dilation, flip=flip, bias=bias
    )
    title = f"{found.name} on {source}, {channels_named(on)}"
    facts = [*slid.formulas(), *found.remarks(flip), *slid.notes]
    rows, notes = [{"kernel": found.name, **ranged(slid.out)}], [*source.notes, *facts]
    works = [filter_work(slid, weights, bias, show_work)] if show_work else []
    equations, operands = [], []
    if is_small(slid.values):
        grids = small("picture", slid.values), Grid("filter", weights[0]), small("output", slid.out)
        equations.append(Equation(grids, ("∗", "=")))
        operands.append(weighed(weights[0]))
    if output:
        panels = [picture_panel(source, on), *operands, filtered(found, slid.out[0], flip)]
        notes.append(write_sheet(output, title, facts, panels, 3, SIGNED if found.signed else None))
    return Answer(result_table(title, "kernel", rows, notes), equations, works)


def edges(
    picture: str | Path | None = None,
    /,
    *,
    kernel: KernelTexts = None,
    on: On = "gray",
    stride: Stride = 1,
    padding: Amounts = 0,
    border: Border = "zero",
    output: Output = None,
) -> Answer:
    """Show what every edge filter answers to a picture, side by side.

    Parameters
    ----------
    picture
        A file, or built in: scene (the default), halves.
    kernel
        A name or numbers, as for conv; give it again for more. All named ones if absent.
    on
        What is filtered: the brightness (gray), all channels, their answers added up, or one.
    stride
        The step from one window to the next: 2, or vertical×horizontal 2x1.
    padding
        What is added around the picture: 1, vertical×horizontal 1x2, top,bottom,left,right 1,1,2,2, valid or same.
    border
        What the padding is made of. Before zeros, the mean is subtracted.
    output
        Where to write the sheet (.png, .jpg, .webp).
    """
    check_output(output, PICTURE_ENDINGS, picture)
    found, source = [find_kernel(text) for text in kernel or KERNELS], read_picture(picture)
    rows, panels, notes = [], [picture_panel(source, on)], []
    for one in found:
        slid, _ = filter_picture(source, one, on, stride=stride, padding=padding, border=border)
        rows.append({"kernel": one.name, "lighter": one.lighter or None, **ranged(slid.out)})
        notes = [*source.notes, *slid.formulas(), *slid.notes]
        if output:  # each result is made small at once: eleven of a large photo would not fit into memory
            panels.append(filtered(one, slid.out[0]))
    title = f"Edges of {source}, {channels_named(on)}"
    if output:
        lines = ["Cross-correlated. Each panel has its own scale: its darkest colours stand for the number below it."]
        notes.append(write_sheet(output, title, [*lines, *notes], panels, 4, bar=SIGNED))
    extra = (Column("+ where it is lighter", "lighter", align="left"),)
    return Answer(result_table(title, "kernel", rows, notes, extra))


def pool(
    picture: str | Path | None = None,
    /,
    *,
    kind: Pooling | None = None,
    size: Size = 2,
    stride: Stride | None = None,
    padding: Amounts = 0,
    ceil: Flag = False,
    show_work: Place = None,
    output: Output = None,
) -> Answer:
    """Shrink a picture to the largest or mean value under each window.

    Parameters
    ----------
    picture
        A file, or built in: scene (the default), halves.
    kind
        The largest value, the mean, or both if absent.
    size
        The window: 2, or height×width 3x2.
    stride
        The step: 1, or vertical×horizontal 2x1; a window if absent. A smaller one makes windows overlap.
    padding
        What is added around the picture: 1, 1x2, 1,1,0,0, valid or same. It never counts.
    ceil
        Let a last window run over the end, so that every row and column is seen.
    show_work
        One output pixel, counted from 0: its window, and the largest value or the mean.
    output
        Where to write a sheet of the picture before and after (.png, .jpg, .webp).
    """
    check_output(output, PICTURE_ENDINGS, picture)
    source = read_picture(picture)
    kinds: list[Pooling] = [kind] if kind else ["max", "average"]
    results: dict[Pooling, Slid] = {each: pool_picture(source, each, size, stride, padding, ceil) for each in kinds}
    slid = results[kinds[0]]
    f, s = show_size((slid.rows.f, slid.columns.f)), show_size((slid.rows.s, slid.columns.s))
    title = f"Pooling {source}: window {f}, stride {s}"
    notes = [*source.notes, *slid.formulas(), *slid.notes]
    rows = [{"pooling": each, **ranged(result.out)} for each, result in results.items()]
    works = [pool_work(result, each, show_work) for each, result in results.items()] if show_work else []
    equations = []
    if is_small(slid.values):
        grids = [small("picture", slid.values)] + [small(each, result.out) for each, result in results.items()]
        equations.append(Equation(tuple(grids), ("→", " ")[: len(grids) - 1]))
    if output:
        panels = [light(each, result.out, source.pixels.max()) for each, result in results.items()]
        notes.append(write_sheet(output, title, slid.formulas(), [picture_panel(source, "all"), *panels], 3))
    return Answer(result_table(title, "pooling", rows, notes), equations, works)


def pad(
    picture: str | Path | None = None,
    /,
    *,
    padding: Amounts | None = None,
    border: Border | None = None,
    output: Output = None,
) -> Answer:
    """Put borders around a picture, side by side or one of them.

    Parameters
    ----------
    picture
        A file, or built in: scene (the default), halves.
    padding
        How much: 1, vertical×horizontal 1x2, or top,bottom,left,right 1,1,2,2. A fifth of the shorter side if absent.
    border
        All four if absent. Before zeros, the mean is subtracted.
    output
        Where to write the sheet (.png, .jpg, .webp).
    """
    check_output(output, PICTURE_ENDINGS, picture)
    source = read_picture(picture)
    size = source.size[:2]
    sides = per_side(max(1, min(size) // 5) if padding is None else padding)
    check_padded(size, sides)
    outside = np.pad(np.zeros(size, bool), sides, constant_values=True)
    notes, rows, panels, equations = [*source.notes], [], [], []
    for each in (border,) if border else BORDERS:
        means, told = subtracted(source.pixels, sides, each)
        notes += told
        rows.append({"border": each, **ranged(padded_channels(source.pixels, means, sides, each))})
        if len(means) == 1 and is_small(outside[None]):
            (values,) = padded_channels(source.pixels, means, sides, each)
            equations.append(Equation((Grid(each, values.astype(float), outside),)))
        if output:  # what was subtracted is added again: zero is shown as the mean
            channels = padded_channels(source.pixels, means, sides, each)
            shown = [shrunk(channel) + mean for channel, mean in zip(channels, means, strict=True)]
            panel = light(each, shown, source.pixels.max(), framed(outside))
            # its colours say how light, its numbers what the network gets
            panels.append(panel if panel.numbers is None else replace(panel, numbers=panel.numbers - means[0]))
    (top, bottom), (left, right) = sides
    around = f"{top} on every side" if len({*sides[0], *sides[1]}) == 1 else ""
    title = f"Borders of {source}: {around or f'{top} above, {bottom} below, {left} left, {right} right'}"
    if output:
        notes.append(write_sheet(output, title, notes, panels, 2))
    return Answer(result_table(title, "border", rows, notes), equations)


def size(*words: str) -> Table:
    """Work out an output size, with the formula and what does not fit.

    Parameters
    ----------
    words
        The picture, then f (window), s (stride), p (padding, also same), d (dilation), n (filters), ceil: 7x7 f3 s2 p1.
    """
    return size_table(words)
