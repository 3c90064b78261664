"""Preprocess as an ONNX graph: pixels of any size become what the network sees, to the bit as `Preprocess.pixels` does.

The whole numbers of `striate.pictures.resize` are worked out in the graph from the picture's size. Each axis is resized
by matrix products whose weights are zero outside a band; so its outputs are taken a block at a time, and each block
sees only its own window: a whole product would cost several times as much.
"""

from typing import Any, NamedTuple

import numpy as np
import onnx_ir as ir

from striate.pictures.decode import brightness
from striate.pictures.resize import BITS, Interpolation
from striate.preprocess import Preprocess
from striate.ship.about import FITTED

BLOCKS = 16, 32  # output rows, and columns, that share a window: all rows are one product, columns one for each block
LUMA = (19595, 38470, 7471)  # Pillow's weights of red, green and blue in 65,536 parts
Value = Any  # of the graph; its operators are attributes that are made when they are called


def fit(op: Any, pictures: Value, preprocess: Preprocess) -> Value:
    """What the network takes, (batch, channels, rows, columns) of float32. On the way, `fitted` is the same as bytes.

    Parameters
    ----------
    op
        the operators of the graph
    pictures
        (batch, height, width, 3) of uint8 in the graph, red, green, blue
    preprocess
        what is done to them
    """
    size = op.Shape(pictures)
    height, width = (op.Gather(size, place) for place in (1, 2))
    whole = _fitted(op, preprocess, height, width)
    planes = op.Transpose(pictures, perm=[0, 3, 1, 2])
    if preprocess.channels == "L":
        planes = _gray(op, planes)
    across, down = (
        _reading(op, preprocess, axis, before, after)
        for axis, before, after in ((1, width, whole[1]), (0, height, whole[0]))
    )
    levels = _down(op, _across(op, planes, across), down)
    fitted = _on_background(op, levels, preprocess, down.seen, across.seen) if preprocess.fit == "pad" else levels
    fitted.name = FITTED
    fitted.shape = ir.Shape(["batch", 1 if preprocess.channels == "L" else 3, *preprocess.size])
    return _normalised(op, fitted, preprocess)


