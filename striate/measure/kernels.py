"""Sizes of the common operations, computed here: PyTorch's own meta kernels for them are slow.

A meta kernel gives a result's shape without its values. Those of convolution, batch norm, ReLU and many more are
written in Python: the first use imports torch._dynamo (about a second) and each call takes up to 2 ms. The rules here
take microseconds. A rule returns None where it does not apply or where sizes do not fit: then PyTorch's kernel runs, or
raises its own error.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten


def convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """floor((n + 2p − f) / s) + 1 along each axis. # (batch, channels, …) · (out, channels / groups, …)"""
    n_axes = x.dim() - 2
    if weight.dim() != x.dim() or x.dtype != weight.dtype or n_axes < 1:
        return None
    stride, padding, dilation = (spread(v, n_axes) for v in (stride, padding, dilation))
    out, here = (
        (weight.shape[1] * groups, weight.shape[0]) if transposed else (weight.shape[0], weight.shape[1] * groups)
    )
    if x.shape[1] != here or weight.shape[0] % groups or (bias is not None and bias.shape != (out,)):
        return None
    size = []
    for n, f, s, p, d, more in zip(
        x.shape[2:], weight.shape[2:], stride, padding, dilation, spread(output_padding, n_axes), strict=True
    ):
        reach = (f - 1) * d + 1
        n_out = (n - 1) * s - 2 * p + reach + more if transposed else (n + 2 * p - reach) // s + 1
        if n_out < 1 or (n + 2 * p < reach and not transposed):
            return None
        size.append(n_out)
    return x.new_empty((x.shape[0], out, *size))


