"""What each operation does to the receptive field, its windows, and its multiply-adds.

A rule takes a `Call` and returns the trace of the result, or one trace for each result. Where nothing is known it
raises `Unplaced`; so does every operation without a rule.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from striate.measure import views
from striate.measure.call import Call, aten, slides
from striate.measure.field import Unplaced
from striate.measure.kernels import KERNELS, same, same_in_place
from striate.measure.trace import Trace, axes, concat, matmul, meet, plain


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


RULES: dict[Any, Callable[[Call], Trace | list[Trace]]] = {
    getattr(getattr(aten, name.partition(".")[0]), name.partition(".")[2] or "default"): rule
    for rule, names in {
        windows: "convolution max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d",
        adaptive_pool: "_adaptive_avg_pool2d adaptive_max_pool2d _adaptive_avg_pool3d adaptive_max_pool3d",
        pad: "constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d",
        resample: "upsample_nearest2d _upsample_nearest_exact2d upsample_bilinear2d upsample_bicubic2d "
        "_upsample_bilinear2d_aa _upsample_bicubic2d_aa",
        softmax: "_softmax _log_softmax _safe_softmax",
        pointwise: "_prelu_kernel",  # the only one that PyTorch does not call pointwise itself
        layer_norm: "native_layer_norm",
        group_norm: "native_group_norm",
        batch_norm: "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training",
        product: "addmm mm bmm baddbmm",
        cat: "cat",
        stack: "stack",
        views.reshape: "view _unsafe_view reshape _reshape_alias",
        views.permute: "permute t transpose.int",
        views.unsqueeze: "unsqueeze",
        views.squeeze: "squeeze squeeze.dim squeeze.dims",
        views.expand: "expand",
        views.slice_: "slice.Tensor",
        views.select: "select.int",
        views.split: "split.Tensor split_with_sizes unsafe_split.Tensor unsafe_split_with_sizes",
        views.unbind: "unbind.int",
        views.written: "copy_",
        views.restride: "as_strided as_strided_",
        views.unchanged: "clone detach alias _to_copy lift_fresh native_dropout channel_shuffle",
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
