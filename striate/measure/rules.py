"""What each operation does to the receptive field, its windows, and its multiply-adds.

A rule takes a `Call` and returns the trace of the result, or one trace for each result. Where nothing is known it
raises `Unplaced`; so does every operation without a rule.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from striate.measure.field import Trace, Unplaced, axes, concat, length, matmul, meet, plain
from striate.measure.kernels import KERNELS, same, same_in_place, spread

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


def windows(call: Call) -> Trace:
    """Convolution and pooling: a window along each axis."""
    trace, shape = call.first, call.shape
    all_slides = slides(call.function, call.args)
    if not all_slides:
        raise Unplaced("transposed convolution")
    if call.function is aten.convolution.default:
        trace = channels(trace, shape, call.args[8])
    first = len(shape) - len(all_slides)
    for i, slide in enumerate(all_slides, start=first):
        trace = trace.window(i, slide.f, slide.s, slide.p, shape[i], slide.dilation)
    return trace


def channels(trace: Trace, shape: Sequence[int], groups: int) -> Trace:
    """Every channel of the result depends on all channels (of its group)."""
    if trace.dims and axes(trace.dims[1]):
        if groups > 1:
            raise Unplaced("a grouped convolution takes places for channels")
        trace = trace.gather(1)
    return trace.set_dim(1, plain(shape[1]))


def adaptive_pool(call: Call) -> Trace:
    """Pooling to a given size: a plain pool where it divides the map, the whole map where it is 1."""
    trace, shape = call.first, call.shape
    for i in range(-len(call.args[1]), 0):
        n, n_out = call.args[0].shape[i], shape[i]
        if n_out == 1:
            trace = trace.gather(i)
        elif n % n_out == 0:
            trace = trace.window(i % len(shape), n // n_out, n // n_out, 0, n_out)
        else:
            raise Unplaced(f"a pool from {n} to {n_out} has windows of two sizes")
    return trace


def pad(call: Call) -> Trace:
    """Padding moves the start; what lies in a border is as good as outside, whether zero or mirrored."""
    trace, shape, amounts = call.first, call.shape, call.args[1]
    for k in range(len(amounts) // 2):
        i = len(shape) - 1 - k
        trace = trace.window(i, 1, 1, amounts[2 * k], shape[i])
    return trace


def resample(call: Call) -> Trace:
    """Interpolation: known only where a single position spreads, or nothing changes."""
    trace, before, after = call.first, call.args[0].shape, call.shape
    for i, (n, n_out) in enumerate(zip(before, after, strict=True)):
        if n == 1 and n_out > 1:
            trace = trace.gather(i).set_dim(i, plain(n_out))
        elif n != n_out:
            raise Unplaced("interpolation")
    return trace


def reduction(call: Call) -> Trace:
    """A sum, mean, maximum or norm over whole dimensions."""
    trace, n_dims = call.first, call.args[0].dim()
    dims = call.get("dim", ())
    dims = [dims] if isinstance(dims, int) else list(dims) or list(range(n_dims))
    return trace.gather(*dims, keep=bool(call.get("keepdim", False)))


def softmax(call: Call) -> Trace:
    """Each value depends on all others along the dimension."""
    return call.first.gate(call.args[1])


def layer_norm(call: Call) -> Trace:
    """Each value depends on all others along the last dimensions."""
    return call.first.gate(*range(-len(call.args[1]), 0))


def group_norm(call: Call) -> Trace:
    """Each value depends on its whole group, everywhere."""
    return call.first.gate(*range(1, call.args[0].dim()))


def batch_norm(call: Call) -> Trace:
    """Fixed statistics leave every value alone; the picture's own (instance norm) depend on all of it."""
    return group_norm(call) if call.args[5] else call.first


def pointwise(call: Call) -> Trace:
    """Each value depends on the values at its own place in all tensors."""
    values = [value for arg in call.args for value in (arg if isinstance(arg, (list, tuple)) else (arg,))]
    traces = [trace for value in values if (trace := call.trace(value))]
    shape = call.shape
    if len(traces) == 1 and next(v for v in values if call.trace(v)).shape == shape:
        return traces[0]
    return meet(traces, shape)


def product(call: Call) -> Trace:
    """A matrix product, a bias added or not."""
    left, right = call.args[-2:]
    trace = matmul(call.trace(left), call.trace(right), call.shape)
    return meet([trace, bias], call.shape) if len(call.args) == 3 and (bias := call.trace(call.args[0])) else trace


def cat(call: Call) -> Trace:
    """Maps one after the other, usually their channels."""
    traces = [trace for value in call.args[0] if (trace := call.trace(value))]
    return concat(traces, call.get("dim", 0), call.shape)


def stack(call: Call) -> Trace:
    """Maps beside each other along a new dimension."""
    at = call.get("dim", 0) % len(call.shape)
    traces = [trace for value in call.args[0] if (trace := call.trace(value))]
    return concat(
        [trace._replace(dims=(*trace._dims()[:at], (), *trace._dims()[at:])) for trace in traces], at, call.shape
    )


def reshape(call: Call) -> Trace:
    """The same values in the same order under another shape."""
    return call.first.regroup(call.shape)


def permute(call: Call) -> Trace:
    """Dimensions change places."""
    n_dims = len(call.shape)
    order = list(range(n_dims))
    if call.function is aten.permute.default:
        order = [i % n_dims for i in call.args[1]]
    elif n_dims > 1:
        i, j = call.args[1:3] if len(call.args) > 2 else (0, 1)  # t() swaps the two that a matrix has
        order[i], order[j] = order[j], order[i]
    return call.first.permute(order)


