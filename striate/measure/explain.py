"""Why a network does not fit its input: the rule with its numbers, what would fit, and the shapes up to there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import GeometryError, ShapeError, StriateError
from striate.measure.call import slides
from striate.measure.kernels import KERNELS, broadcast, together, together_in_place
from striate.measure.kinds import NAMES
from striate.measure.meta import aten
from striate.measure.nearest_input import LINEAR, other_input
from striate.measure.observer import Observer, Size, tensors_in
from striate.measure.rows import size_of
from striate.ops.size import Window
from striate.show.numbers import show_size
from striate.show.table import Column, Table, plain_text

MAP_MODULES = (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


@contextmanager
def explained(observer: Observer, network: nn.Module, size: Size, name: str) -> Iterator[None]:
    """Turn an error about shapes into a ShapeError that explains it; pass every other error on as it is.

    Parameters
    ----------
    observer
        what watches the pass inside the `with`
    network
        the network that is run there
    size
        height, width and channels of its input
    name
        what the network is called
    """
    try:
        yield
    except StriateError:
        raise
    except Exception as error:
        where = observer.frames[-1].path or name
        if operation := values_needed(observer, error):
            raise StriateError(
                f"{where} decides by values ({operation}), and sizes are measured without any; "
                "leave that part out, or measure the modules around it"
            ) from error
        sentence = explanation(observer, error) or torchs_own(observer, error)
        if sentence is None:
            raise
        fit = other_input(observer, network, size)
        offer = f", or an input of {show_size(fit)}" if fit else ""
        raise ShapeError(f"{where}: {sentence}{offer}\n\n{so_far(observer, size, name)}") from error


def raised(observer: Observer, error: BaseException | None) -> bool:
    """Whether an error is that of the operation which failed last, or was raised from it."""
    while error is not None and observer.failure is not None:
        if error is observer.failure.error:
            return True
        error = error.__cause__ or error.__context__
    return False


def values_needed(observer: Observer, error: Exception) -> str | None:
    """The name of the operation that failed, if it makes sense for values alone."""
    if not raised(observer, error) or observer.failure is None:
        return None
    function = observer.failure.function
    tags = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
    return str(function).split(".")[1].strip("_") if tags & set(function.tags) else None


def explanation(observer: Observer, error: Exception) -> str | None:
    """What does not fit, in a sentence; None if the error is about something else."""
    if not raised(observer, error):
        return refused(observer)
    assert observer.failure
    function, args = observer.failure.function, observer.failure.args
    if function in LINEAR:
        return linear(observer, *args[-2:])
    if function is aten.convolution.default and (sentence := channels(observer, args)):
        return sentence
    if sizes := slides(function, args):
        return window(sizes)
    if function is aten.cat.default:
        return concat(observer, args[0], args[1] if len(args) > 1 else 0)
    if KERNELS.get(function) in (together, together_in_place):
        return together_with(observer, NAMES.get(function, str(function)), args[:2])
    if function in (aten.view.default, aten._unsafe_view.default):
        return view(observer, args[0], args[1])
    if function is aten.bmm.default:
        return product(*args)
    return None


def source(observer: Observer, tensor: Tensor) -> str:
    """The layer that a tensor comes from."""
    return observer.makers.get(id(tensor)) or "the layer before"


def shape_text(observer: Observer, tensor: Tensor) -> str:
    """A tensor's size as people write it."""
    trace = observer.traces.get(id(tensor))
    return show_size(size_of(tensor, trace) if trace else tuple(tensor.shape))


def linear(observer: Observer, left: Tensor, right: Tensor) -> str | None:
    """A fully connected layer that is given another number of values. # (m, k) · (k, n)"""
    (_, got), (expected, out) = left.shape, right.shape
    if got == expected:
        return None
    last = observer.rows[-1].output if observer.rows else ()
    fits = f"Linear({got}, {out}) would fit"
    if len(last) == 3 and prod(last) != got and got in last:
        flat = prod(last)
        fits = "a flatten before it would fit" if flat == expected else f"a flatten and Linear({flat}, {out}) would fit"
        return f"fc expects {expected:,} values, but gets a map of {show_size(last)} that is not flattened; {fits}"
    if len(last) > 1 and prod(last) == got:
        given = f"flatten gives {show_size(last)} = {got:,}"
    else:
        given = f"{source(observer, left)} gives {got:,}"
    return f"{given}, but fc expects {expected:,} values; {fits}"


def channels(observer: Observer, args: Sequence[Any]) -> str | None:
    """A convolution that is given another number of channels."""
    x, weight, transposed, groups = args[0], args[1], args[6], args[8]
    expected = weight.shape[0] if transposed else weight.shape[1] * groups
    out = weight.shape[1] * groups if transposed else weight.shape[0]
    if x.dim() < 3 or x.shape[1] == expected:
        return None
    kind = f"Conv{'Transpose' if transposed else ''}{x.dim() - 2}d"
    return (
        f"the convolution expects {expected:,} channels, but {source(observer, x)} gives {x.shape[1]:,} "
        f"({shape_text(observer, x)}); {kind}({x.shape[1]}, {out}, …) would fit"
    )


