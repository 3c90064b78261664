"""Local response and batch normalisation against torch, forward and gradient."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import GeometryError
from striate.ops.norm import (
    batch_norm,
    batch_norm_backward,
    batch_statistics,
    local_response_norm,
    local_response_norm_backward,
    update_running,
)

CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@given(
    st.tuples(st.integers(1, 2), st.integers(1, 8), st.integers(1, 3), st.integers(1, 3)),
    st.integers(1, 7),
    st.floats(1e-4, 2),
    st.floats(0.1, 2),
    st.floats(0.5, 3),
)
def test_local_response_norm_is_that_of_torch_with_alpha_times_size(shape, size, alpha, beta, k):
    x = numbers(1, *shape)
    leaf = torch.tensor(x, requires_grad=True)
    expected = F.local_response_norm(leaf, size, alpha * size, beta, k)
    gradient = numbers(2, *shape)
    expected.backward(torch.tensor(gradient))
    np.testing.assert_allclose(local_response_norm(x, size, alpha, beta, k), expected.detach().numpy(), **CLOSE)
    found = local_response_norm_backward(gradient, x, size, alpha, beta, k)
    np.testing.assert_allclose(found, leaf.grad.numpy(), **CLOSE)


@given(
    st.tuples(st.integers(2, 4), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
    st.booleans(),
    st.floats(1e-5, 0.1),
)
def test_batch_norm_is_that_of_torch_in_training_and_inference(shape, training, epsilon):
    channels = shape[1]
    x, scale, shift = 3 * numbers(1, *shape) + 2, numbers(2, channels), numbers(3, channels)
    mean, variance = numbers(4, channels), numbers(5, channels) ** 2 + 0.1
    leaves = [torch.tensor(values, requires_grad=True) for values in (x, scale, shift)]
    kept = torch.tensor(mean), torch.tensor(variance)  # torch updates these in place
    expected = F.batch_norm(leaves[0], *kept, leaves[1], leaves[2], training, momentum=0.3, eps=epsilon)
    gradient = numbers(6, *shape)
    expected.backward(torch.tensor(gradient))

    running = None if training else (mean, variance)
    np.testing.assert_allclose(batch_norm(x, scale, shift, running, epsilon), expected.detach().numpy(), **CLOSE)
    found = batch_norm_backward(gradient, x, scale, running, epsilon)
    for mine, leaf in zip(found, leaves, strict=True):
        np.testing.assert_allclose(mine, leaf.grad.numpy(), rtol=1e-8, atol=1e-8)
    if training:
        for mine, theirs in zip(update_running((mean, variance), x, 0.3), kept, strict=True):
            np.testing.assert_allclose(mine, theirs.numpy(), **CLOSE)


def test_training_leaves_mean_0_and_variance_1():
    out = batch_norm(5 * numbers(1, 8, 3, 6, 6) - 4, np.ones(3), np.zeros(3), epsilon=0)
    mean, variance = batch_statistics(out)
    np.testing.assert_allclose(mean, 0, atol=1e-12)
    np.testing.assert_allclose(variance, 1, atol=1e-12)


def test_one_value_has_no_variance():
    with pytest.raises(GeometryError, match="at least 2 values per channel"):
        update_running((np.zeros(1), np.ones(1)), np.ones((1, 1, 1, 1)))