def like(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Another tensor of the same size and order in memory; torch.empty_like is a slow one of those in Python."""
    if x.is_contiguous():
        return x.new_empty(x.shape, dtype=dtype)
    step = 1
    for stride, n in sorted(zip(x.stride(), x.shape, strict=True)):
        if n > 1 and stride != step:  # with gaps or repeated values: the copy has neither
            return torch.empty_like(x, dtype=dtype)
        step *= n
    return x.new_empty_strided(x.shape, x.stride(), dtype=dtype)


def spread(values: Sequence[int], n_axes: int) -> Sequence[int]:
    """One value for each axis, as PyTorch takes them: [2] means [2, 2]."""
    return values if len(values) == n_axes else list(values) * n_axes


def pooled(x, n_axes, window, stride, padding, dilation, ceil):
    """The size formula along the last axes; None where it leaves nothing or the order in memory is another."""
    if x.dim() != n_axes + 2 or not x.is_contiguous():
        return None
    size = list(x.shape[:2])
    numbers = (spread(v, n_axes) for v in (window, stride or window, padding, dilation))
    for n, f, s, p, d in zip(x.shape[2:], *numbers, strict=True):
        slack = n + 2 * p - ((f - 1) * d + 1)
        if slack < 0 or 2 * p > f or min(f, s, d) < 1:
            return None
        places = (-(-slack // s) if ceil else slack // s) + 1
        size.append(places - 1 if (places - 1) * s >= n + p else places)  # the last one must begin in the picture
    return size


def max_pool(x, window, stride=(), padding=(0,), dilation=(1,), ceil=False):
    """The largest value of each window, and its place. # (batch, channels, height, width)"""
    size = pooled(x, 2, window, stride, padding, dilation, ceil)
    return size and (x.new_empty(size), x.new_empty(size, dtype=torch.int64))


def avg_pool(n_axes):
    """The mean of each window along the last axes. # (batch, channels, …)"""

    def rule(x, window, stride=(), padding=(0,), ceil=False, count_include_pad=True, divisor=None):
        if divisor == 0 or (n_axes == 3 and any(n < f for n, f in zip(x.shape[2:], spread(window, 3), strict=False))):
            return None  # the one in three dimensions has a rule of its own: no window beyond the map without padding
        size = pooled(x, n_axes, window, stride, padding, (1,), ceil)
        return size and x.new_empty(size)

    return rule


def adaptive_pool(x, size):
    """The mean of as many windows as asked for. # (batch, channels, height, width)"""
    return x.new_empty((*x.shape[:2], *size)) if x.dim() == 4 and x.is_contiguous() else None


def batch_norm(x, weight, bias, mean, variance, training, momentum, eps):
    """The same size; in training also the batch's mean and deviation. # (batch, channels, …)"""
    if x.dim() < 2 or any(v is not None and v.shape != x.shape[1:2] for v in (weight, bias, mean, variance)):
        return None
    kept = x.shape[1:2] if training else (0,)
    return like(x), x.new_empty(kept), x.new_empty(kept)


def layer_norm(x, shape, weight, bias, eps):
    """The same size; and the statistics that a backward pass needs. # (…, *shape)"""
    first = x.dim() - len(shape)
    if first < 0 or any(v is not None and v.shape != x.shape[first:] for v in (weight, bias)):
        return None
    if tuple(shape) != x.shape[first:]:
        return None
    kept = (*x.shape[:first], *(1 for _ in shape))
    return x.new_empty(x.shape), x.new_empty(kept), x.new_empty(kept)


def group_norm(x, weight, bias, n, c, hw, groups, eps):
    """The same size; and the statistics that a backward pass needs. # (batch, channels, …)"""
    if c % groups or any(v is not None and v.shape != (c,) for v in (weight, bias)):
        return None
    return like(x), x.new_empty((n, groups)), x.new_empty((n, groups))


def empty_like(x, *, memory_format=None, dtype=None, **placement):
    """Room for a tensor of the same size, as dropout asks for."""
    return like(x, dtype) if memory_format in (None, torch.preserve_format) else None


def same(x, *rest, **options):
    """A function of each value alone."""
    return like(x) if x.is_floating_point() else None


def same_in_place(x, *rest, **options):
    """A function of each value alone, written over it."""
    return x if x.is_floating_point() else None


def together(x, y, **options):
    """A function of two values, broadcast to a common size."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        return None
    if not isinstance(y, Tensor):
        return like(x) if isinstance(y, (int, float)) else None
    if x.dtype != y.dtype:
        return None
    if x.shape == y.shape:
        return like(x)
    shape = broadcast(x.shape, y.shape)
    whole = x if x.shape == shape else y if y.shape == shape else None  # the order in memory follows the larger one
    return None if whole is None else like(whole)


def together_in_place(x, y, **options):
    """A function of two values, written over the first."""
    if not x.is_floating_point() or not isinstance(y, (Tensor, int, float)):
        return None
    if isinstance(y, Tensor) and (x.dtype != y.dtype or broadcast(x.shape, y.shape) != x.shape):
        return None
    return x


def broadcast(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...] | None:
    """The size to which two sizes spread, or None."""
    n_dims = max(len(a), len(b))
    a, b = [1] * (n_dims - len(a)) + list(a), [1] * (n_dims - len(b)) + list(b)
    if any(i != j and 1 not in (i, j) for i, j in zip(a, b, strict=True)):
        return None
    return tuple(j if i == 1 else i for i, j in zip(a, b, strict=True))


def reduce(x, dims=None, keepdim=False, *, dtype=None):
    """A sum, mean or maximum over some dimensions."""
    if dtype is not None or not x.is_floating_point():
        return None
    dims = dims or range(x.dim())
    gone = {dim % x.dim() for dim in dims if -x.dim() <= dim < x.dim()}
    if len(gone) < len(dims):  # out of range, or twice the same
        return None
    return x.new_empty([1 if i in gone else n for i, n in enumerate(x.shape) if keepdim or i not in gone])


def addmm(bias, left, right, *, beta=1, alpha=1):
    """A bias and a matrix product. # (m, k) · (k, n)"""
    product = mm(left, right)
    if product is None or bias.dtype != product.dtype or broadcast(bias.shape, product.shape) != product.shape:
        return None
    return product


def mm(left, right):
    """A matrix product. # (m, k) · (k, n)"""
    if left.dim() != 2 or right.dim() != 2 or left.shape[1] != right.shape[0] or left.dtype != right.dtype:
        return None
    return left.new_empty((left.shape[0], right.shape[1]))


def cat(tensors, dim=0):
    """Tensors laid one after the other."""
    first = tensors[0]
    n_dims = first.dim()
    if not -n_dims <= dim < n_dims or not all(
        t.is_contiguous() and t.dtype == first.dtype and t.dim() == n_dims for t in tensors
    ):
        return None
    size = list(first.shape)
    for t in tensors[1:]:
        if any(a != b for i, (a, b) in enumerate(zip(first.shape, t.shape, strict=True)) if i != dim % n_dims):
            return None
        size[dim] += t.shape[dim]
    return first.new_empty(size)


ACTIVATIONS = (
    "relu",
    "hardtanh",
    "hardswish",
    "hardsigmoid",
    "silu",
    "sigmoid",
    "tanh",
    "gelu",
    "elu",
    "leaky_relu",
    "mish",
)
UNARY = (*ACTIVATIONS, "clamp", "exp", "log", "sqrt", "rsqrt", "abs", "neg", "square")
IN_PLACE = (*(f"{name}_" for name in ACTIVATIONS), "clamp_")
BINARY = ("add", "sub", "mul", "div")

KERNELS: dict[Any, Callable[..., Any]] = {
    aten.convolution.default: convolution,
    aten.max_pool2d_with_indices.default: max_pool,
    aten.avg_pool2d.default: avg_pool(2),
    aten.avg_pool3d.default: avg_pool(3),
    aten._adaptive_avg_pool2d.default: adaptive_pool,
    aten.native_batch_norm.default: batch_norm,
    aten.native_layer_norm.default: layer_norm,
    aten.native_group_norm.default: group_norm,
    aten.empty_like.default: empty_like,
    aten.mean.dim: reduce,
    aten.sum.dim_IntList: reduce,
    aten.amax.default: reduce,
    aten.addmm.default: addmm,
    aten.mm.default: mm,
    aten.cat.default: cat,
    aten.pow.Tensor_Scalar: same,
    aten.native_dropout.default: lambda x, p, train: (like(x), like(x, torch.bool)),
    **{getattr(aten, name).default: same for name in UNARY},
    **{getattr(aten, name).default: same_in_place for name in IN_PLACE},
    **{getattr(getattr(aten, name), form): together for name in BINARY for form in ("Tensor", "Scalar")},
    **{getattr(getattr(aten, f"{name}_"), form): together_in_place for name in BINARY for form in ("Tensor", "Scalar")},
}
