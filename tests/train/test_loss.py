"""The loss against PyTorch's and closed forms, and that the losses of parts add up."""

from itertools import pairwise
from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from striate.errors import StriateError
from striate.train.learn.loss import Loss

COUNT, CLASSES = 12, 5
RANDOM = torch.manual_seed(0)
LOGITS = 3 * torch.randn(COUNT, CLASSES, generator=RANDOM, dtype=torch.float64)
LABELS = torch.randint(CLASSES, (COUNT,), generator=RANDOM)
SHARES = torch.rand(COUNT, CLASSES, generator=RANDOM, dtype=torch.float64).softmax(1)
MANY = (torch.rand(COUNT, CLASSES, generator=RANDOM) < 0.4).float()
WEIGHTS = torch.tensor([0.5, 1, 2, 4, 0.1], dtype=torch.float64)

SMOOTHINGS = st.floats(0, 0.9)
WEIGHTED = st.sampled_from([None, WEIGHTS])
LABELLED = st.sampled_from([(False, LABELS), (False, SHARES), (True, MANY)])


def close(ours, theirs) -> None:
    torch.testing.assert_close(torch.as_tensor(ours), torch.as_tensor(theirs), rtol=1e-12, atol=1e-12)


@given(smoothing=SMOOTHINGS)
def test_without_weights_it_is_the_mean_of_pytorch(smoothing):
    close(Loss(False, smoothing)(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS, label_smoothing=smoothing))
    close(Loss(False, smoothing)(LOGITS, SHARES), F.cross_entropy(LOGITS, SHARES, label_smoothing=smoothing))
    close(Loss(True)(LOGITS, MANY), F.binary_cross_entropy_with_logits(LOGITS, MANY.double()))


@given(smoothing=SMOOTHINGS, weights=WEIGHTED)
def test_cross_entropy_by_its_formula(smoothing, weights):
    shares = (1 - smoothing) * F.one_hot(LABELS, CLASSES).double() + smoothing / CLASSES
    each = -LOGITS.log_softmax(1) * shares * (1 if weights is None else weights)
    close(Loss(False, smoothing, weights)(LOGITS, LABELS), each.sum() / COUNT)
    close(Loss(False, smoothing, weights)(LOGITS, F.one_hot(LABELS, CLASSES)), each.sum() / COUNT)


@given(smoothing=SMOOTHINGS, weights=WEIGHTED)
def test_binary_cross_entropy_by_its_formula(smoothing, weights):
    there = MANY.double() * (1 - smoothing) + smoothing / 2
    p = LOGITS.sigmoid()
    each = -there * p.log() * (1 if weights is None else weights) - (1 - there) * (1 - p).log()
    close(Loss(True, smoothing, weights)(LOGITS, MANY), each.mean())


def test_a_class_with_twice_the_weight_counts_twice():
    one = Loss(False)(LOGITS[:1], LABELS[:1])
    twice = torch.ones(CLASSES, dtype=torch.float64)
    twice[LABELS[0]] = 2
    close(Loss(False, weights=twice)(LOGITS[:1], LABELS[:1]), 2 * one)  # PyTorch's mean would be the same as without


@settings(max_examples=40)
@given(smoothing=SMOOTHINGS, weights=WEIGHTED, labelled=LABELLED, cuts=st.sets(st.integers(1, COUNT - 1)))
def test_the_losses_of_parts_add_up_and_so_do_their_gradients(smoothing, weights, labelled, cuts):
    several, labels = labelled
    loss = Loss(several, smoothing, weights)
    whole = LOGITS.clone().requires_grad_()
    loss(whole, labels).backward()
    parts, total = LOGITS.clone().requires_grad_(), 0.0
    edges = [0, *sorted(cuts), COUNT]
    for start, stop in pairwise(edges):
        part = loss(parts[start:stop], labels[start:stop]) * (stop - start) / COUNT
        part.backward()
        total += part.item()
    close(total, loss(LOGITS, labels).item())
    assert whole.grad is not None
    assert parts.grad is not None
    close(parts.grad, whole.grad)


@given(labelled=LABELLED)
def test_each_side_head_weighs_three_tenths(labelled):
    several, labels = labelled
    loss = Loss(several)
    first, second = LOGITS.flip(0), LOGITS.flip(1)
    whole = loss((LOGITS, first, second), labels)
    close(whole, loss(LOGITS, labels) + 0.3 * loss(first, labels) + 0.3 * loss(second, labels))
    close(loss((LOGITS,), labels), loss(LOGITS, labels))


@pytest.mark.parametrize(("several", "labels"), [(False, LABELS), (False, SHARES), (True, MANY)])
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32])
def test_it_is_computed_in_float32_whatever_comes(several, labels, kind):
    logits = LOGITS.to(kind)
    expected = Loss(several, 0.1, WEIGHTS)(logits.double(), labels)
    assert expected.dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        loss = Loss(several, 0.1, WEIGHTS)(logits, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=0)


def test_large_logits_do_not_overflow():
    close(Loss(False)(torch.tensor([[1e4, -1e4]]), torch.tensor([1])), 2e4)
    close(Loss(True)(torch.tensor([[1e4, -1e4]]), torch.tensor([[0.0, 1.0]])), 1e4)
    close(Loss(True)(torch.zeros(2, 3), torch.zeros(2, 3)), torch.tensor(log(2)))


def test_labels_of_another_shape_are_refused():
    with pytest.raises(StriateError, match=r"have the shape \(12, 5\), but \(12,\)"):
        Loss(True)(LOGITS, LABELS)
    with pytest.raises(StriateError, match=r"have the shape \(5, 5\), but \(5,\)"):  # which would even broadcast
        Loss(True)(LOGITS[:5], torch.ones(5))
    with pytest.raises(StriateError, match=r"have the shape \(12,\) or \(12, 5\), but \(12, 4\)"):
        Loss(False)(LOGITS, SHARES[:, 1:])
