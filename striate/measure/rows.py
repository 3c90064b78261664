"""A row of the ledger: what one layer costs and sees."""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from striate.measure.call import Call, Slide, aten
from striate.measure.field import Sight, Span
from striate.measure.trace import Trace, axes, length
from striate.ops.size import Window, left_over
from striate.show.numbers import exact


@dataclass
class Row:
    """What one layer costs and sees.

    Parameters
    ----------
    path
        where the layer is in the module ('layer1.0.conv1'; '' for the module itself)
    kind
        what it is ('conv 3×3 s2')
    output
        the size of its output: height, width, channels where it is a map
    parameters
        weights and biases that no earlier row has counted
    shared
        weights and biases that an earlier row has counted
    macs
        multiply-adds of convolutions, fully connected layers and matrix products
    recipe
        how its parameters are counted ('(3·3·64 + 1)·128')
    activation
        bytes of its output (0 where it writes over its input)
    sights
        what a position sees along height and width; None where that cannot be placed
    depth
        layers with weights on the longest path so far
    lost
        why the field cannot be placed
    slides
        the geometry of its window along each axis
    """

    path: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    shared: int
    recipe: str
    macs: int
    activation: int
    sights: tuple[Sight, ...] | None
    depth: int
    lost: str
    slides: list[Slide]


def recipe(call: Call, parameters: int) -> str:
    """How a layer's parameters are counted: '(3·3·64 + 1)·128'; '' where that is not all of them."""
    if call.function is aten.convolution.default and not call.args[6]:
        weight, bias = call.args[1], call.args[2] is not None
        inside = "·".join(str(n) for n in (*weight.shape[2:], weight.shape[1]))
        each, out = weight.shape[1:].numel(), weight.shape[0]
    elif call.function in (aten.addmm.default, aten.mm.default):
        bias = call.function is aten.addmm.default
        each, out = call.args[-1].shape
        inside = f"{each:,}"
    else:
        return ""
    return (f"({inside} + 1)·{out:,}" if bias else f"{inside}·{out:,}") if (each + bias) * out == parameters else ""


def size_of(tensor: Tensor, trace: Trace) -> tuple[int, ...]:
    """A size as people write it: height, width, channels; without the batch."""
    if trace.dims is None or len(trace.dims) != tensor.dim() or tensor.dim() == 0:
        return tuple(tensor.shape[1:])
    dims = trace.dims[1:]
    maps = sorted((axes(dim), i) for i, dim in enumerate(dims) if axes(dim))
    rest = [i for i, dim in enumerate(dims) if not axes(dim)]
    if tensor.dim() == 4 and not maps and length(dims[1]) == length(dims[2]) == 1:
        return (1, 1, length(dims[0]))  # a map of one position
    return tuple(tensor.shape[1:][i] for i in [*(i for _, i in maps), *rest])


def line_of(row: Row, explain: bool = False) -> dict[str, Any]:
    """A row as plain values, for the table, JSON and CSV."""
    height, width = row.sights or (Sight(), Sight())
    line: dict[str, Any] = {"layer": row.path, "kind": row.kind, "output": list(row.output)}
    if explain:
        steps = worked_out(row)
        line |= {f"{what.lower()}_formula": steps.get(what) for what in ("size", "parameters", "MACs")}
    line |= {"parameters": row.parameters, "macs": row.macs, "activation_bytes": row.activation}
    for name in ("size", "stride", "start"):
        line[f"field_{name}"] = [getattr(s.field, name) for s in (height, width) if s.field] or None
    line["whole"] = [s.span.size for s in (height, width) if s.span] or None
    return line | {"field": show_sights(row.sights)}


def show_sights(sights: tuple[Sight, ...] | None) -> str:
    """A receptive field as people read it: '427', '21×11', '619 whole', '851 + whole', 'unplaced'."""
    if sights is None:
        return "unplaced"
    whole = any(sight.span for sight in sights)
    if all(sight.field for sight in sights):
        return pair([sight.field.size for sight in sights if sight.field]) + (" + whole" if whole else "")
    return pair([(sight.span or sight.field or Span(0, 0)).size for sight in sights]) + " whole"


def pair(values: list[int]) -> str:
    """One number for height and width if they agree, or both."""
    return "×".join(f"{value:,}" for value in (values[:1] if len(set(values)) == 1 else values))


def merge(stage: str, rows: list[Row]) -> Row:
    """One row for a stage: the sums of its rows, and the output and field of its last."""
    last = rows[-1]
    return Row(
        path=stage,
        kind=f"{len(rows)} layers" if len(rows) > 1 else last.kind,
        output=last.output,
        parameters=sum(row.parameters for row in rows),
        shared=sum(row.shared for row in rows),
        recipe="",
        macs=sum(row.macs for row in rows),
        activation=sum(row.activation for row in rows),
        sights=last.sights,
        depth=last.depth,
        lost=last.lost,
        slides=[],
    )


def windows_of(row: Row) -> list[Window]:
    """The size formula's numbers along each axis."""
    return [Window(w.n, w.f, w.s, (w.p, w.p), w.dilation, w.ceil) for w in row.slides]


def worked_out(row: Row) -> dict[str, str]:
    """Size, parameters and MACs of a layer, each as its formula with the numbers put in."""
    steps = {}
    if sizes := list(dict.fromkeys(window.formula for window in windows_of(row))):
        steps["size"] = " and ".join(sizes)  # height and width apart where they differ
    if row.recipe:
        steps["parameters"] = f"{row.recipe} = {exact(row.parameters)}"
        places = "·".join(str(side) for side in row.output[:-1])
        products = row.recipe.replace("(", "").replace(" + 1)", "")  # a bias is added, not multiplied
        if math.prod(row.output[:-1]) * math.prod(int(n.replace(",", "")) for n in products.split("·")) == row.macs:
            steps["MACs"] = (
                f"{places} · {products} = {exact(row.macs)}" if places else f"{products} = {exact(row.macs)}"
            )
    return steps


def unseen(row: Row) -> str | None:
    """A sentence about rows and columns of its input that a layer never looks at."""
    windows = windows_of(row)
    return left_over(windows[-2], windows[-1]) if len(windows) >= 2 else None
