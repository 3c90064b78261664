"""How good, how much better, and how sure of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_features import clouds, lone
from scipy.stats import binomtest

from striate.errors import DataError
from striate.train.learn.tally import wilson
from striate.train.transfer.compare import compare, repeated


def test_repeated_cross_validation_knows_how_good_a_head_is():
    features, labels = clouds(240, apart=0.45)
    others, theirs = clouds(3000, apart=0.45)
    found = repeated(features, labels, ["a", "b", "c"], lone(240), 30.0, repeats=3)
    assert found.probabilities.shape == (3, 240, 3)
    assert found.low < found.accuracy < found.high
    assert (found.low, found.high) == wilson(round(found.right.sum()), 240)
    assert 0.5 < found.accuracy < 0.97
    assert not np.array_equal(found.probabilities[0], found.probabilities[1])
    assert len(others) == len(theirs)


def table(answers: np.ndarray) -> np.ndarray:
    return np.eye(2)[answers]


@given(better=st.integers(0, 30), worse=st.integers(0, 30))
def test_only_the_uneven_count(better, worse):
    labels = np.zeros(100, int)
    first, second = np.zeros(100, int), np.zeros(100, int)
    second[:better] = 1
    first[better : better + worse] = 1
    found, turned = compare(table(first), table(second), labels), compare(table(second), table(first), labels)
    assert (found.better, found.worse) == (better, worse)
    assert found.difference == pytest.approx((better - worse) / 100)
    assert found.low - 1e-9 <= found.difference <= found.high + 1e-9
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    assert found.significantly_better == (found.low > 0)
    oracle = binomtest(better, max(1, better + worse))
    if better + worse:
        bounds = oracle.proportion_ci(0.95, method="exact")
        assert found.chance == pytest.approx(oracle.pvalue)
        assert found.low == pytest.approx((2 * bounds.low - 1) * (better + worse) / 100)
        assert found.high == pytest.approx((2 * bounds.high - 1) * (better + worse) / 100)
    # the interval excludes 0 exactly where the two-sided test is beyond chance
    assert found.significantly_better == (better > worse and found.chance < 0.05)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    draw, held = np.random.default_rng(0), 0
    for _ in range(300):
        first, second = draw.random(200) < 0.80, draw.random(200) < 0.85
        found = compare(table(1 - first), table(1 - second), np.zeros(200, int))
        held += found.low <= -0.05 <= found.high
    assert held / 300 > 0.93


def test_several_labels_are_compared_one_by_one():
    labels = np.array([[1, 0], [0, 1]])
    found = compare(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.9, 0.8], [0.4, 0.3]]), labels)
    assert (found.better, found.worse, found.difference) == (2, 0, 0.5)


def test_other_pictures_are_no_comparison():
    with pytest.raises(DataError, match="the same pictures twice"):
        compare(np.zeros((3, 2)), np.zeros((4, 2)), np.zeros(3, int))