def _fitted(op: Any, preprocess: Preprocess, height: Value, width: Value) -> tuple[Value, Value]:
    """Height and width that a picture is resized to: `Preprocess.fitted` without a branch."""
    if preprocess.fit == "squash":
        return tuple(op.Constant(value_int=side) for side in preprocess.size)  # type: ignore[return-value]
    rows, columns = preprocess.size
    if preprocess.fit == "crop" and preprocess.resize:
        rows, columns = (side * preprocess.resize // min(preprocess.size) for side in preprocess.size)
    # one of the two is the room itself, the other what the picture's shape makes of it
    other = op.Div(op.Mul(height, columns), width), op.Div(op.Mul(width, rows), height)
    if preprocess.fit == "crop":
        return op.Max(other[0], rows), op.Max(other[1], columns)
    return op.Max(op.Min(other[0], rows), 1), op.Max(op.Min(other[1], columns), 1)


class _Reading(NamedTuple):
    """How an axis is resized and cropped.

    Parameters
    ----------
    side
        how many outputs there are
    block
        how many of them share a window
    window
        (blocks, window): which inputs each block of outputs sees
    weights
        (blocks, block, window) of float32
    over
        whether sums may lie beyond 0 and 255, as those of a cubic do
    seen
        (side,) whether an output lies in the picture
    """

    side: int
    block: int
    window: Value
    weights: Value
    over: bool
    seen: Value


def _reading(op: Any, preprocess: Preprocess, axis: int, before: Value, after: Value) -> _Reading:
    """How rows (axis 0) or columns (1) of a picture are read, of which there are `before`, and `after` when resized."""
    side, block = preprocess.size[axis], BLOCKS[axis]
    blocks = -(-side // block)
    if preprocess.fit == "pad":
        start = op.Neg(op.Div(op.Sub(side, after), 2))
    else:  # half to even, as `Preprocess` crops
        half = op.Mul(op.Cast(op.Sub(after, side), to=ir.DataType.DOUBLE), 0.5)
        start = op.Cast(op.Round(half), to=ir.DataType.INT64)
    places = op.Add(list(range(blocks * block)), start)
    seen = op.And(op.GreaterOrEqual(places, 0), op.Less(places, after))
    outputs = op.Max(op.Min(places, op.Sub(after, 1)), 0)  # instead of those beyond, the last
    window, weights = _weights(op, op.Reshape(outputs, [blocks, block]), before, after, preprocess.interpolation)
    return _Reading(
        side, block, window, weights, preprocess.interpolation == "bicubic", op.Slice(seen, [0], [side], [0])
    )


def _across(op: Any, planes: Value, reading: _Reading) -> Value:
    """(batch, channels, height, width) -> (batch, channels, height, columns) of uint8."""
    weights = op.Transpose(reading.weights, perm=[0, 2, 1])
    first, last = (op.Slice(reading.window, [place], [end], [1]) for place, end in ((0, 1), (-1, 2**31 - 1)))
    narrow = []
    for block in range(-(-reading.side // reading.block)):
        start, stop = op.Gather(first, block), op.Add(op.Gather(last, block), 1)  # (1,) each
        part = op.Cast(op.Slice(planes, start, stop, [3]), to=ir.DataType.FLOAT)
        narrow.append(_levels(op, op.MatMul(part, op.Gather(weights, block)), reading))
    return _cut(op, op.Concat(*narrow, axis=3), reading, 3)


def _down(op: Any, narrow: Value, reading: _Reading) -> Value:
    """(batch, channels, height, columns) -> (batch, channels, rows, columns), both of uint8."""
    parts = op.Cast(op.Gather(narrow, reading.window, axis=2), to=ir.DataType.FLOAT)
    blocks = _levels(op, op.MatMul(reading.weights, parts), reading)  # (batch, channels, blocks, block, columns)
    rows = op.Reshape(blocks, [0, 0, -(-reading.side // reading.block) * reading.block, -1])
    return _cut(op, rows, reading, 2)


def _levels(op: Any, sums: Value, reading: _Reading) -> Value:
    """Sums rounded to whole levels, of uint8: to cut off what follows the point is all that remains to do."""
    rounded = op.Add(sums, 0.5)
    return op.Cast(op.Clip(rounded, 0.0, 255.0) if reading.over else rounded, to=ir.DataType.UINT8)


def _cut(op: Any, blocks: Value, reading: _Reading, axis: int) -> Value:
    """Whole blocks without what the last one has too many."""
    return op.Slice(blocks, [0], [reading.side], [axis]) if reading.side % reading.block else blocks


def _weights(op: Any, outputs: Value, before: Value, after: Value, interpolation: Interpolation) -> tuple[Value, Value]:
    """Which inputs each block of outputs sees (blocks, window), and their weights (blocks, block, window) of float32.

    The sums of `resize_weights`, whose names they have, as parts of 1: a power of two changes no rounding.
    """
    widest = op.Max(before, after)
    reach = op.Mul(widest, 2 if interpolation == "bilinear" else 4)
    centres = op.Mul(op.Add(op.Mul(outputs, 2), 1), before)
    ends = op.Slice(centres, [0], [1], [1]), op.Slice(centres, [-1], [2**31 - 1], [1])  # (blocks, 1) each
    double = op.Mul(after, 2)
    first = op.Max(op.Div(op.Sub(op.Sub(ends[0], after), reach), double), 0)
    last = op.Min(op.Div(op.Add(op.Sub(ends[1], after), reach), double), op.Sub(before, 1))
    span = op.Add(op.ReduceMax(op.Sub(last, first), keepdims=0), 1)
    first = op.Min(first, op.Sub(before, span))
    window = op.Add(first, op.Range(0, span, 1))  # (blocks, window)
    at = op.Mul(op.Add(op.Mul(window, 2), 1), after)
    apart = op.Abs(op.Sub(op.Unsqueeze(at, [1]), op.Unsqueeze(centres, [2])))  # (blocks, block, window)
    if interpolation == "bilinear":
        raw = op.Cast(op.Max(op.Sub(reach, apart), 0), to=ir.DataType.DOUBLE)
    else:
        double_apart, unit = (op.Cast(each, to=ir.DataType.DOUBLE) for each in (apart, op.Mul(widest, 2)))
        t = op.Div(double_apart, unit)
        near = op.Add(op.Mul(op.Mul(op.Sub(op.Mul(t, 1.5), 2.5), t), t), 1.0)
        far = op.Add(op.Mul(op.Sub(op.Mul(op.Sub(2.5, op.Mul(t, 0.5)), t), 4.0), t), 2.0)
        raw = op.Where(op.Less(t, 1.0), near, op.Where(op.Less(t, 2.0), far, 0.0))
    running = op.CumSum(raw, 2)
    share = op.Div(running, op.Slice(running, [-1], [2**31 - 1], [2]))
    whole = op.Floor(op.Add(op.Mul(share, 2.0 ** BITS[interpolation]), 0.5))
    earlier = op.Slice(op.Pad(whole, [0, 0, 1, 0, 0, 0]), [0], [-1], [2])
    return window, op.Cast(op.Mul(op.Sub(whole, earlier), 2.0 ** -BITS[interpolation]), to=ir.DataType.FLOAT)


def _gray(op: Any, planes: Value) -> Value:
    """(batch, 3, height, width) of uint8 -> (batch, 1, height, width): Pillow's brightness, exactly."""
    luma = ir.tensor(np.array(LUMA, np.float32)[:, None, None], name="luma")
    weighed = op.Mul(op.Cast(planes, to=ir.DataType.FLOAT), luma)
    levels = op.Mul(op.Add(op.ReduceSum(weighed, [1]), 32768.0), 1 / 65536)
    return op.Floor(levels)


def _on_background(op: Any, fitted: Value, preprocess: Preprocess, down: Value, across: Value) -> Value:
    """(batch, channels, rows, columns) with the background where no picture is seen."""
    colour = (brightness(preprocess.background),) if preprocess.channels == "L" else preprocess.background
    paper = ir.tensor(np.array(colour, np.uint8)[:, None, None], name="background")
    return op.Where(op.And(op.Unsqueeze(down, [1]), op.Unsqueeze(across, [0])), fitted, paper)


def _normalised(op: Any, fitted: Value, preprocess: Preprocess) -> Value:
    """Bytes (batch, channels, height, width) as the network's input: `Preprocess.normalised`."""
    factor, shift = (
        ir.tensor(each[:, None, None], name=name)
        for name, each in zip(("factor", "shift"), preprocess.factors, strict=True)
    )
    ordered = op.Gather(fitted, [2, 1, 0], axis=1) if preprocess.channels == "BGR" else fitted
    return op.Add(op.Mul(op.Cast(ordered, to=ir.DataType.FLOAT), factor), shift)
