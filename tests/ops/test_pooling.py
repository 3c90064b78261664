"""Max and average pooling against torch, forward and gradient, on random geometries."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.errors import GeometryError
from striate.ops.pool import average_pool, average_pool_backward, max_pool, max_pool_backward

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@st.composite
def geometries(draw):
    """Windows, strides and paddings that torch takes: padding up to half the window, the same on both sides."""
    f = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    p = draw(st.integers(0, f[0] // 2)), draw(st.integers(0, f[1] // 2))
    n = tuple(draw(st.integers(max(1, f[i] - 2 * p[i]), 9)) for i in (0, 1))
    stride = draw(st.none() | st.tuples(st.integers(1, 4), st.integers(1, 4)))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *n)
    return shape, f, {"stride": stride, "padding": tuple((side, side) for side in p), "ceil": draw(st.booleans())}


def as_torch(options: dict) -> dict:
    (top, _), (left, _) = options["padding"]
    return {"stride": options["stride"], "padding": (top, left), "ceil_mode": options["ceil"]}


def check(forward, backward, oracle, x):
    leaf = torch.tensor(x, requires_grad=True)
    expected = oracle(leaf)
    gradient = numbers(7, *expected.shape)
    expected.backward(torch.tensor(gradient))
    np.testing.assert_allclose(forward(x), expected.detach().numpy(), **CLOSE)
    np.testing.assert_allclose(backward(gradient, x), leaf.grad.numpy(), **CLOSE)


@given(geometries(), st.booleans())
@settings(max_examples=200)
def test_max_is_that_of_torch(geometry, ties):
    shape, f, options = geometry
    x = numbers(1, *shape)
    check(
        lambda x: max_pool(x, f, **options),
        lambda gradient, x: max_pool_backward(gradient, x, f, **options),
        lambda leaf: F.max_pool2d(leaf, f, **as_torch(options)),
        np.round(x) if ties else x,
    )


@given(geometries(), st.booleans())
@settings(max_examples=200)
def test_average_is_that_of_torch(geometry, count_padding):
    shape, f, options = geometry
    check(
        lambda x: average_pool(x, f, count_padding=count_padding, **options),
        lambda gradient, x: average_pool_backward(gradient, x, f, count_padding=count_padding, **options),
        lambda leaf: F.avg_pool2d(leaf, f, count_include_pad=count_padding, **as_torch(options)),
        numbers(1, *shape),
    )


def test_padding_per_side_is_a_picture_with_more_around_it():
    x, sides = numbers(1, 1, 2, 5, 6), ((0, 1), (2, 0))
    lowest = np.pad(x, ((0, 0), (0, 0), *sides), constant_values=-np.inf)
    np.testing.assert_array_equal(max_pool(x, 3, 2, padding=sides), max_pool(lowest, 3, 2))
    zeros = np.pad(x, ((0, 0), (0, 0), *sides))
    np.testing.assert_allclose(average_pool(x, 3, 2, padding=sides), average_pool(zeros, 3, 2), **CLOSE)


def test_what_is_not_a_number_stays_seen():
    x = np.zeros((1, 1, 2, 2))
    x[0, 0, 0, 1] = np.nan
    assert np.isnan(max_pool(x, 2)).all()


def test_a_window_of_nothing_but_padding_is_refused():
    with pytest.raises(GeometryError, match="p 2 with f 2; p 1 or less would fit"):
        max_pool(np.ones((1, 1, 4, 4)), 2, padding=2)
