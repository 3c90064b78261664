"""One operation as the observer sees it: what was called, on what, with what result, and the window that it slides."""

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor

from striate.measure.field import Unplaced
from striate.measure.kernels import spread
from striate.measure.trace import Trace

aten = torch.ops.aten


class Call(NamedTuple):
    """One operation: what was called, on what, with what result; and the traces of its tensors, by id."""

    function: Any
    args: tuple
    kwargs: dict[str, Any]
    result: Any
    traces: dict[int, Trace]

    def get(self, name: str, default: Any = None) -> Any:
        """An argument by its name in the operation's schema."""
        for i, argument in enumerate(self.function._schema.arguments):
            if argument.name == name:
                value = self.args[i] if i < len(self.args) else self.kwargs.get(name, argument.default_value)
                return default if value is None else value
        return default

    def trace(self, value: Any) -> Trace | None:
        """The trace of a tensor that comes from the picture; None for weights and for what is no tensor."""
        return self.traces.get(id(value)) if isinstance(value, Tensor) else None

    @property
    def first(self) -> Trace:
        """The trace of the first argument."""
        trace = self.trace(self.args[0])
        if trace is None:
            raise Unplaced("the picture enters as another argument than the first")
        return trace

    @property
    def shape(self) -> Sequence[int]:
        """The shape of the (first) result."""
        return (self.result if isinstance(self.result, Tensor) else self.result[0]).shape


class Slide(NamedTuple):
    """The geometry of a window along one axis: the numbers of the size formula."""

    n: int
    f: int
    s: int
    p: int
    dilation: int = 1
    ceil: bool = False


POOLS = {
    getattr(aten, name).default: kind
    for kind, names in {
        "maxpool": ("max_pool2d_with_indices", "max_pool3d_with_indices"),
        "avgpool": ("avg_pool1d", "avg_pool2d", "avg_pool3d"),
    }.items()
    for name in names
}


def slides(function: Any, args: tuple) -> list[Slide]:
    """The windows of a convolution or a pool, one for each axis; none for other operations."""
    if function is aten.convolution.default and not args[6]:
        x, f, (s, p, d), ceil = args[0], args[1].shape[2:], args[3:6], False
    elif function in POOLS:
        x, f = args[0], args[1]
        s = args[2] if len(args) > 2 and args[2] else f
        p = args[3] if len(args) > 3 else (0,)
        if POOLS[function] == "maxpool":
            d, ceil = args[4] if len(args) > 4 else (1,), len(args) > 5 and args[5]
        else:
            d, ceil = (1,), len(args) > 4 and args[4]
    else:
        return []
    n_axes = 2 if "2d" in str(function) else 3 if "3d" in str(function) else len(f)
    sizes = x.shape[-n_axes:]
    each = zip(sizes, *(spread(v, n_axes) for v in (f, s, p, d)), strict=True)
    return [Slide(n, f, s, p, d, bool(ceil)) for n, f, s, p, d in each]


@cache
def is_view(function: Any) -> bool:
    return function.is_view


@cache
def writes(function: Any) -> bool:
    """Whether an operation writes over its first argument."""
    arguments = function._schema.arguments
    return bool(arguments and arguments[0].alias_info and arguments[0].alias_info.is_write)


@cache
def makes(function: Any) -> bool:
    """Whether an operation takes only the shape of its argument: zeros_like, new_empty."""
    name = function._schema.name.removeprefix("aten::")
    return name.startswith("new_") or name.endswith("_like")


@cache
def makes_map(function: Any) -> bool:
    """Whether an operation's result is a map, whatever it was made from: (batch, channels, height, width)."""
    name = function._schema.name
    return name == "aten::convolution" or name.endswith("2d") or "pixel_" in name


def tensors_in(values: Any) -> list[Tensor]:
    """The tensors among some values, and in the lists and tuples among them."""
    if any(isinstance(value, (list, tuple, dict)) for value in values):
        values = chain.from_iterable(
            v.values() if isinstance(v, dict) else v if isinstance(v, (list, tuple)) else (v,) for v in values
        )
    return [value for value in values if isinstance(value, Tensor)]
