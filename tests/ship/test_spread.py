"""How far numbers spread, however they come, and the range that loses least of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from striate.ship.int8.spread import Spread


@given(some.lists(some.lists(some.floats(-1e3, 1e3, width=32), min_size=1, max_size=9), min_size=1, max_size=6))
def test_a_spread_does_not_depend_on_how_its_numbers_come(parts):
    one, other = Spread(), Spread()
    for part in parts:
        one.add(np.array(part, np.float32))
    every = [number for part in parts for number in part]
    other.add(np.array(every, np.float32))
    assert (one.low, one.high, one.reach) == (other.low, other.high, other.reach)
    assert one.counts.sum() == other.counts.sum() == len(every)
    # where two bins meet, a number may be in either
    assert np.abs(np.cumsum(one.counts - other.counts)).max() <= max(every.count(number) for number in every)


def test_the_best_range_loses_least_of_the_numbers_themselves():
    random = np.random.default_rng(0)
    for numbers in (random.laplace(size=20_000), np.abs(random.standard_t(3, 20_000)), random.uniform(-1, 3, 20_000)):
        spread = Spread()
        for part in np.split(numbers, 10):
            spread.add(part)

        def lost(low: float, high: float, numbers: np.ndarray = numbers) -> float:
            step = (high - low) / 255
            whole = np.clip(np.rint(numbers / step), np.rint(low / step), np.rint(high / step))
            return float(((numbers - whole * step) ** 2).mean())

        tried = [lost(share * spread.low, share * spread.high) for share in np.linspace(0.1, 1, 181)]
        assert lost(*spread.best(255)) < 1.02 * min(tried)


def test_nothing_but_zeros_has_a_range_of_nothing():
    spread = Spread()
    spread.add(np.zeros((2, 3)))
    assert spread.best(255) == (0, 0)
