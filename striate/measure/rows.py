"""A row of the ledger: what one layer costs and sees."""

from dataclasses import dataclass

from torch import Tensor

from striate.measure.call import Call, Slide, aten
from striate.measure.field import Sight, Trace, axes, length


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
