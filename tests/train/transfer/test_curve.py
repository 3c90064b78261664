"""How accuracy grows, and what more pictures would bring."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_features import clouds, lone

from striate.show.drawing import inline
from striate.train.transfer import solve as module
from striate.train.transfer.axes import axes_of
from striate.train.transfer.curve import _order, curve, fit_law
from striate.train.transfer.solve import solve

NAMES = ["cat", "dog", "owl"]


@settings(max_examples=40, deadline=None)
@given(limit=st.floats(0.5, 0.99), scale=st.floats(0.1, 2), place=st.integers(0, 38))
def test_a_law_is_found_again(limit, scale, place):
    power = 0.1 + 0.05 * place
    numbers = np.array([80, 160, 320, 480, 640])
    accuracy = limit - scale * numbers**-power
    law = fit_law(numbers, accuracy[None])
    assert law.at(1600)[0] == pytest.approx(limit - scale * 1600**-power, abs=1e-6)


def test_a_law_never_falls_and_never_exceeds_everything():
    numbers = np.array([80, 160, 320, 640])
    law = fit_law(numbers, np.array([[0.9, 0.8, 0.7, 0.6], [0.7, 0.85, 0.97, 1.0]]))
    assert law.scale[0] == 0
    assert (law.at(1e9) <= 1).all()
    assert law.at(1e9)[0] == pytest.approx(0.75)


def test_more_pictures_help_as_foretold():
    """Forecasts from 240 pictures, against heads that do learn from 480 and are judged by thousands."""
    features, labels = clouds(4000, 60, apart=0.5)
    axes = axes_of(features)
    rest, grown, told = np.arange(2000, 4000), [], []
    for seed in range(6):
        chosen = np.random.default_rng(seed).choice(2000, 480, replace=False)
        heads = [solve(axes.part(some), labels[some], 3, 60.0) for some in (chosen[:240], chosen)]
        right = [(head.scores(features[rest, 0]).argmax(1) == labels[rest]).mean() for head in heads]
        grown.append(right[1] - right[0])
        few = chosen[:240]
        told.append(curve(axes.part(few), labels[few], NAMES, lone(240), 60.0, seed=seed).gain())
    expected, least, most = np.mean(told, axis=0)
    assert np.mean(grown) > 0.01
    assert expected == pytest.approx(np.mean(grown), abs=0.015)
    held = [low <= np.mean(grown) <= high for _, low, high in told]
    assert sum(held) >= 5
    assert 0 < least < most < 0.1


def test_a_curve_has_a_table_a_sentence_and_a_chart():
    features, labels = clouds(240, 60, apart=0.5)
    found = curve(features, labels, NAMES, lone(240), 60.0)
    rows = found.rows
    assert [row["pictures"] for row in rows] == [24, 48, 96, 144, 192]  # of four folds of five
    assert rows[0]["right"] < rows[-1]["right"]
    assert all(row["low"] < row["right"] < row["high"] for row in rows)
    expected, least, most = (100 * value for value in found.gain())
    assert least < expected < most
    assert found.sentence == (
        f"twice as many pictures would bring about {expected:+.1f} points ({least:.1f} … {most:.1f})"
    )
    assert found.sentence in str(found.table).replace("\n", " ")
    assert "expected" in inline(found.chart())


def test_where_nothing_can_be_learned_nothing_is_promised():
    features, labels = clouds(240, 20)
    found = curve(features, np.random.default_rng(3).permutation(labels), NAMES, lone(240), 100.0)
    _, least, _ = found.gain()
    assert least <= 0.005


def test_too_few_pictures_are_told():
    features, labels = clouds(6)
    found = curve(features, labels, NAMES, lone(6), 10.0)
    assert found.gain() is None
    assert found.sentence == "what more pictures would bring cannot be told from 6 pictures"
    assert "expected" not in inline(found.chart())
    assert len(found.rows) >= 1


@settings(max_examples=30, deadline=None)
@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=60), seed=st.integers(0, 5))
def test_every_share_has_every_class_and_in_proportion(labels, seed):
    labels = np.array(labels)
    order = _order(labels, np.arange(len(labels)), seed)
    for share in (1 / 8, 1 / 2, 1):
        chosen = order <= share
        for place in set(labels.tolist()):
            there = (labels == place).sum()
            assert chosen[labels == place].sum() == max(1, int(share * there + 1e-9))


@pytest.mark.parametrize("kind", ["ridge", "several"])
def test_other_heads_have_curves_too(kind, monkeypatch):
    monkeypatch.setattr(module, "MANY", 2 if kind == "ridge" else 300)
    features, labels = clouds(120, apart=0.8, views=2)
    labels = np.eye(3, dtype=int)[labels] if kind == "several" else labels
    found = curve(features, labels, NAMES, lone(120), 30.0, repeats=1)
    assert found.rows[-1]["right"] > 0.8
    assert ("labels right" in str(found.table)) == (kind == "several")


def test_groups_stay_whole_in_every_share():
    groups = np.repeat(np.arange(20), 3)
    order = _order(np.repeat(np.arange(20) % 2, 3), groups, 0)
    assert (order.reshape(20, 3) == order.reshape(20, 3)[:, :1]).all()
