"""Convolution and its borders against torch, forward and gradient, on random geometries."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.errors import GeometryError, UnknownName
from striate.ops.conv import convolve, convolve_backward
from striate.ops.loops import conv_forward, conv_single_step
from striate.ops.windows import BORDERS, NUMPY_MODE, pad, pad_backward, per_side

TORCH_MODE = {"zero": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}
CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@st.composite
def geometries(draw):
    """Sizes, windows, strides, paddings (per axis and side), borders, dilations and groups that leave an output."""
    border = draw(st.sampled_from(BORDERS))
    n = draw(st.integers(2, 8)), draw(st.integers(2, 8))
    # torch reflects and wraps once at most
    largest = {"reflect": (n[0] - 1, n[1] - 1), "circular": n}.get(border, (3, 3))
    sides = tuple((draw(st.integers(0, min(3, m))), draw(st.integers(0, min(3, m)))) for m in largest)
    stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    f = tuple(draw(st.integers(1, 1 + (n[i] + sum(sides[i]) - 1) // dilation[i])) for i in (0, 1))
    groups, layers, filters = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    return {
        "shapes": ((draw(st.integers(1, 2)), groups * layers, *n), (groups * filters, layers, *f)),
        "settings": {"stride": stride, "padding": sides, "border": border, "dilation": dilation, "groups": groups},
        "seed": draw(st.integers(0, 10_000)),
    }


def torch_convolve(x, weights, bias, *, stride, padding, border, dilation, groups):
    padded = F.pad(x, (*padding[1], *padding[0]), mode=TORCH_MODE[border])
    return F.conv2d(padded, weights, bias, stride=stride, dilation=dilation, groups=groups)


@given(geometries(), st.booleans())
@settings(max_examples=200)
def test_forward_and_gradients_are_those_of_torch(geometry, flip):
    x_shape, weights_shape = geometry["shapes"]
    x, weights, bias = numbers(1, *x_shape), numbers(2, *weights_shape), numbers(3, weights_shape[0])
    leaves = [torch.tensor(values, requires_grad=True) for values in (x, weights, bias)]
    turned = leaves[1].flip(2, 3) if flip else leaves[1]
    expected = torch_convolve(leaves[0], turned, leaves[2], **geometry["settings"])
    gradient = numbers(geometry["seed"], *expected.shape)
    expected.backward(torch.tensor(gradient))

    out = convolve(x, weights, bias, flip=flip, **geometry["settings"])
    found = convolve_backward(gradient, x, weights, flip=flip, **geometry["settings"])

    np.testing.assert_allclose(out, expected.detach().numpy(), **CLOSE)
    for mine, leaf in zip(found, leaves, strict=True):
        np.testing.assert_allclose(mine, leaf.grad.numpy(), **CLOSE)


@given(geometries())
def test_the_four_nested_loops_compute_the_same(geometry):
    (batch, _, *n), (filters, _, *f) = geometry["shapes"]
    stride, p = geometry["settings"]["stride"][0], geometry["settings"]["padding"][0][0]
    f = [min(f[i], n[i] + 2 * p) for i in (0, 1)]
    x, weights, biases = numbers(1, batch, 2, *n), numbers(2, filters, 2, *f), numbers(3, filters)
    loops = conv_forward(x, weights, biases, stride=stride, pad=p)
    np.testing.assert_allclose(loops, convolve(x, weights, biases, stride=stride, padding=p), **CLOSE)


def test_a_single_step_is_a_sum_of_products_and_the_bias():
    assert conv_single_step(np.array([[[1.0, 2], [3, 4]]]), np.array([[[1.0, 0], [0, -1]]]), 10.0) == 1 - 4 + 10


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(BORDERS), st.integers(0, 10_000))
def test_padding_is_that_of_numpy_however_wide_and_its_gradient_is_its_transpose(height, width, border, seed):
    sides = tuple(tuple(row) for row in np.random.default_rng(seed).integers(0, 9, (2, 2)).tolist())
    x = numbers(seed, 2, 3, height, width)
    padded = pad(x, sides, border)
    np.testing.assert_array_equal(padded, np.pad(x, ((0, 0), (0, 0), *sides), mode=NUMPY_MODE[border]))
    gradient = numbers(seed + 1, *padded.shape)
    # <P x, g> = <x, Pᵀ g> for every x and g
    left, right = (padded * gradient).sum(), (x * pad_backward(gradient, x, sides, border)).sum()
    np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("padding", [2, (1, 2), ((1, 2), (3, 0))])
def test_amounts_are_read_as_numpy_pad_reads_them(padding):
    x = numbers(0, 4, 5)
    assert pad(x[None, None], padding).shape[2:] == np.pad(x, padding).shape


@given(geometries())
def test_stride_s_is_stride_1_and_then_every_sth_exactly(geometry):
    x_shape, weights_shape = geometry["shapes"]
    x, weights = numbers(1, *x_shape), numbers(2, *weights_shape)
    down, right = geometry["settings"]["stride"]
    slow = convolve(x, weights, **{**geometry["settings"], "stride": 1})
    np.testing.assert_array_equal(convolve(x, weights, **geometry["settings"]), slow[:, :, ::down, ::right])


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 5))
def test_shift_then_convolve_is_convolve_then_shift(down, right, f):
    x, weights = numbers(1, 1, 2, 8, 9), numbers(2, 3, 2, f, f)

    def shift(maps):
        return np.roll(maps, (down, right), axis=(2, 3))

    def filtered(maps):
        return convolve(maps, weights, padding="same", border="circular")

    np.testing.assert_array_equal(filtered(shift(x)), shift(filtered(x)))


@pytest.mark.parametrize(("f", "sides"), [(1, (0, 0)), (3, (1, 1)), (5, (2, 2)), (4, (1, 2))])
def test_same_keeps_the_size(f, sides):
    assert per_side("same", f) == (sides, sides)
    assert convolve(numbers(0, 1, 1, 7, 9), numbers(1, 1, 1, f, f), padding="same").shape == (1, 1, 7, 9)
    assert convolve(numbers(0, 1, 1, 7, 9), numbers(1, 1, 1, f, f), padding="same", stride=2).shape == (1, 1, 4, 5)


ONE = np.ones((1, 1, 4, 4))
KERNEL = np.ones((1, 1, 3, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: convolve(ONE[0], KERNEL), "(batch, channels, height, width)"),
        (lambda: convolve(ONE, KERNEL[0]), "(out, in, height, width)"),
        (lambda: convolve(ONE, np.ones((1, 2, 3, 3))), "need 1, but the weights (1, 2, 3, 3) have 2"),
        (lambda: convolve(ONE, KERNEL, groups=2), "groups must divide"),
        (lambda: convolve(ONE, KERNEL, groups=0), "groups must divide"),
        (lambda: convolve(ONE, KERNEL, [1.0, 2.0]), "a number per filter, 1,"),
        (lambda: convolve(ONE, KERNEL, stride=0), "a stride must be at least 1, but is 0"),
        (lambda: convolve(ONE, KERNEL, stride=(1, 2, 3)), "a stride is a whole number or two"),
        (lambda: convolve(ONE, KERNEL, stride=1.5), "a stride is a whole number or two"),
        (lambda: convolve(ONE, KERNEL, padding=-1), "at least 0 on every side, but is -1"),
        (lambda: convolve(ONE, KERNEL, padding=(1, 2, 3)), "a padding is a whole number, (before, after)"),
        (lambda: convolve(ONE, KERNEL, dilation=2), "which spans 5, on 4 leaves no output"),
        (lambda: convolve(ONE, np.ones((1, 1, 5, 3))), "5 on 4 leaves no output"),
    ],
)
def test_impossible_geometry_is_told(call, words):
    with pytest.raises(GeometryError) as mistake:
        call()
    assert words in str(mistake.value)


def test_unknown_borders_and_paddings_are_told():
    with pytest.raises(UnknownName, match=r"no border is called 'mirrored'; known: .*replicate"):
        pad(ONE, 1, "mirrored")
    with pytest.raises(UnknownName, match="no padding is called 'sames'; did you mean same"):
        convolve(ONE, KERNEL, padding="sames")
