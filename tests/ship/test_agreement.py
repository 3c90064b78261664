"""Agreement of two tables of probabilities: differences, ties, several labels, what is not a number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.ship.proof.agreement import TIE, agreement
from striate.ship.proof.limits import Limits, checks
from striate.ship.proof.record import Record, content_sum
from striate.train.transfer.compare import compare

CLASSES = ("a", "b", "c")
USUAL = Limits(5e-3, 100)


def told(file, network, several=False):
    file, network = (np.asarray(each, np.float32) for each in (file, network))
    names = [f"{place}.png" for place in range(len(file))]
    return agreement(file, network, names, CLASSES[: file.shape[1]], several)


def missed(file, network, limits=USUAL, labels=None):
    lost = compare(file, network, np.zeros(len(file), int) if labels is None else labels)
    found = [each.what for each in checks(limits, *[told(file, network)] * 2, lost) if each.holds is False]
    alone = [each for each in found if not each.endswith(" in batches")]
    assert [each for each in found if each not in alone] == [
        f"{each} in batches" for each in alone if "acc" not in each
    ]
    return alone


@given(st.integers(1, 20), st.integers(2, 6), st.integers(0, 99))
def test_it_is_what_loops_would_find(count, classes, seed):
    random = np.random.default_rng(seed)
    network = random.dirichlet(np.ones(classes), count).astype(np.float32)
    file = np.clip(network + random.normal(0, 0.1, network.shape), 0, 1).astype(np.float32)
    found = agreement(file, network, [str(place) for place in range(count)], "abcdef"[:classes], False)
    apart = [
        max(abs(float(a) - float(b)) for a, b in zip(*rows, strict=True)) for rows in zip(file, network, strict=True)
    ]
    assert found.largest == max(apart)
    assert found.mean == pytest.approx(np.mean(np.abs(file.astype(np.float64) - network)))
    same = [list(a).index(max(a)) == list(b).index(max(b)) for a, b in zip(file, network, strict=True)]
    assert found.same == sum(same)
    first, *others = sorted(range(count), key=lambda place: -apart[place])
    order = [first, *(place for place in others if not same[place]), *(place for place in others if same[place])]
    assert [row["name"] for row in found.worst] == [str(place) for place in order[:8]]
    assert found.low <= found.share <= found.high


def test_classes_that_are_equal_to_within_rounding_may_both_be_named():
    within, beyond = TIE / 4, 2 * TIE
    tie = told([[0.5 - within, 0.5 + within, 0]], [[0.5 + within, 0.5 - within, 0]])
    assert (tie.same, tie.ties, len(tie.told_ties)) == (1, 1, 1)
    assert "1 picture" in tie.told_ties[0]
    real = told([[0.5 - beyond, 0.5 + beyond, 0]], [[0.5 + beyond, 0.5 - beyond, 0]])
    assert (real.same, real.ties, real.told_ties) == (0, 0, [])
    # small probabilities of many classes are not all equal: their ratio counts
    assert told([[0.001, 0.0012, 0.0]], [[0.0012, 0.001, 0.0]]).same == 0
    # the third class is no part of the tie of the first two
    assert told([[0.3, 0.3, 0.4]], [[0.4, 0.4, 0.2]]).same == 0


def test_of_several_labels_all_that_are_named_count():
    network = [[0.9, 0.2, 0.6], [0.1, 0.1, 0.1]]
    assert told(network, network, several=True).same == 2
    other = told([[0.9, 0.2, 0.4], [0.1, 0.1, 0.1]], network, several=True)
    assert other.same == 1
    assert (other.worst[0]["network"], other.worst[0]["file"]) == ("a 0.9000, c 0.6000", "a 0.9000")
    assert other.worst[1]["file"] == "none"
    tie = told([[0.49999, 0.2, 0.6]], [[0.50001, 0.2, 0.6]], several=True)
    assert (tie.same, tie.ties) == (1, 1)
    assert told([[0.499, 0.2, 0.6]], [[0.501, 0.2, 0.6]], several=True).same == 0


def test_those_that_are_named_otherwise_are_shown_after_the_one_that_moved_most():
    network = np.tile([0.7, 0.3, 0], (40, 1))
    file = network - np.linspace(0.01, 0.1, 40)[:, None] * [1, -1, 0]
    network[3], file[3] = [0.51, 0.49, 0], [0.499, 0.501, 0]
    shown = told(file, network)
    assert [row["name"] for row in shown.worst[:3]] == ["39.png", "3.png", "38.png"]
    assert shown.same == 39


def test_limits_are_kept_exactly():
    network = np.tile([0.75, 0.25, 0], (4, 1))
    assert missed(network, network) == []
    assert missed(network, network, Limits(0, 100)) == []
    half = 2**-6
    moved = network + np.array([[-half, half, 0]])
    assert missed(moved, network, Limits(half, 100)) == []
    assert missed(moved, network, Limits(half * 0.999, 100)) == ["the largest difference in probability"]
    flipped = network.copy()
    flipped[0] = [0.25, 0.75, 0]
    assert missed(flipped, network, Limits(1, 75)) == []
    assert missed(flipped, network, Limits(1, 75.01)) == ["the share of the same answers"]
    network = np.tile([0.75, 0.25], (1_375, 1))
    flipped = np.where(np.arange(1_375)[:, None] < 132, network[:, ::-1], network)
    assert missed(flipped, network, Limits(1, 90.4)) == []  # 1,243 of 1,375 exactly, but not as binary fractions


def test_the_drop_is_judged_as_it_is_observed():
    labels = np.zeros(200, int)
    network = np.tile([0.9, 0.1], (200, 1))
    file = network.copy()
    file[:1] = [0.1, 0.9]  # half a point
    assert missed(file, network, Limits(drop=0.5), labels) == []
    assert missed(file, network, Limits(drop=0.4), labels) == ["what is lost of the accuracy"]
    assert missed(network, file, Limits(drop=0), labels) == []  # better is no loss


@pytest.mark.parametrize("limits", [Limits(1, 0), Limits(drop=100)])
def test_what_is_no_number_keeps_to_no_limit(limits):
    file = np.array([[0.5, 0.5], [np.nan, np.nan]])
    for network in (np.full((2, 2), 0.5), file):
        assert missed(file, network, limits) == ["the largest difference in probability"]
    assert told(file, np.full((2, 2), 0.5)).worst[0]["name"] == "1.png"


@given(st.integers(1, 30), st.integers(1, 9), st.integers(0, 9))
def test_a_record_comes_back_to_the_bit(count, classes, seed):
    probabilities = np.random.default_rng(seed).random((count, classes)).astype(np.float32)
    kept = Record.from_dict(Record([str(place) for place in range(count)], probabilities).to_dict())
    assert kept.probabilities.tobytes() == probabilities.tobytes()
    assert len(kept.sums) == count


def test_sums_tell_contents_apart():
    flat = np.arange(12, dtype=np.uint8)
    contents = [b"a", b"b", flat.reshape(2, 2, 3), flat.reshape(1, 4, 3), flat.reshape(4, 3, 1)]
    assert len({content_sum(each) for each in contents}) == len(contents)
    assert content_sum(flat.reshape(2, 2, 3)) == content_sum(np.asfortranarray(flat.reshape(2, 2, 3)))
