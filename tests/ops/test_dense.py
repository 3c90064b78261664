"""Activations, fully connected, softmax with cross-entropy and dropout against torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import GeometryError, StriateError
from striate.ops import dense

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid"])
def test_activations_and_their_derivatives(name):
    x = np.concatenate([numbers(1, 50) * 5, [0.0, 700.0, -700.0]])
    leaf = torch.tensor(x, requires_grad=True)
    expected = getattr(torch, name)(leaf)
    gradient = numbers(2, len(x))
    expected.backward(torch.tensor(gradient))
    np.testing.assert_allclose(getattr(dense, name)(x), expected.detach().numpy(), **CLOSE)
    np.testing.assert_allclose(getattr(dense, f"{name}_backward")(gradient, x), leaf.grad.numpy(), **CLOSE)


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5))
def test_fully_connected(batch, inputs, outputs):
    values = numbers(1, batch, inputs), numbers(2, outputs, inputs), numbers(3, outputs)
    leaves = [torch.tensor(value, requires_grad=True) for value in values]
    expected = F.linear(*leaves)
    gradient = numbers(4, batch, outputs)
    expected.backward(torch.tensor(gradient))
    np.testing.assert_allclose(dense.fully_connected(*values), expected.detach().numpy(), **CLOSE)
    found = dense.fully_connected_backward(gradient, values[0], values[1])
    for mine, leaf in zip(found, leaves, strict=True):
        np.testing.assert_allclose(mine, leaf.grad.numpy(), **CLOSE)


@given(st.integers(1, 4), st.integers(1, 6), st.sampled_from([1.0, 1000.0]))
def test_softmax_with_cross_entropy_also_where_the_exponential_overflows(batch, classes, size):
    logits = size * numbers(1, batch, classes)
    labels = np.random.default_rng(2).integers(0, classes, batch)
    leaf = torch.tensor(logits, requires_grad=True)
    expected = F.cross_entropy(leaf, torch.tensor(labels))
    expected.backward()
    np.testing.assert_allclose(dense.softmax(logits), torch.softmax(leaf, 1).detach().numpy(), **CLOSE)
    np.testing.assert_allclose(dense.cross_entropy(logits, labels), expected.item(), **CLOSE)
    np.testing.assert_allclose(dense.cross_entropy_backward(logits, labels), leaf.grad.numpy(), **CLOSE)


def test_dropout_drops_its_share_keeps_the_mean_and_can_be_repeated():
    x = np.ones((200, 500))
    out, mask = dense.dropout(x, 0.3, np.random.default_rng(5))
    assert abs((out == 0).mean() - 0.3) < 0.01
    assert set(np.unique(mask)) == {0, 1 / 0.7}
    assert abs(out.mean() - 1) < 0.01
    again, _ = dense.dropout(x, 0.3, np.random.default_rng(5))
    np.testing.assert_array_equal(out, again)
    gradient = numbers(1, *x.shape)
    leaf = torch.tensor(x, requires_grad=True)
    (leaf * torch.tensor(mask)).backward(torch.tensor(gradient))
    np.testing.assert_array_equal(dense.dropout_backward(gradient, mask), leaf.grad.numpy())


def test_dropout_of_nothing_is_the_identity():
    x = numbers(1, 10)
    np.testing.assert_array_equal(dense.dropout(x, 0, np.random.default_rng(0))[0], x)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: dense.dropout([1.0], 1, np.random.default_rng(0)), StriateError, "less than 1, but is 1"),
        (lambda: dense.cross_entropy([[0.0, 1.0]], [2]), StriateError, "from 0 to 1, but are"),
        (lambda: dense.cross_entropy([[0.0, 1.0]], [0, 1]), StriateError, "labels are 1 whole numbers"),
        (lambda: dense.fully_connected(np.ones((1, 3)), np.ones((2, 4)), [0, 0]), GeometryError, "(1, 3) and (2, 4)"),
    ],
)
def test_mistakes_are_told(call, kind, words):
    with pytest.raises(kind) as mistake:
        call()
    assert words in str(mistake.value)
