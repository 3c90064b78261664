"""How sure a network may be, on answers whose chances are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.special import softmax

from striate.evaluate.calibration import COLDEST, answers, calibration, reliability, temperature


def honest(seed: int, count: int = 4000, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose probabilities are true: labels are drawn from them."""
    random = np.random.default_rng(seed)
    scores = 2 * random.normal(size=(count, classes))
    labels = (softmax(scores, axis=1).cumsum(1) < random.random((count, 1))).sum(1)
    return scores, np.minimum(labels, classes - 1)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_temperature_of_scores_that_are_too_large_is_found(factor):
    scores, labels = honest(1)
    found = calibration(factor * scores, labels)
    assert found.temperature == pytest.approx(factor, rel=0.06)
    assert found.error_after < 0.025
    assert (found.error > 0.05) == (factor != 1)
    assert ("too sure" in found.sentence) == (found.temperature > 1)


@given(some.integers(0, 10**6), some.floats(0.2, 5))
def test_no_other_temperature_has_a_smaller_loss(seed, factor):
    scores, labels = honest(seed, 50, 3)
    best = temperature(factor * scores, labels)

    def loss(heat: float) -> float:
        return float(-np.log(softmax(factor * scores / heat, axis=1)[np.arange(len(labels)), labels] + 1e-300).mean())

    assert all(loss(best) <= loss(best * other) + 1e-9 for other in (0.5, 0.9, 0.99, 1.01, 1.1, 2))


def test_what_is_all_right_gets_the_coldest_and_one_picture_is_no_mistake():
    scores = np.eye(3)
    assert temperature(scores, np.arange(3)) == COLDEST
    found = calibration(scores[:1], np.array([0]))
    assert np.isnan(found.error_after)
    assert len(found.bins) == 1


def test_several_labels_are_an_answer_each():
    random = np.random.default_rng(2)
    scores = 3 * random.normal(size=(3000, 4))
    labels = (random.random(scores.shape) < 1 / (1 + np.exp(-scores))).astype(np.float32)
    assert calibration(2 * scores, labels).temperature == pytest.approx(2, rel=0.08)
    sure, right = answers(scores, labels)
    assert len(sure) == len(right) == 12_000


@given(some.lists(some.tuples(some.floats(0, 1), some.booleans()), min_size=1, max_size=80))
def test_bins_hold_every_answer_once_from_the_least_sure_to_the_surest(told):
    sure, right = (np.array(column) for column in zip(*told, strict=True))
    bins = reliability(sure, right)
    assert sum(each.pictures for each in bins) == len(told)
    assert max(each.pictures for each in bins) - min(each.pictures for each in bins) <= 1
    assert np.isclose(sum(each.right * each.pictures for each in bins), right.sum())
    assert [each.sure for each in bins] == sorted(each.sure for each in bins)
    assert all(each.low <= each.right <= each.high for each in bins)
