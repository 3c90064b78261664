"""How good, how much better, and how sure of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_features import clouds, lone
from scipy.stats import binomtest

from striate.errors import DataError
from striate.train.learn.tally import wilson
from striate.train.transfer.compare import compare, difference, repeated


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
    if better + worse:
        assert found.chance == pytest.approx(binomtest(better, better + worse).pvalue)
    assert found.significantly_better == (better > worse and found.chance < 0.05)


@pytest.mark.parametrize(("first", "second", "alike"), [(0.9, 0.8, 0.5), (0.97, 0.5, 0.2), (0.7, 0.7, 0.9)])
def test_the_interval_of_a_difference_holds_the_truth(first, second, alike):
    random, times, count = np.random.default_rng(0), 400, 120
    held = 0
    for _ in range(times):
        luck = random.random(count)
        other = np.where(random.random(count) < alike, luck, random.random(count))
        _, low, high = difference(luck < first, other < second)
        held += low <= first - second <= high
    assert held / times >= 0.93


def test_a_difference_turns_with_its_shares_and_ends_at_one():
    mine, other = np.arange(30) < 25, np.arange(30) % 3 > 0
    value, low, high = difference(mine, other)
    assert (value, low, high) == pytest.approx([-each for each in np.array(difference(other, mine))[[0, 2, 1]]])
    all_right = np.ones(9, bool)
    assert difference(all_right, ~all_right)[2] == pytest.approx(1)


def test_several_labels_are_compared_one_by_one():
    labels = np.array([[1, 0], [0, 1]])
    found = compare(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.9, 0.8], [0.4, 0.3]]), labels)
    assert (found.better, found.worse, found.difference) == (2, 0, 0.5)


def test_other_pictures_are_no_comparison():
    with pytest.raises(DataError, match="the same pictures twice"):
        compare(np.zeros((3, 2)), np.zeros((4, 2)), np.zeros(3, int))
