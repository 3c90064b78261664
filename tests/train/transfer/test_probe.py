"""Probes find what a stage knows, tell what it costs, and freeze where nothing is lost."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from striate.errors import StriateError
from striate.measure.shapes import measure
from striate.nets.build import net
from striate.show.drawing import inline
from striate.train.transfer.compare import Comparison
from striate.train.transfer.costs import Cost, stage_costs
from striate.train.transfer.probe import Probe, Probes, probe

COUNT, CLASSES = 300, ("ant", "bee", "cat")
LABELS = np.arange(COUNT) % 3
ALONE = np.array([""] * COUNT)
COSTS = {"stem": Cost(1_000_000, 0.001), "stage1": Cost(3_000_000, 0.006), "stage2": Cost(4_000_000, 0.003)}


def known(distance: float, seed: int, width: int = 6, views: int = 2) -> np.ndarray:
    """Features by which classes are so far apart, in standard deviations."""
    random = np.random.default_rng(seed)
    means = distance * np.eye(width)[LABELS]
    return (means[:, None] + random.normal(size=(COUNT, views, width))).astype(np.float16)


@pytest.fixture(scope="module")
def usual() -> Probes:
    """A network whose second stage knows much more than its stem, and its last no more than that."""
    features = {"stem": known(0.5, 1), "stage1": known(3, 2), "stage2": known(3, 3)}
    return probe(features, LABELS, ALONE, CLASSES, COSTS)


def test_what_a_stage_knows_is_measured_on_pictures_held_out(usual):
    stem, first, second = usual.stages
    # the best that anyone can do with three normal clouds at the corners of an equilateral triangle
    random = np.random.default_rng(0)
    clouds = random.normal(size=(100_000, 3))
    for each, distance in ((stem, 0.5), (first, 3), (second, 3)):
        best = float((clouds + distance * np.eye(3)[0]).argmax(1).__eq__(0).mean())
        assert abs(each.accuracy - best) < 0.08
        assert each.low < best < each.high
    assert first.gain.low > 0.2
    assert second.gain.low < 0 < second.gain.high


def test_random_labels_are_known_by_chance():
    labels = np.random.default_rng(5).permutation(LABELS)
    told = probe({"stem": known(3, 1)}, labels, ALONE, CLASSES, COSTS)
    assert 0.2 < told.stages[0].accuracy < 0.47


def test_the_last_stage_is_frozen_unless_an_earlier_one_is_better(usual):
    assert usual.chosen is usual.stages[-1]
    assert usual.freeze == "all"
    worse = probe({"stem": known(1, 1), "stage1": known(3, 2), "stage2": known(1, 3)}, LABELS, ALONE, CLASSES, COSTS)
    assert worse.freeze == "stage1"
    assert "frozen up to stage1, which tells the classes better than stage2" in worse.why


def made(chances: list[tuple[float, float]]) -> Probes:
    """Stages, by their difference from the last one and the chance of it."""
    froms = [Comparison(9, 1, more, more - 0.1, more + 0.1, chance) for more, chance in chances]
    stages = [
        Probe(f"stage{number}", 4, Cost(1, 1.0), 1.0, 0.8 + compared.difference, 0.7, 0.9, None, compared)
        for number, compared in enumerate(froms, 1)
    ]
    return Probes((*stages, Probe("last", 4, Cost(1, 1.0), 1.0, 0.8, 0.7, 0.9)), 10)


@pytest.mark.parametrize(
    ("chances", "freeze"),
    [
        ([(0.05, 0.04)], "stage1"),
        ([(0.05, 0.04), (-0.1, 0.9)], "all"),  # of two, the luckier one has to be surer
        ([(-0.2, 0.001)], "all"),  # surely worse
        ([(0.04, 0.001), (0.05, 0.002), (0.09, 0.3)], "stage2"),  # the best of those that are surely better
        ([], "all"),
    ],
)
def test_luck_is_no_reason_to_freeze_less(chances, freeze):
    assert made(chances).freeze == freeze


def test_the_table_says_what_a_stage_costs_and_brings(usual):
    table = usual.table
    assert [row["time_share"] for row in table.rows] == pytest.approx([0.1, 0.6, 0.3])
    assert [row["macs_share"] for row in table.rows] == pytest.approx([1 / 8, 3 / 8, 4 / 8])
    gain = 100 * (usual.stages[2].accuracy - usual.stages[1].accuracy)
    assert f"stage2 costs 30 % of the time and brings {gain:+.1f} points, no more than chance" in table.notes
    assert table.notes[0].startswith("stage1 costs 60 % of the time and brings +")
    assert "no more than chance" not in table.notes[0]
    assert [row["chosen"] for row in json.loads(usual.to_json())["rows"]] == [False, False, True]
    told = str(usual)
    assert "frozen up to here" in told
    assert "6.00" in told  # milliseconds


def test_the_chart_has_time_and_accuracy(usual):
    chart = inline(usual.chart)
    assert "milliseconds a picture" in chart
    assert 'aria-label="What each stage knows: accuracy (%) over milliseconds a picture. accuracy goes from ' in chart
    assert " at 1 to " in chart  # the stem's own millisecond
    assert " at 10, lowest" in chart  # all of them


def test_costs_are_those_of_the_ledger_and_of_the_clock():
    network = net("conv 3x3x8 p1, relu, maxpool 2, conv 3x3x64 p1, bn, relu, maxpool 2, fc 2", input="32x32x3").train()
    rows = measure(network).stages
    costs = stage_costs(network, torch.rand(4, 3, 32, 32), ["stage1", "stage2"])
    assert [cost.macs for cost in costs.values()] == [32 * 32 * 27 * 8, 16 * 16 * 72 * 64]
    assert [cost.macs for cost in costs.values()] == [sum(row.macs for row in rows[name]) for name in costs]
    assert all(0 < cost.seconds < 1 for cost in costs.values())
    assert network.training
    assert float(network.stage2[1].running_mean.abs().max()) == 0  # timing teaches nothing
    both = stage_costs(network, torch.zeros(4, 3, 32, 32), ["stage2"])
    assert both["stage2"].macs == sum(cost.macs for cost in costs.values())


def test_the_same_comes_back_from_json(usual):
    again = Probes.from_dict(json.loads(json.dumps(asdict(usual))))
    assert again == usual
    assert str(again) == str(usual)
    assert again.chart.to_dict() == usual.chart.to_dict()


def test_several_labels():
    labels = np.stack([LABELS == 0, LABELS != 1], axis=1)
    told = probe({"stem": known(0, 1), "stage1": known(4, 2)}, labels, ALONE, CLASSES[:2], COSTS)
    assert told.stages[1].accuracy > 0.9 > told.stages[0].accuracy
    assert "labels held out" in str(told.table.notes)


@pytest.mark.parametrize(
    ("features", "costs", "words"),
    [({}, COSTS, "no features"), ({"stem": known(1, 1), "stage9": known(1, 1)}, COSTS, "stage9 have none")],
)
def test_what_is_missing_is_told(features, costs, words):
    with pytest.raises(StriateError, match=words):
        probe(features, LABELS, ALONE, CLASSES, costs)


def test_a_class_of_one_picture_is_told():
    labels = LABELS.copy()
    labels[labels == 2] = 0
    labels[7] = 2
    told = probe({"stem": known(3, 1)}, labels, ALONE, CLASSES, COSTS)
    assert any("1 class with a single picture" in note for note in told.table.notes)
