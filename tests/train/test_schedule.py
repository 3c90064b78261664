"""Schedules of the learning rate: what holds for all, and the values of each."""

from itertools import pairwise
from math import pi
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import StriateError, UnknownName
from striate.train.learn.schedule import Schedule, share

LENGTHS = st.integers(1, 400)
WARM_UPS = st.floats(0, 0.9)


def curve(schedule, steps: int, warm_up: float) -> list[float]:
    return [share(schedule, step, steps, warm_up) for step in range(steps)]


@pytest.mark.parametrize("schedule", get_args(Schedule))
@given(steps=LENGTHS, warm_up=WARM_UPS)
def test_it_rises_evenly_to_the_peak_and_never_rises_again(schedule, steps, warm_up):
    rates = curve(schedule, steps, warm_up)
    peak = rates.index(1.0)  # it is reached
    assert abs(peak - warm_up * steps) <= 1
    assert rates[: peak + 1] == pytest.approx([(step + 1) / (peak + 1) for step in range(peak + 1)])
    falling = rates[peak:]
    assert falling == sorted(falling, reverse=True)
    assert 0 < min(rates) <= max(rates) == 1
    assert all(isinstance(rate, float) for rate in rates)


@pytest.mark.parametrize(("schedule", "steepest"), [("one-cycle", 1), ("cosine", pi / 2), ("constant", 0)])
@given(steps=LENGTHS, warm_up=WARM_UPS)
def test_no_jump_is_larger_than_the_slope(schedule, steepest, steps, warm_up):
    rates = curve(schedule, steps, warm_up)
    falling = rates[rates.index(1.0) :]
    for before, after in pairwise(falling):
        assert abs(before - after) <= steepest / len(falling) + 1e-12
    if steepest:
        assert falling[-1] <= steepest / len(falling) + 1e-12  # one more step would end at 0


def test_the_values():
    assert curve("one-cycle", 8, 0.5) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 0.75, 0.5, 0.25])
    assert curve("cosine", 6, 0) == pytest.approx([1, (1 + 0.75**0.5) / 2, 0.75, 0.5, 0.25, (1 - 0.75**0.5) / 2])
    assert curve("step", 10, 0.2) == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert curve("constant", 4, 0.25) == [0.5, 1, 1, 1]


def test_a_training_of_one_step_has_the_whole_rate():
    for schedule in get_args(Schedule):
        assert curve(schedule, 1, 0.9) == [1.0]


def test_what_is_no_step_is_refused():
    with pytest.raises(UnknownName, match="no schedule is called 'cosin'; did you mean cosine"):
        share("cosin", 0, 5, 0)  # type: ignore
    for step, steps, warm_up in [(-1, 5, 0), (5, 5, 0), (0, 0, 0), (0, 5, 1), (0, 5, -0.1), (0, 5, float("nan"))]:
        with pytest.raises(StriateError, match="a step is from 0"):
            share("cosine", step, steps, warm_up)