def window(sizes: list) -> str | None:
    """A window that is larger than the padded map."""
    for w in sizes:
        try:
            Window(w.n, w.f, w.s, (w.p, w.p), w.dilation, w.ceil)
        except GeometryError as rule:
            return str(rule)
    return None


def concat(observer: Observer, tensors: Sequence[Tensor], dim: int) -> str | None:
    """Maps laid one after the other, whose other sizes differ."""
    n_dims = tensors[0].dim()
    if any(t.dim() != n_dims for t in tensors):
        return None
    others = {tuple(n for i, n in enumerate(t.shape) if i != dim % n_dims) for t in tensors}
    each = ", ".join(f"{source(observer, t)} gives {shape_text(observer, t)}" for t in tensors)
    rule = "height and width" if n_dims == 4 and dim % n_dims == 1 else "all sizes but the one that is added up"
    return f"concat needs equal {rule}, but {each}" if len(others) > 1 else None


def together_with(observer: Observer, kind: str, args: Sequence[Any]) -> str | None:
    """A sum or product of tensors whose sizes differ."""
    a, b = args
    if not isinstance(a, Tensor) or not isinstance(b, Tensor) or broadcast(a.shape, b.shape) is not None:
        return None
    each = [f"{source(observer, t)} gives {shape_text(observer, t)}" for t in (a, b)]
    return f"{kind} needs equal sizes, but {each[0]} and {each[1]}"


def view(observer: Observer, x: Tensor, shape: Sequence[int]) -> str | None:
    """A reshape to another number of values."""
    asked = prod(n for n in shape if n != -1)
    if not asked or (x.numel() % asked == 0 if -1 in shape else x.numel() == asked):
        return None
    sizes = ", ".join(str(n) for n in shape)
    return (
        f"a reshape to ({sizes}) takes {asked:,} values, but {source(observer, x)} gives "
        f"{shape_text(observer, x)} = {x.numel():,}"
    )


def product(left: Tensor, right: Tensor) -> str | None:
    """A matrix product whose inner sizes differ. # (b, m, k) · (b, k, n)"""
    if left.dim() != 3 or right.dim() != 3 or (left.shape[0], left.shape[2]) == tuple(right.shape[:2]):
        return None
    sizes = [show_size(tuple(t.shape)) for t in (left, right)]
    return f"a matrix product needs columns on the left as rows on the right, but multiplies {sizes[0]} by {sizes[1]}"


def refused(observer: Observer) -> str | None:
    """A module that PyTorch refuses to run on what it is given, before any operation."""
    frame = observer.frames[-1]
    module, given = frame.module, frame.given
    if not given:
        return None
    kind = type(module).__name__
    if isinstance(module, MAP_MODULES) and len(given) not in (3, 4):
        return f"{kind} takes a map, height×width×channels, but gets {show_size(given[1:])} values in a row"
    if isinstance(module, nn.modules.batchnorm._BatchNorm) and len(given) > 1 and given[1] != module.num_features:
        return f"{kind} expects {module.num_features:,} channels, but gets {given[1]:,}; {kind}({given[1]}) would fit"
    return None


def torchs_own(observer: Observer, error: Exception) -> str | None:
    """What PyTorch says of sizes that no rule here explains; None if neither its layer nor its operation raised it."""
    frame = observer.frames[-1]
    failure = observer.failure if raised(observer, error) else None
    layer = type(frame.module).__module__.startswith("torch.nn.")
    if failure and not layer and not frame.leaf:
        what, tensors = str(failure.function).split(".")[1].strip("_"), tensors_in(failure.args)
        given = shape_text(observer, tensors[0]) if tensors else ""
    elif failure or layer:
        what, size = type(frame.module).__name__, (frame.given or ())[1:]
        given = show_size((*size[1:], size[0]) if len(size) == 3 else size)
    else:
        return None
    says = str(failure.error if failure else error).partition("\n")[0].rstrip(".")
    return f"{what} gets {given or 'no map'}, and PyTorch says: {says}"


def so_far(observer: Observer, size: Size, name: str, most: int = 12) -> str:
    """The shapes up to where it failed, as a table."""
    rows = [{"layer": "input", "kind": "", "output": size}]
    rows += [{"layer": row.path, "kind": row.kind, "output": row.output} for row in observer.rows]
    hidden = len(rows) - most
    if hidden > 1:
        rows = [rows[0], {"layer": f"… {hidden} more", "kind": "", "output": ()}, *rows[hidden + 1 :]]
    columns = [
        Column("layer", "layer", align="left"),
        Column("kind", "kind", align="left"),
        Column("output", "output", show=show_size),
    ]
    return plain_text(Table(columns, rows, f"{name}, shapes up to there"))
