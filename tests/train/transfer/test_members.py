"""Several heads from the same features."""

import numpy as np
import pytest
from made_features import clouds, lone

from striate.errors import DataError
from striate.train.transfer.logistic import probabilities
from striate.train.transfer.members import averaged, members
from striate.train.transfer.solve import solve


def test_members_differ_and_their_mean_is_of_probabilities():
    features, labels = clouds(views=2)
    heads = members(features, labels, 3, 10.0, 4, lone(120))
    assert len({head.weight.tobytes() for head in heads}) == 4
    again = members(features, labels, 3, 10.0, 4, lone(120))
    assert all(np.array_equal(one.weight, other.weight) for one, other in zip(heads, again, strict=True))
    told = averaged(heads, features[:, 0], several=False)
    np.testing.assert_allclose(told.sum(1), 1)
    np.testing.assert_allclose(
        told[5], np.mean([probabilities(head.scores(features[5:6, 0]), False)[0] for head in heads], 0)
    )
    assert (told.argmax(1) == labels).mean() > 0.9


def test_one_member_is_the_head():
    features, labels = clouds()
    (head,) = members(features, labels, 3, 10.0, 1, lone(120))
    assert np.array_equal(head.weight, solve(features, labels, 3, 10.0).weight)
    with pytest.raises(DataError, match="at least 1 member, but 0"):
        members(features, labels, 3, 10.0, 0, lone(120))


def test_every_class_keeps_its_weight():
    """With features that say nothing, a head knows how frequent the classes are: all members agree on that."""
    labels = np.repeat([0, 1], [90, 10])
    for head in members(np.ones((100, 2)), labels, 2, 1.0, 3, lone(100)):
        assert probabilities(head.scores(np.ones((1, 2))), False)[0, 1] == pytest.approx(0.1, abs=1e-5)


def test_members_of_several_labels():
    features, labels = clouds(60)
    several = np.eye(3, dtype=int)[labels]
    told = averaged(members(features, several, 3, 10.0, 2, lone(60)), features[:, 0], several=True)
    assert ((told > 0.5) == several).mean() > 0.9


def test_copies_share_their_weight():
    """A picture twice in one group is a picture that counts twice: the copies never differ."""
    features, labels = clouds(60)
    copies = np.concatenate([np.arange(60), np.arange(60)])
    groups = np.array([f"group {place % 60}" for place in range(120)])
    twice = members(features[copies], labels[copies], 3, 20.0, 2, groups)
    once = members(features, labels, 3, 10.0, 2, np.array([f"group {place}" for place in range(60)]))
    np.testing.assert_allclose(twice[1].weight, once[1].weight, atol=1e-4)
