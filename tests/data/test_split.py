"""The split: nothing that belongs together is torn, shares are kept, order and neighbours change nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.sources.split import held_out, joined


@st.composite
def pictures(draw, singles: bool = False):
    """Names, labels and components."""
    count = draw(st.integers(1, 60))
    numbers = draw(st.lists(st.integers(0, 10**6), min_size=count, max_size=count, unique=True))
    labels = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    parts = draw(st.lists(st.integers(0, count), min_size=count, max_size=count))
    names = [f"{number}.jpg" for number in numbers]
    return names, np.array(labels), np.arange(count) if singles else np.array(parts)


@given(pictures(), st.integers(0, 5))
def test_no_component_is_torn_and_no_class_is_held_out_whole(data, seed):
    names, labels, components = data
    held = held_out(names, labels, components, seed=seed)
    for component in np.unique(components):
        assert len(set(held[components == component])) == 1
    for label in np.unique(labels):
        assert not held[labels == label].all()


@given(pictures(singles=True), st.sampled_from([0.1, 0.2, 0.5]))
def test_of_each_class_the_nearest_possible_share_is_held_out(data, share):
    names, labels, components = data
    held = held_out(names, labels, components, share)
    for label in np.unique(labels):
        assert abs(held[labels == label].sum() - share * (labels == label).sum()) <= 0.5 + 1e-9


@given(pictures(), st.randoms(use_true_random=False), st.integers(0, 5))
def test_the_order_of_the_pictures_changes_nothing(data, random, seed):
    names, labels, components = data
    order = list(range(len(names)))
    random.shuffle(order)
    held = held_out(names, labels, components, seed=seed)
    other = held_out([names[place] for place in order], labels[order], -components[order], seed=seed)
    np.testing.assert_array_equal(other, held[order])


@given(pictures(singles=True))
def test_one_more_picture_moves_at_most_one_other(data):
    names, labels, components = data
    held = held_out(names, labels, components)
    fewer = held_out(names[:-1], labels[:-1], components[:-1])
    assert (held[:-1] != fewer).sum() <= 1


def test_another_seed_is_another_choice():
    names = [f"{number}.jpg" for number in range(100)]
    chosen = {tuple(held_out(names, np.zeros(100, int), np.arange(100), seed=seed)) for seed in range(5)}
    assert len(chosen) == 5


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 0), (2, 0), (3, 1), (5, 1), (10, 2), (1000, 200)])
def test_how_many_are_held_out(count, expected):
    names = [str(number) for number in range(count)]
    assert held_out(names, np.zeros(count, int), np.arange(count)).sum() == expected


def test_pictures_of_several_labels_and_of_none_are_stratified():
    random = np.random.default_rng(0)
    labels = (random.random((2000, 4)) < [0.5, 0.1, 0.05, 0.01]).astype(np.uint8)
    held = held_out([str(number) for number in range(2000)], labels, np.arange(2000))
    shares = labels[held].sum(0) / labels.sum(0)
    np.testing.assert_allclose(shares, 0.2, atol=0.03)
    nothing = ~labels.any(1)
    assert held[nothing].mean() == pytest.approx(0.2, abs=0.02)


def test_a_component_of_several_classes_is_not_torn():
    labels = np.array([0, 1, 2] * 20)
    held = held_out([str(number) for number in range(60)], labels, np.arange(60) // 3)
    assert held.sum() == 12
    np.testing.assert_array_equal(np.bincount(labels[held]), [4, 4, 4])


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_class_counts_as_much_as_a_common_one(seed):
    labels = np.ones((1000, 2), np.uint8)
    labels[10:, 0] = 0  # what is rare is common, too
    held = held_out([str(number) for number in range(1000)], labels, np.arange(1000), seed=seed)
    assert held[:10].sum() == 2
    assert abs(held.sum() - 200) <= 2


@pytest.mark.parametrize("seed", range(5))
def test_the_only_picture_of_a_class_is_trained_on(seed):
    labels, components = np.array([0, *[1, 2, 3, 4] * 5]), np.array([0] * 5 + [*range(1, 17)])
    held = held_out([str(number) for number in range(21)], labels, components, seed=seed)
    assert not held[:5].any()
    np.testing.assert_array_equal(np.bincount(labels[held]), [0, 1, 1, 1, 1])


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=20))
def test_joined_is_the_finest_numbering_that_keeps_both(pairs):
    first, second = np.array(pairs).T
    together = (first[:, None] == first) | (second[:, None] == second)
    for _ in range(5):  # paths of up to 2**5 links
        together = together.astype(int) @ together > 0
    components = joined(first, second)
    np.testing.assert_array_equal(components[:, None] == components, together)
