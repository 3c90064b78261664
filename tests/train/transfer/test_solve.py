"""Heads are those that scikit-learn finds, on whatever features."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_features import clouds
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as Reference
from torch import nn

from striate.errors import DataError
from striate.train.transfer import solve as module
from striate.train.transfer.axes import Linear, axes_of
from striate.train.transfer.logistic import probabilities
from striate.train.transfer.ridge import Ridge, sureness
from striate.train.transfer.solve import by_ridge, solve


def standardised(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
    spread = flat.std(0)
    return (flat - flat.mean(0)) / spread, flat.mean(0), spread


def reference(features, labels, strength, weights=None) -> np.ndarray:
    """scikit-learn's logits of the plain views, by the same objective."""
    views = features.shape[1]
    rows, *_ = standardised(features)
    shares = np.repeat(np.ones(len(labels)) if weights is None else weights, views) / views
    fitted = LogisticRegression(C=1 / strength, solver="newton-cholesky", tol=1e-12)
    fitted.fit(rows, np.repeat(labels, views), sample_weight=shares)
    return fitted.decision_function(rows[::views])


@settings(max_examples=20, deadline=None)
@given(
    pictures=st.integers(20, 80),
    width=st.integers(1, 90),
    views=st.integers(1, 3),
    power=st.integers(0, 3),
    weighted=st.booleans(),
)
def test_heads_are_scikit_learns(pictures, width, views, power, weighted):
    features, labels = clouds(pictures, width, 3, views)
    weights = np.random.default_rng(pictures).uniform(0, 3, pictures) if weighted else None
    head = solve(features, labels, 3, 10.0**power, weights)
    expected = reference(features, labels, 10.0**power, weights)
    scores = head.scores(features[:, 0].astype(np.float64))
    scores = scores - scores.mean(1, keepdims=True)  # what all classes share means nothing
    np.testing.assert_allclose(scores, expected - expected.mean(1, keepdims=True), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("width", [10, 100])
def test_several_labels_are_a_question_each(width):
    features, _ = clouds(60, width)
    labels = (np.random.default_rng(1).random((60, 4)) < 0.4).astype(np.int64)
    head = solve(features, labels, 4, 2.0)
    rows, mean, spread = standardised(features)
    for place in range(4):
        fitted = LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-12).fit(rows, labels[:, place])
        np.testing.assert_allclose(head.weight[place] * spread, fitted.coef_[0], atol=1e-5)
        bias = head.bias[place] + head.weight[place] @ mean
        assert bias == pytest.approx(fitted.intercept_[0], abs=1e-5)


def test_the_head_is_an_ordinary_layer():
    features, labels = clouds()
    head = solve(features, labels, 3, 10.0)
    layer = nn.Linear(30, 3)
    layer.load_state_dict({"weight": torch.tensor(head.weight), "bias": torch.tensor(head.bias)})
    given_ = layer(torch.tensor(features[:, 0])).softmax(1).detach().numpy()
    np.testing.assert_allclose(given_, probabilities(head.scores(features[:, 0]), False), atol=1e-5)
    assert (given_.argmax(1) == labels).mean() > 0.9


def test_where_it_begins_changes_nothing_and_it_ends_the_same_each_time():
    features, labels = clouds(views=2)
    first = solve(features, labels, 3, 1.0)
    again = solve(features, labels, 3, 1.0)
    assert np.array_equal(first.weight, again.weight)
    elsewhere = Linear(np.random.default_rng(0).normal(size=(3, 30)), np.array([3.0, -1.0, 0.0]))
    begun = solve(features, labels, 3, 1.0, start=elsewhere)
    plain = features[:, 0].astype(np.float64)
    np.testing.assert_allclose(
        probabilities(begun.scores(plain), False), probabilities(first.scores(plain), False), atol=1e-6
    )


def test_a_picture_that_weighs_two_is_two_pictures():
    features, labels = clouds(60)
    axes = axes_of(features)
    twice = np.append(np.arange(60), 5)
    weights = np.ones(60)
    weights[5] = 2
    weighted, doubled = solve(axes, labels, 3, 5.0, weights), solve(axes.part(twice), labels[twice], 3, 5.0)
    np.testing.assert_allclose(weighted.weight, doubled.weight, atol=1e-5)


def test_half_precision_on_disk_is_features_too(tmp_path):
    features, labels = clouds(views=2)
    np.save(tmp_path / "kept.npy", features.astype(np.float16))
    kept = np.load(tmp_path / "kept.npy", mmap_mode="r")
    before = (tmp_path / "kept.npy").read_bytes()
    head = solve(kept, labels, 3, 10.0)
    assert type(head.weight) is np.ndarray
    assert head.weight.dtype == np.float64
    exact = solve(features, labels, 3, 10.0).scores(features[:, 0])
    np.testing.assert_allclose(head.scores(features[:, 0]), exact, atol=0.02)
    assert (tmp_path / "kept.npy").read_bytes() == before


