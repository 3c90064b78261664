"""Folds are even, tear nothing apart, and judge by what has not been seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_features import clouds, lone

from striate.errors import DataError
from striate.train.transfer import solve as module
from striate.train.transfer.axes import axes_of
from striate.train.transfer.folds import fold, out_of_fold
from striate.train.transfer.logistic import probabilities
from striate.train.transfer.solve import solve
from striate.train.transfer.strength import choose_strength

NAMES = ["cat", "dog", "owl", "bee", "elk"]


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.integers(0, 4), min_size=2, max_size=60), number=st.integers(2, 7), seed=st.integers(0, 9))
def test_every_class_and_the_whole_is_even(labels, number, seed):
    labels = np.array(labels)
    folds = fold(labels, lone(len(labels)), NAMES, number, seed)
    assert len(folds) == min(number, len(labels))
    for place in range(5):
        counts = np.bincount(folds.numbers[labels == place], minlength=len(folds))
        assert np.ptp(counts) <= 1
    assert np.ptp(np.bincount(folds.numbers, minlength=len(folds))) <= 1
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(len(labels)))
    assert np.array_equal(fold(labels, lone(len(labels)), NAMES, number, seed).numbers, folds.numbers)


@settings(max_examples=60, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["", "a", "b", "c", "d", "e"])), min_size=2, max_size=60
    ),
    seed=st.integers(0, 9),
)
def test_groups_stay_whole(pairs, seed):
    labels, groups = (np.array(column) for column in zip(*pairs, strict=True))
    if len(set(groups[groups != ""])) + (groups == "").sum() < 2:
        with pytest.raises(DataError, match="at least 2"):
            fold(labels, groups, NAMES, 3, seed)
        return
    folds = fold(labels, groups, NAMES, 3, seed)
    for name in "abcde":
        assert len(set(folds.numbers[groups == name])) <= 1
    for learn, held in folds:
        assert len(learn)
        assert len(held)


def test_other_seeds_make_other_folds():
    labels = np.arange(100) % 5
    assert not np.array_equal(fold(labels, lone(100), NAMES).numbers, fold(labels, lone(100), NAMES, seed=1).numbers)


def test_several_labels_are_spread_each():
    labels = (np.random.default_rng(0).random((200, 5)) < [0.5, 0.3, 0.1, 0.05, 0.02]).astype(int)
    folds = fold(labels, lone(200), NAMES)
    for column in labels.T:
        counts = np.bincount(folds.numbers[column > 0], minlength=5)
        assert np.ptp(counts) <= 2


def test_what_is_scarce_is_told():
    folds = fold(np.array([0, 0, 0, 1]), lone(4), ["cat", "dog"])
    assert folds.alone == (1,)
    assert folds.notes[0] == "4 folds instead of 5: there are no more groups of pictures"
    assert "1 class with a single picture" in folds.notes[1]
    assert "(dog)" in folds.notes[1]
    copies = fold(np.array([0, 0, 0, 1, 1]), np.array(["", "", "", "x", "x"]), ["cat", "dog"])
    assert copies.alone == (1,)
    with pytest.raises(DataError, match="needs at least 2 that are not of one group, but there is 1 picture"):
        fold(np.array([0]), lone(1), ["cat"])


def test_a_single_picture_of_a_class_is_never_named_where_it_is_held_out():
    features, labels = clouds(61)
    labels[60] = 3
    folds = fold(labels, lone(61), NAMES[:4])
    told = out_of_fold(features, labels, 4, folds, 1.0)
    assert told[60].argmax() != 3
    assert told[60, 3] <= 0.5 / 48
    strength, _ = choose_strength(features, labels, 4, folds)
    assert np.isfinite(strength)


@pytest.mark.parametrize("several", [False, True])
def test_held_out_answers_are_those_of_a_head_without_the_fold(several):
    features, labels = clouds(90, views=2, apart=0.5)
    labels = np.eye(3, dtype=int)[labels] if several else labels
    folds = fold(labels, lone(90), NAMES[:3])
    told = out_of_fold(features, labels, 3, folds, 30.0)
    axes = axes_of(features)
    for learn, held in folds:
        head = solve(axes.part(learn), labels[learn], 3, 30.0)
        np.testing.assert_allclose(told[held], probabilities(head.scores(features[held, 0]), several), atol=2e-3)


def test_what_is_held_out_teaches_nothing():
    features, labels = clouds(60, 200)
    labels = np.random.default_rng(0).permutation(labels)  # there is nothing to learn, and room to learn it by heart
    folds = fold(labels, lone(60), NAMES[:3])
    assert (solve(features, labels, 3, 0.1).scores(features[:, 0]).argmax(1) == labels).all()
    assert (out_of_fold(features, labels, 3, folds, 0.1).argmax(1) == labels).mean() < 0.55


@pytest.mark.parametrize("many", [False, True], ids=["logistic", "ridge"])
def test_the_strength_suits_the_features(many, monkeypatch):
    monkeypatch.setattr(module, "MANY", 2 if many else 300)
    features, labels = clouds(300, 40, apart=1.5)
    noise = np.random.default_rng(0).permutation(labels)
    folds = fold(labels, lone(300), NAMES[:3])
    strength, table = choose_strength(features, labels, 3, folds)
    (chosen,) = [row for row in table.rows if row["chosen"]]
    assert chosen["strength"] == strength
    assert chosen["right"] > 0.9
    losses = [row["loss"] for row in table.rows]
    assert chosen["loss"] < min(losses) + 0.02
    stronger, _ = choose_strength(features, noise, 3, fold(noise, lone(300), NAMES[:3]))
    assert stronger > 3 * strength  # where features say nothing, the strongest penalty is best
    assert "5 folds" in str(table)


def test_a_choice_at_the_end_of_what_was_tried_is_told():
    features, labels = clouds(100, 40)
    noise = np.random.default_rng(0).permutation(labels)
    _, table = choose_strength(features, noise, 3, fold(noise, lone(100), NAMES[:3]))
    assert table.rows[0]["chosen"]
    assert "the strongest penalty that was tried is taken; a stronger one may be better" in table.notes


def test_the_search_ends_where_weaker_penalties_are_clearly_worse():
    features, labels = clouds(200, 400, apart=0.4)
    _, table = choose_strength(features, labels, 3, fold(labels, lone(200), NAMES[:3]))
    assert len(table.rows) < 11
    assert "were not tried" in table.notes[-1]
