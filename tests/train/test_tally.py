"""Figures of answers against scikit-learn's, however the pictures come in batches."""

import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, log_loss, top_k_accuracy_score

from striate.errors import DataError, WeightsError
from striate.train.learn.loss import Loss
from striate.train.learn.tally import Tally, figures_of, mean_average_precision, wilson


def pictures(seed: int, count: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits (count, classes) with something of the labels (count,) in them; some classes may not occur."""
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=count)
    return random.normal(size=(count, classes)) + 1.5 * np.eye(classes)[labels], labels


def counted(tally: Tally, scores: np.ndarray, labels: np.ndarray, cuts=()) -> Tally:
    for part in np.split(np.arange(len(labels)), sorted(cuts)):
        logits, right = torch.from_numpy(scores[part]).float(), torch.from_numpy(labels[part])
        tally.add(Loss(tally.several)(logits, right), logits, right)
    return tally


SETS = st.tuples(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([2, 9, 10, 14]))


@given(of=SETS, cuts=st.sets(st.integers(1, 39)))
def test_batches_give_the_figures_of_the_whole(of, cuts):
    scores, labels = pictures(*of)
    scores = scores.astype(np.float32)
    cuts = {cut for cut in cuts if cut < len(labels)}
    tally = counted(Tally(of[2], False, "cpu"), scores, labels, cuts)
    ours, whole = tally.figures(), figures_of(scores, labels, False)
    assert list(ours) == list(whole) == ["loss", "top1", *(["top5"] if of[2] >= 10 else []), "per_class"]
    assert ours.pop("loss") == pytest.approx(whole.pop("loss"), rel=1e-6)
    assert ours == whole


@given(of=SETS)
def test_figures_are_those_of_scikit_learn(of):
    scores, labels = pictures(*of)
    told, names = figures_of(scores, labels, False), np.arange(of[2])
    chances = torch.from_numpy(scores).softmax(1).numpy()
    assert told["loss"] == pytest.approx(log_loss(labels, chances, labels=names))
    assert told["top1"] == (scores.argmax(1) == labels).mean()
    if of[2] >= 10:
        assert told["top5"] == pytest.approx(top_k_accuracy_score(labels, scores, k=5, labels=names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that are answered, but do not occur
        assert told["per_class"] == pytest.approx(balanced_accuracy_score(labels, scores.argmax(1)))


@settings(max_examples=30)
@given(cuts=st.sets(st.integers(1, 39)), seed=st.integers(0, 1000))
def test_several_labels_are_counted_alike(cuts, seed):
    random = np.random.default_rng(seed)
    scores, labels = random.normal(size=(40, 6)), (random.random((40, 6)) < 0.3).astype(np.float32)
    whole = figures_of(scores, labels, True)
    assert list(whole) == ["loss", "mean_average_precision"]
    ours = counted(Tally(6, True, "cpu"), scores, labels, cuts).figures()
    assert ours == {"loss": pytest.approx(whole["loss"], rel=1e-6)}


def test_more_pictures_than_are_computed_at_a_time():
    scores, labels = pictures(0, 5000, 3)
    assert figures_of(scores, labels, False)["top1"] == (scores.argmax(1) == labels).mean()


def test_of_equal_scores_the_first_wins_as_for_argmax():
    scores = np.random.default_rng(0).integers(0, 3, (200, 12)).astype(float)
    labels = np.random.default_rng(1).integers(0, 12, 200)
    order = np.argsort(-scores, axis=1, kind="stable")
    told = figures_of(scores, labels, False)
    assert told["top1"] == (scores.argmax(1) == labels).mean()
    assert told["top5"] == (order[:, :5] == labels[:, None]).any(1).mean()


def test_what_is_not_a_number_is_wrong():
    nan, inf = float("nan"), float("inf")
    scores = torch.tensor([[nan, nan, nan], [nan, 1, 0], [0, nan, 1], [-inf, inf, 0]])
    scores = torch.cat([scores, torch.zeros(4, 7) - 9], dim=1)  # 10 classes, so that top5 is counted
    tally = Tally(10, False, "cpu")
    tally.add(torch.tensor(1.0), scores, torch.tensor([0, 1, 2, 1]))
    assert tally.figures() == {"loss": 1.0, "top1": 0.25, "top5": 0.25, "per_class": 0.5 / 3}


def test_losses_alone_and_nothing_at_all():
    tally = Tally(12, False, "cpu")
    assert tally.figures() == {}
    tally.add_loss(torch.tensor(1.0), 3)
    tally.add_loss(torch.tensor(2.0, requires_grad=True), 1)
    assert tally.figures() == {"loss": 1.25}
    counted(tally, *pictures(0, 4, 12))
    assert "top5" in tally.figures()
    tally.reset()
    assert tally.figures() == {}


def test_a_tally_goes_on_from_a_file_and_adds_up_over_processes():
    scores, labels = pictures(3, 30, 12)
    whole = counted(Tally(12, False, "cpu"), scores, labels, [10, 20])
    first = counted(Tally(12, False, "cpu"), scores[:20], labels[:20], [10])
    kept = first.tensors()
    counted(first, scores[20:], labels[20:])  # what was kept stays as it was
    resumed = counted(Tally(12, False, "cpu"), scores, labels)
    resumed.load(kept)
    counted(resumed, scores[20:], labels[20:])
    for name, value in whole.tensors().items():
        assert torch.equal(value, first.tensors()[name])
        assert torch.equal(value, resumed.tensors()[name])
        assert value.dtype in (torch.float64, torch.int64)
    rest = counted(Tally(12, False, "cpu"), scores[20:], labels[20:]).tensors()
    resumed.load({name: value + rest[name] for name, value in kept.items()})
    assert resumed.figures() == whole.figures()
    with pytest.raises(WeightsError, match=r"of 3 classes .* labels of \(12,\)"):
        Tally(3, False, "cpu").load(kept)


@pytest.mark.parametrize("waiting", [1, 250, 10**6])
def test_how_many_scores_wait_changes_nothing(waiting, monkeypatch):
    monkeypatch.setattr(sys.modules[Tally.__module__], "WAITING", waiting)
    scores, labels = pictures(5, 60, 12)
    sums = counted(Tally(12, False, "cpu"), scores, labels, [7, 20, 21, 50]).tensors()
    first, fifth = (np.argsort(-scores, axis=1)[:, :most] == labels[:, None] for most in (1, 5))
    assert int(sums["pictures"]) == 60
    assert sums["labels"].tolist() == np.bincount(labels, minlength=12).tolist()
    assert sums["first"].tolist() == np.bincount(labels[first.any(1)], minlength=12).tolist()
    assert sums["five"].tolist() == np.bincount(labels[fifth.any(1)], minlength=12).tolist()


def test_average_precision_by_hand():
    # right, wrong, right in this order: precision 1 and 2/3 where recall grows by a half each
    assert mean_average_precision(np.array([[3.0], [2], [1]]), np.array([[1], [0], [1]])) == pytest.approx(5 / 6)
    # a right and a wrong one with the same score come together
    assert mean_average_precision(np.array([[2.0], [2], [1]]), np.array([[1], [0], [1]])) == pytest.approx(
        1 / 4 + 1 / 3
    )
    # what is not a number is the last of the right ones, and the first of the wrong ones
    nan, inf = float("nan"), float("inf")
    assert mean_average_precision(np.array([[nan], [2], [1]]), np.array([[1], [0], [0]])) == pytest.approx(1 / 3)
    assert mean_average_precision(np.array([[3.0], [nan], [-inf]]), np.array([[1], [0], [0]])) == pytest.approx(1 / 2)
    assert mean_average_precision(np.array([[inf], [2], [-inf]]), np.array([[1], [0], [1]])) == pytest.approx(5 / 6)


@given(seed=st.integers(0, 10_000), count=st.integers(1, 30), ties=st.booleans())
def test_mean_average_precision_is_over_the_classes_that_occur(seed, count, ties):
    random = np.random.default_rng(seed)
    scores = random.normal(size=(count, 4)).round(0 if ties else 9)
    labels = random.integers(0, 2, (count, 4))
    labels[:, 1] = 0
    labels[0, 3] = 1
    there = labels.any(axis=0)
    expected = average_precision_score(labels[:, there], scores[:, there], average="macro")
    assert mean_average_precision(scores, labels) == pytest.approx(expected)


def test_average_precision_without_any_label_is_refused():
    with pytest.raises(DataError, match="needs a picture with a label, but none of 3 has one"):
        mean_average_precision(np.zeros((3, 2)), np.zeros((3, 2)))


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # table I of Newcombe, Statistics in Medicine 17 (1998), method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_as_published(right, count, low, high):
    assert wilson(right, count) == pytest.approx((low, high), abs=5e-5)


@given(count=st.integers(1, 100_000), share=st.floats(0, 1))
def test_wilsons_interval_holds_the_estimate_and_is_symmetric(count, share):
    right = round(share * count)
    low, high = wilson(right, count)
    assert 0 <= low <= right / count <= high <= 1
    assert low < high
    assert wilson(count - right, count) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    theirs = binomtest(right, count).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilsons_interval_of_nothing_is_everything():
    assert wilson(0, 0) == (0, 1)
