"""Figures beside scikit-learn's, and their intervals beside what other pictures would give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from striate.evaluate import figures
from striate.evaluate.figures import RANKED, areas, drawn_areas, headline, means, ranked


def drawn(seed: int, count: int = 60, classes: int = 4, sharp: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that know something, of few different values so that some are equal; and labels, the first class rare."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count) % random.integers(1, classes + 1, count)
    scores = np.round(random.normal(size=(count, classes)) + sharp * np.eye(classes)[labels], 1)
    return scores, labels


@given(some.integers(0, 10**6), some.integers(2, 60), some.integers(2, 5))
def test_means_over_classes_are_those_of_scikit_learn(seed, count, classes):
    scores, labels = drawn(seed, count, classes)
    said = scores.argmax(1)
    there = np.unique(labels)
    expected = [
        score(labels, said, labels=there, average="macro", zero_division=0)
        for score in (recall_score, precision_score, f1_score)
    ]
    assert np.allclose(means(labels, said, np.ones((1, count)), classes)[0], expected)


@given(some.integers(0, 10**6), some.integers(2, 60))
def test_areas_of_a_class_are_those_of_scikit_learn_whatever_is_equal(seed, count):
    scores, labels = drawn(seed, count, 2)
    there = labels == 1
    if there.all() or not there.any():
        return
    weights = np.random.default_rng(seed).integers(0, 3, (3, count))
    weights[0] = 1
    found = ranked(scores[:, 1], there, weights)
    assert np.isclose(found[0, 0], average_precision_score(there, scores[:, 1]))
    assert np.isclose(found[1, 0], roc_auc_score(there, scores[:, 1]))
    for row in (1, 2):  # a weight of 2 is the picture twice
        again = np.repeat(np.arange(count), weights[row])
        if 0 < there[again].sum() < len(again):
            assert np.isclose(found[0, row], average_precision_score(there[again], scores[again, 1]))
            assert np.isclose(found[1, row], roc_auc_score(there[again], scores[again, 1]))
        else:
            assert np.isnan(found[:, row]).any()


def test_intervals_hold_what_other_pictures_give():
    """Of a hundred sets of pictures of the same kind, the intervals of nearly all hold the mean of a very large one."""
    scores, labels = drawn(7, 30_000)
    truth = {figure.name: figure.value for figure in headline(scores, labels)}
    held = dict.fromkeys(truth, 0)
    for part in np.array_split(np.arange(len(labels)), 100):
        for figure in headline(scores[part], labels[part]):
            if figure.low is not None and figure.high is not None:
                held[figure.name] += figure.low <= truth[figure.name] <= figure.high
    held.pop("loss")
    assert len(held) == 6
    assert all(count >= 88 for count in held.values()), held


def test_a_class_without_pictures_counts_for_nothing_and_one_that_is_never_named_counts_as_0():
    labels, said = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0])
    recall, precision, f1 = means(labels, said, np.ones((1, 4)), 3)[0]
    assert (recall, precision) == (0.5, 0.25)
    assert np.isclose(f1, (2 * 2 / 6) / 2)


def test_several_labels_have_average_precision_and_no_share_of_right_pictures():
    random = np.random.default_rng(1)
    labels = (random.random((80, 3)) < 0.4).astype(np.float32)
    scores = random.normal(size=(80, 3)) + labels
    found = {figure.name: figure for figure in headline(scores, labels)}
    assert list(found) == ["mean average precision", "area under ROC, mean of classes", "loss"]
    assert np.isclose(found["mean average precision"].value, average_precision_score(labels, scores, average="macro"))
    assert np.isclose(found["area under ROC, mean of classes"].value, roc_auc_score(labels, scores, average="macro"))


def test_draws_of_one_class_alone_are_left_out():
    scores = np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    found = drawn_areas(scores, np.array([0, 1, 0]))  # in 9 draws of 27 all are of one class
    assert found[:, 0].tolist() == [1.0, 1.0]
    assert 100 < found.shape[1] < 1 + RANKED
    assert not np.isnan(found).any()


def test_what_cannot_be_ranked_has_no_area(monkeypatch):
    scores = np.random.default_rng(0).normal(size=(6, 2))
    assert areas(scores, np.zeros(6, int)) == []  # one class only: nothing stands above anything
    monkeypatch.setattr(figures, "WORK", 1)
    found = areas(scores, np.array([0, 1, 0, 1, 0, 1]))
    assert [figure.low for figure in found] == [None, None]


@pytest.mark.parametrize("classes", [9, 10])
def test_the_first_five_are_told_where_there_are_ten_classes(classes):
    scores, labels = drawn(3, 50, classes)
    names = [figure.name for figure in headline(scores, labels)]
    assert ("among the first five" in names) == (classes == 10)
