"""The commands of `striate op`: try an operator on a picture, or work out a size."""

from pathlib import Path

import numpy as np

from striate.ops.answer import Answer, is_small, ranged, result_table, small
from striate.ops.filtering import (
    On,
    Pooling,
    Slid,
    centred,
    filter_picture,
    filter_work,
    pad_checked,
    pool_picture,
    pool_work,
)
from striate.ops.filters import KERNELS, find_kernel
from striate.ops.options import Amounts, Dilation, Flag, KernelText, KernelTexts, Output, Place, Size, Stride
from striate.ops.panels import before, filtered, light, weighed, write_sheet
from striate.ops.picture import check_output, read_picture
from striate.ops.sheet import sheet
from striate.ops.show_work import Equation, Grid
from striate.ops.size import Window, left_over, show_size
from striate.ops.windows import BORDERS, Border, per_side
from striate.ops.words import read_question
from striate.show.table import Column, Table

BAR = ("negative", "0", "positive")


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
        The brightness, all channels (answers added up), or one of them: the vertical edges of red.
    stride
        The step: 2, or vertical×horizontal: 2x1.
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
        ROW,COL of one output pixel, counted from 0: its window, products, sum and bias.
    output
        Where to write a sheet of the picture before and after (.png, .jpg, .webp).
    """
    check_output(output, picture)
    found, source = find_kernel(kernel), read_picture(picture)
    slid, weights = filter_picture(
        source, found, on, stride=stride, padding=padding, border=border, dilation=dilation, flip=flip, bias=bias
    )
    how = "true convolution: filter turned by 180°" if flip else "cross-correlation: the filter is not flipped"
    title = f"{found.name} on {source}, {_channels_named(on)}"
    signs = [how, f"sign: {found.sign(flip)}"] + ([f"{found.name}: {found.remark}"] if found.remark else [])
    notes = [*source.notes, *slid.formulas(), *signs, *slid.notes]
    works = [filter_work(slid, weights, bias, show_work)] if show_work else []
    equations = []
    if is_small(slid.values):
        grids = small("picture", slid.values), Grid("filter", weights[0]), small("output", slid.out)
        equations.append(Equation(grids, ("∗", "=")))
    if output:
        panels = [before(source, on), filtered(found, slid.out[0], flip)]
        if is_small(slid.values):
            panels.insert(1, weighed(weights[0]))
        bar = BAR if found.signed else None
        notes.append(write_sheet(sheet(title, [*slid.formulas(), *signs, *slid.notes], panels, 3, bar), output))
    rows = [{"kernel": found.name, **ranged(slid.out)}]
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
        A name or numbers; give it again for more. All named ones where it is absent.
    on
        The brightness, all channels (answers added up), or one of them.
    stride
        The step: 2, or vertical×horizontal: 2x1.
    padding
        What is added around the picture: 1, 1x2, top,bottom,left,right 1,1,2,2, valid or same.
    border
        What the padding is made of. Before zeros, the mean is subtracted.
    output
        Where to write the sheet (.png, .jpg, .webp).
    """
    check_output(output, picture)
    found, source = [find_kernel(text) for text in kernel or KERNELS], read_picture(picture)
    rows, panels, notes = [], [before(source, on)], []
    for one in found:
        slid, _ = filter_picture(source, one, on, stride=stride, padding=padding, border=border)
        rows.append({"kernel": one.name, "lighter": one.lighter or None, **ranged(slid.out)})
        notes = [*source.notes, *slid.formulas(), *slid.notes]
        if output:  # each result is made small at once: eleven of a large photo would not fit into memory
            panels.append(filtered(one, slid.out[0]))
    title = f"Edges of {source}, {_channels_named(on)}"
    if output:
        lines = ["Cross-correlated. Each panel has its own scale: its darkest colours stand for the number below it."]
        drawn = sheet(title, [*lines, *notes], panels, 4, BAR)
        notes.append(write_sheet(drawn, output))
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
        Both where it is absent.
    size
        The window: 2, or height×width: 3x2.
    stride
        The step; as large as the window where it is absent. A smaller one makes windows overlap.
    padding
        What is added around the picture; it never counts.
    ceil
        Let a last window run over the end, so that every row and column is seen.
    show_work
        ROW,COL of one output pixel, counted from 0.
    output
        Where to write a sheet of the picture before and after (.png, .jpg, .webp).
    """
    check_output(output, picture)
    source = read_picture(picture)
    kinds: list[Pooling] = [kind] if kind else ["max", "average"]
    results: dict[Pooling, Slid] = {each: pool_picture(source, each, size, stride, padding, ceil) for each in kinds}
    slid = results[kinds[0]]
    window = f"{show_size((slid.rows.f, slid.columns.f))}, stride {show_size((slid.rows.s, slid.columns.s))}"
    title = f"Pooling {source}: window {window}"
    notes = [*source.notes, *slid.formulas(), *slid.notes]
    rows = [{"pooling": each, **ranged(result.out)} for each, result in results.items()]
    works = [pool_work(result, each, show_work) for each, result in results.items()] if show_work else []
    equations = []
    if is_small(slid.values):
        grids = [small("picture", slid.values)] + [small(each, result.out) for each, result in results.items()]
        equations.append(Equation(tuple(grids), ("→", " ")[: len(grids) - 1]))
    if output:
        panels = [before(source, "all")]
        for each, result in results.items():
            panels.append(light(each, result.out, source.values.max()))
        notes.append(write_sheet(sheet(title, slid.formulas(), panels, 3), output))
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
        All four where it is absent. Before zeros, the mean is subtracted.
    output
        Where to write the sheet (.png, .jpg, .webp).
    """
    check_output(output, picture)
    source = read_picture(picture)
    height, width, _ = source.size
    sides = per_side(max(1, min(height, width) // 5) if padding is None else padding)
    notes, rows, panels, equations = [*source.notes], [], [], []
    for each in (border,) if border else BORDERS:
        values, told = centred(source.values, sides, each)
        padded = pad_checked(values, sides, each)
        notes += told
        rows.append({"border": each, **ranged(padded)})
        inside = (slice(sides[0][0], sides[0][0] + height), slice(sides[1][0], sides[1][0] + width))
        if is_small(padded):
            outside = np.ones(padded.shape[1:], bool)
            outside[inside] = False
            equations.append(Equation((Grid(each, padded[0].copy(), outside),)))
        if output:
            padded += (source.values - values)[:, :1, :1]  # what was subtracted: zero is shown as the mean
            frame = (inside[0].start, inside[0].stop, inside[1].start, inside[1].stop)
            panels.append(light(each, padded, source.values.max(), frame))
    (top, bottom), (left, right) = sides
    around = f"{top} on every side" if len({*sides[0], *sides[1]}) == 1 else ""
    title = f"Borders of {source}: {around or f'{top} above, {bottom} below, {left} left, {right} right'}"
    if output:
        notes.append(write_sheet(sheet(title, notes, panels, 2), output))
    return Answer(result_table(title, "border", rows, notes), equations)


def size(*words: str) -> Table:
    """Work out an output size, with the formula and what does not fit.

    Parameters
    ----------
    words
        The picture, then f (window), s (stride), p (padding, also same), d (dilation), n (filters), ceil: 7x7 f3 s2 p1.
    """
    question = read_question(words)
    rows, columns = question.rows, question.columns
    axes = [("height and width", rows)] if rows == columns else [("height", rows), ("width", columns)]
    table = [
        {"axis": name, "n": axis.n, "f": axis.f, "s": axis.s, "p": axis.p, "formula": axis.formula, "out": axis.out}
        for name, axis in axes
    ]
    out: tuple[int, ...] = rows.out, columns.out
    notes = [note for name, axis in axes for note in _remarks(name, axis)]
    unseen = left_over(rows, columns)
    notes += [unseen] if unseen else []
    total: dict = {"axis": "output"}
    given = (rows.n, columns.n, *([question.channels] if question.channels else []))
    if question.channels and question.filters:
        f_h, f_w, c, n = rows.f, columns.f, question.channels, question.filters
        parameters, macs = (f_h * f_w * c + 1) * n, out[0] * out[1] * n * f_h * f_w * c
        out = (*out, n)
        notes.append(f"parameters: ({f_h}·{f_w}·{c} + 1)·{n} = {parameters:,}")
        notes.append(f"multiplications: {out[0]}·{out[1]}·{n} · {f_h}·{f_w}·{c} = {macs:,}")
        total |= {"parameters": parameters, "macs": macs}
    elif question.channels:
        out = (*out, question.channels)
        notes.append(f"pooling keeps the {question.channels} channels; for filters give their number, as in n6")
    total["out"] = show_size(out)
    heads = [Column("axis", "axis", align="left"), Column("formula", "formula", align="left"), Column("size", "out")]
    formula = "⌈(n + 2p − f)/s⌉ + 1" if rows.ceil else "⌊(n + 2p − f)/s⌋ + 1"
    return Table(heads, table, f"{show_size(given)} → {total['out']}, by {formula}", total, notes)


def _remarks(name: str, axis: Window) -> list[str]:
    remarks = []
    if axis.dilation > 1:
        remarks.append(f"{name}: f {axis.f} with dilation {axis.dilation} spans {axis.reach}")
    if not axis.exact and not axis.unseen:
        end = "the last window runs over the end" if axis.ceil else "the end of the padding is never seen"
        remarks.append(f"{name}: {axis.s} does not divide {axis.slack}: {end}")
    return remarks


def _channels_named(on: On) -> str:
    return {"gray": "brightness", "all": "all channels"}.get(on, f"{on} only")
