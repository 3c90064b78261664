"""The rules that replace PyTorch's meta kernels give the same shapes, strides and types."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.measure.kernels import BINARY, IN_PLACE, KERNELS, UNARY, spread

aten = torch.ops.aten


def empty(*shape, dtype=torch.float32):
    return torch.empty(shape, dtype=dtype, device="meta")


def agree(function, *args, **options):
    """Both results, or both a refusal."""
    got = KERNELS[function](*args, **options)
    try:
        wanted = function(*args, **options)
    except (RuntimeError, IndexError, ValueError):
        assert got is None
        return
    if got is None:
        return
    got, wanted = (r if isinstance(r, tuple) else (r,) for r in (got, wanted))
    for a, b in zip(got, wanted, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    assert got[0].stride() == wanted[0].stride()


small = st.integers(1, 3)


@given(st.data(), st.integers(1, 3), st.booleans())
def test_convolution(data, n_axes, transposed):
    def pick(strategy):
        return data.draw(st.lists(strategy, min_size=n_axes, max_size=n_axes))

    groups, into, out = data.draw(small), data.draw(small), data.draw(small)
    n, f, s, p, d = pick(st.integers(1, 9)), pick(small), pick(small), pick(st.integers(0, 2)), pick(small)
    more = (
        [min(a, max(b, c) - 1) for a, b, c in zip(pick(st.integers(0, 1)), s, d, strict=True)]
        if transposed
        else [0] * n_axes
    )
    channels = data.draw(st.sampled_from([into * groups, into * groups + 1]))
    shape = (into * groups, out, *f) if transposed else (out * groups, into, *f)
    bias = data.draw(st.sampled_from([None, empty(out * groups)]))
    agree(aten.convolution.default, empty(2, channels, *n), empty(*shape), bias, s, p, d, transposed, more, groups)


@given(st.data(), st.booleans())
def test_pools(data, ceil):
    def pick(strategy):
        return data.draw(st.lists(strategy, min_size=2, max_size=2) | st.lists(strategy, min_size=1, max_size=1))

    size = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    f, s, p, d = pick(small), data.draw(st.just([]) | st.just([2, 3])), pick(st.integers(0, 2)), pick(small)
    agree(aten.max_pool2d_with_indices.default, empty(2, 3, *size), f, s, p, d, ceil)
    agree(aten.avg_pool2d.default, empty(2, 3, *size), f, s, p, ceil)
    agree(aten.avg_pool3d.default, empty(2, 3, 5, *size), [2, *spread(f, 2)], [], [1, *spread(p, 2)], ceil)
    agree(aten._adaptive_avg_pool2d.default, empty(2, 3, *size), spread(f, 2))


shapes = st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=4)


@given(shapes, shapes, st.permutations(range(4)))
def test_broadcast(a, b, order):
    for name in BINARY:
        agree(getattr(aten, name).Tensor, empty(*a), empty(*b))
        agree(getattr(aten, f"{name}_").Tensor, empty(*a), empty(*b))
        agree(getattr(aten, name).Scalar, empty(*a), 2)
        agree(getattr(aten, f"{name}_").Scalar, empty(*a), 0.5)
        agree(getattr(aten, name).Scalar, empty(*a, dtype=torch.int64), 0.5)
    turned = empty(2, 3, 4, 5).permute(order)
    agree(aten.mul.Tensor, turned, empty(turned.shape[-1]))
    agree(aten.mul.Tensor, empty(turned.shape[1], 1, 1), turned)
    agree(aten.add.Tensor, turned, empty(*turned.shape))


@pytest.mark.parametrize("name", UNARY + IN_PLACE)
def test_pointwise(name):
    options = (0.0, 1.0) if "clamp" in name else ()
    agree(getattr(aten, name).default, empty(2, 3, 4), *options)
    agree(getattr(aten, name).default, empty(2, 3, 4, 5).permute(0, 3, 1, 2), *options)


@given(shapes, st.data(), st.booleans())
def test_reductions(shape, data, keep):
    dims = data.draw(st.lists(st.integers(-len(shape) - 1, len(shape)), max_size=3))
    for function in (aten.mean.dim, aten.sum.dim_IntList, aten.amax.default):
        agree(function, empty(*shape), dims, keep)
        agree(function, empty(), [dim % 3 - 1 for dim in dims], keep)
        agree(function, empty(*shape).permute(*reversed(range(len(shape)))), dims, keep)


@given(small, small, small, small)
def test_products(m, k, n, other):
    agree(aten.mm.default, empty(m, k), empty(other, n))
    for bias in (empty(n), empty(m, n), empty(other)):
        agree(aten.addmm.default, bias, empty(m, k), empty(k, n))


@given(st.lists(shapes, min_size=1, max_size=3), st.integers(-5, 4))
def test_cat(many, dim):
    agree(aten.cat.default, [empty(*shape) for shape in many], dim)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("turn", [False, True])
def test_norms(training, turn):
    x = empty(2, 5, 6, 4).permute(0, 3, 1, 2) if turn else empty(2, 4, 5, 6)
    four, three = empty(4), empty(3)
    for weight in (four, None, three):
        if (
            training
        ):  # in evaluation PyTorch's kernels for a CPU and for meta differ in the statistics, which nobody reads
            agree(aten.native_batch_norm.default, x, weight, four, four, four, training, 0.1, 1e-5)
        agree(aten.native_group_norm.default, x, weight, four, 2, 4, 30, 2, 1e-5)
        agree(aten.native_layer_norm.default, x, [5, 6], None, None, 1e-5)
        agree(aten.native_layer_norm.default, x, [6], empty(6), weight, 1e-5)