def test_constant_features_get_no_weight():
    features, labels = clouds()
    features[:, :, 3], features[:, :, 7] = 0, 0.1
    head = solve(features, labels, 3, 1.0)
    assert not head.weight[:, [3, 7]].any()
    assert np.isfinite(head.weight).all()
    flat = solve(np.ones((10, 4)), np.arange(10) % 2, 2, 1.0)
    np.testing.assert_allclose(flat.scores(np.ones((1, 4))), 0, atol=1e-6)


@pytest.mark.parametrize("many", [False, True], ids=["logistic", "ridge"])
def test_a_class_without_pictures_is_never_named(many, monkeypatch):
    monkeypatch.setattr(module, "MANY", 2 if many else 300)
    features, labels = clouds()
    head = solve(features, labels, 5, 1.0)  # classes 3 and 4 have none
    other = np.random.default_rng(0).normal(size=(500, 30)) * 30
    assert head.scores(other).argmax(1).max() <= 2
    alone = solve(features, np.zeros(len(labels), int), 1, 1.0)
    assert np.isfinite(alone.bias).all()


def test_a_label_that_all_have_or_none_is_a_constant():
    features, labels = clouds(40)
    several = np.column_stack([labels == 0, np.ones(40), np.zeros(40)]).astype(int)
    head = solve(features, several, 3, 1.0)
    assert not head.weight[1:].any()
    told = probabilities(head.bias[None], True)[0]
    assert told[1] == pytest.approx(40.5 / 41)
    assert told[2] == pytest.approx(0.5 / 41)


@pytest.mark.parametrize("width", [12, 90])
def test_ridge_is_scikit_learns_and_one_decomposition_serves_all_strengths(width):
    features, labels = clouds(50, width, 4)
    rows, targets = standardised(features)[0], np.eye(4)[labels]
    weights = np.random.default_rng(0).uniform(0.5, 2, 50)
    ridge = Ridge(rows[:, None], targets, weights)
    for strength in (0.1, 1.0, 30.0):
        fitted = Reference(alpha=strength).fit(rows, 2 * targets - 1, sample_weight=weights)
        head = ridge.head(strength)
        np.testing.assert_allclose(head.weight, fitted.coef_, atol=1e-8)
        np.testing.assert_allclose(head.bias, fitted.intercept_, atol=1e-8)


def test_pictures_are_left_out_with_all_their_views_without_fitting_again():
    features, labels = clouds(24, 8, 3, views=2)
    rows, targets = standardised(features)[0].reshape(24, 2, 8), np.eye(3)[labels]
    weights = np.random.default_rng(0).uniform(0.5, 2, 24)
    quick = Ridge(rows, targets, weights).left_out(3.0)
    for place in range(24):
        rest = np.arange(24) != place
        head = Ridge(rows[rest], targets[rest], weights[rest]).head(3.0)
        np.testing.assert_allclose(quick[place], head.scores(rows[place, 0]), atol=1e-8)


def test_ridge_says_how_sure_it_is(monkeypatch):
    monkeypatch.setattr(module, "MANY", 2)
    features, labels = clouds(2400, 20, 6, apart=0.6)
    learn, held = np.arange(600), np.arange(600, 2400)
    head = solve(features[learn], labels[learn], 6, 30.0)
    told = probabilities(head.scores(features[held, 0]), False)
    sure, right = told.max(1), told.argmax(1) == labels[held]
    assert 0.4 < right.mean() < 0.95
    assert sure.mean() == pytest.approx(right.mean(), abs=0.05)  # raw scores of −1 to 1 would claim much less


def test_sureness_has_the_least_loss():
    scores, targets = np.array([[1.0, -1.0]] * 4), np.eye(2)[[0, 0, 0, 1]]
    assert 2 * sureness(scores, targets, False) == pytest.approx(np.log(3), abs=1e-3)  # three of four


def test_ridge_stands_in_for_very_many():
    axes = axes_of(np.random.default_rng(0).normal(size=(40, 5)))
    assert not by_ridge(axes, 300)
    assert by_ridge(axes, 301)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"strength": 0.0}, "above 0"),
        ({"strength": float("nan")}, "above 0"),
        ({"weights": np.zeros(120)}, "not all 0"),
        ({"weights": np.ones(7)}, "one for each picture"),
        ({"labels": np.zeros(7, int)}, "a row for each of the features"),
        ({"labels": np.full(120, 3)}, "from 0 to 2, but 3 is there"),
        ({"labels": np.full(120, -1)}, "from 0 to 2, but -1 is there"),
        ({"features": np.zeros((120, 0))}, "at least 1"),
        ({"features": np.full((120, 2, 3), np.inf, np.float16)}, "picture 0 are not"),
    ],
    ids=["zero", "nan", "weightless", "few weights", "few labels", "label 3", "label -1", "none", "infinite"],
)
def test_what_makes_no_sense_is_refused(change, sentence):
    features, labels = clouds()
    given_ = {"features": features, "labels": labels, "classes": 3, "strength": 1.0} | change
    with pytest.raises(DataError, match=sentence):
        solve(**given_)