def unsqueeze(call: Call) -> Trace:
    """A dimension of length 1 more."""
    dims = list(call.first._dims())
    dims.insert(call.args[1] % (len(dims) + 1), ())
    return call.first._replace(dims=tuple(dims))


def squeeze(call: Call) -> Trace:
    """Dimensions of length 1 fewer."""
    x = call.args[0]
    dims = call.args[1] if len(call.args) > 1 else range(x.dim())
    single = [i for i in ([dims] if isinstance(dims, int) else dims) if x.shape[i] == 1]
    return call.first.gather(*single, keep=False)


def expand(call: Call) -> Trace:
    """Dimensions of length 1 repeated."""
    return meet([call.first], call.shape)


def cut(trace: Trace, dim: int, start: int, n: int, before: int, step: int = 1) -> Trace:
    """Positions start, start + step … of a dimension, n of them."""
    return trace if (n, step) == (before, 1) else trace.window(dim, 1, step, -start, n)


def slice_(call: Call) -> Trace:
    """Some positions of a dimension."""
    before = call.args[0].shape
    dim = call.get("dim", 0) % len(before)
    start = call.get("start", 0)
    start = max(start + before[dim], 0) if start < 0 else min(start, before[dim])
    return cut(call.first, dim, start, call.shape[dim], before[dim], call.get("step", 1))


def select(call: Call) -> Trace:
    """One position of a dimension, which is gone afterwards."""
    n, dim = call.args[0].shape, call.args[1] % call.args[0].dim()
    return cut(call.first, dim, call.args[2] % n[dim], 1, n[dim]).gather(dim, keep=False)


def split(call: Call) -> list[Trace]:
    """Parts of a dimension, one after the other."""
    before = call.args[0].shape
    dim = call.get("dim", 0) % len(before)
    traces, start = [], 0
    for part in call.result:
        traces.append(cut(call.first, dim, start, part.shape[dim], before[dim]))
        start += part.shape[dim]
    return traces


def unbind(call: Call) -> list[Trace]:
    """Every position of a dimension as a tensor of its own."""
    n, dim = call.args[0].shape, call.get("dim", 0) % call.args[0].dim()
    return [cut(call.first, dim, i, 1, n[dim]).gather(dim, keep=False) for i in range(n[dim])]


def unchanged(call: Call) -> Trace:
    """The same values."""
    return call.first


def written(call: Call) -> Trace:
    """A copy over another tensor's values."""
    source = call.trace(call.args[1])
    return meet([source], call.shape) if source else call.first


def restride(call: Call) -> Trace:
    """The same memory stepped through otherwise: known where there is one line of channels alone."""
    trace = call.first
    if [length(dim) for dim in trace._dims()] != list(call.shape) or sum(n > 1 for n in call.shape) > 1:
        raise Unplaced("as strided")
    return trace


RULES: dict[Any, Callable[[Call], Trace | list[Trace]]] = {
    getattr(getattr(aten, name.partition(".")[0]), name.partition(".")[2] or "default"): rule
    for rule, names in {
        windows: "convolution max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d",
        adaptive_pool: "_adaptive_avg_pool2d adaptive_max_pool2d _adaptive_avg_pool3d adaptive_max_pool3d",
        pad: "constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d",
        resample: "upsample_nearest2d _upsample_nearest_exact2d upsample_bilinear2d upsample_bicubic2d "
        "_upsample_bilinear2d_aa _upsample_bicubic2d_aa",
        softmax: "_softmax _log_softmax _safe_softmax",
        layer_norm: "native_layer_norm",
        group_norm: "native_group_norm",
        batch_norm: "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training",
        product: "addmm mm bmm baddbmm",
        cat: "cat",
        stack: "stack",
        reshape: "view _unsafe_view reshape _reshape_alias",
        permute: "permute t transpose.int",
        unsqueeze: "unsqueeze",
        squeeze: "squeeze squeeze.dim squeeze.dims",
        expand: "expand",
        slice_: "slice.Tensor",
        select: "select.int",
        split: "split.Tensor split_with_sizes unsafe_split.Tensor unsafe_split_with_sizes",
        unbind: "unbind.int",
        written: "copy_",
        restride: "as_strided as_strided_",
        unchanged: "clone detach alias _to_copy lift_fresh native_dropout",
    }.items()
    for name in names.split()
}


def rule_of(function: Any) -> Callable[[Call], Trace | list[Trace]] | None:
    """The rule of an operation, from the table or from what PyTorch itself says of it; None if it has none."""
    if function in RULES:
        return RULES[function]
    if torch.Tag.pointwise in function.tags or KERNELS.get(function) in (same, same_in_place):
        return pointwise
    return reduction if torch.Tag.reduction in function.tags else None


def macs(call: Call) -> int:
    """Multiply-adds of convolutions, fully connected layers and matrix products; other operations count 0."""
    function, args = call.function, call.args
    if function is aten.convolution.default:
        places = args[0] if args[6] else call.result
        return places.numel() * args[1].shape[1:].numel()
    if function in (aten.addmm.default, aten.mm.default, aten.bmm.default, aten.baddbmm.default):
        return call.result.numel() * args[-2].shape[-1]
    name = function._schema.name
    if "attention" in name or name.endswith("mm"):
        from torch.utils.flop_counter import flop_registry

        if count := flop_registry.get(function._overloadpacket):
            return count(*args, **call.kwargs, out_val=call.result) // 2
    return 0
