"""Labels that were swapped are found, and few others."""

import numpy as np
import pytest
from made_features import clouds, lone

from striate.errors import DataError
from striate.train.transfer.doubts import doubts
from striate.train.transfer.folds import Folds, fold, out_of_fold

NAMES = ["cat", "dog", "owl"]


def doubted(features, labels, names=NAMES):
    pictures = [f"{place}.jpg" for place in range(len(labels))]
    folds = fold(labels, lone(len(labels)), names)
    return doubts(pictures, labels, out_of_fold(features, labels, len(names), folds, 30.0), names, folds)


def test_swapped_labels_stand_at_the_top():
    features, labels = clouds(300, apart=1.5)
    swapped = np.random.default_rng(0).choice(300, 15, replace=False)
    wrong = labels.copy()
    wrong[swapped] = (labels[swapped] + 1) % 3
    rows = doubted(features, wrong).rows
    top = [int(row["name"].removesuffix(".jpg")) for row in rows[:15]]
    assert len(set(top) & set(swapped.tolist())) >= 14
    every = {int(row["name"].removesuffix(".jpg")): row for row in rows}
    found = set(swapped.tolist()) & set(every)
    assert len(found) >= 14
    assert len(every) <= 20
    for place in found:
        assert every[place]["label"] == NAMES[wrong[place]]
        assert every[place]["suggested"] == NAMES[labels[place]]
        assert every[place]["other"] > every[place]["given"]


def test_without_swaps_there_are_few():
    features, labels = clouds(300, apart=1.0)
    table = doubted(features, labels)
    assert 1 <= len(table.rows) <= 9
    assert f"{len(table.rows)} of 300 labels may be worth a look; a label here may well be right" in table.notes


def test_nobody_is_accused_by_a_class_that_is_never_learned():
    features, labels = clouds(61, apart=1.5)
    labels[60] = 3
    table = doubted(features, labels, [*NAMES, "elk"])
    assert "60.jpg" not in {row["name"] for row in table.rows}
    assert "elk" not in {row["suggested"] for row in table.rows}
    assert "not judged: 1 class with a single picture" in table.notes[1]


def test_what_is_usual_differs_between_classes():
    """A class that is never sure is no reason to doubt its pictures."""
    labels = np.array([0] * 10 + [1] * 10)
    told = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)  # pictures of class 1 usually get 0.4, so nobody wonders
    folds = Folds(np.arange(20) % 2)
    assert not doubts([str(place) for place in range(20)], labels, told, NAMES[:2], folds).rows
    told[15] = 0.95, 0.05  # but this one looks like class 0 more than those of class 0 do
    (row,) = doubts([str(place) for place in range(20)], labels, told, NAMES[:2], folds).rows
    assert (row["name"], row["label"], row["suggested"]) == ("15", "dog", "cat")


def test_several_labels_are_doubted_one_by_one():
    features, labels = clouds(300, apart=1.5)
    true = np.eye(3, dtype=int)[labels]
    wrong = true.copy()
    wrong[7, labels[7]], wrong[8, (labels[8] + 1) % 3] = 0, 1
    rows = doubted(features, wrong).rows
    found = {(row["name"], row["label"]): row["suggested"] for row in rows[:4]}
    assert found[("7.jpg", f"no {NAMES[labels[7]]}")] == NAMES[labels[7]]
    assert found[("8.jpg", NAMES[(labels[8] + 1) % 3])] == f"no {NAMES[(labels[8] + 1) % 3]}"


def test_tables_of_other_pictures_are_refused():
    with pytest.raises(DataError, match="of the same pictures"):
        doubts(["a"], np.zeros(2, int), np.zeros((2, 2)), NAMES[:2], Folds(np.array([0, 1])))
