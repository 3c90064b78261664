"""The highest learning rate, found by raising it."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made import dataset

import striate
from striate.data.batches import Batches
from striate.errors import StriateError
from striate.preprocess import Preprocess
from striate.train.choose.range_test import HIGHEST, LOWEST, RangeTest, find_rate, pick
from striate.train.learn.loss import Loss
from striate.train.recipe import Recipe

CPU = torch.device("cpu")
PREPROCESS = Preprocess((8, 8), None, channels="L", mean=(0.3,), std=(0.3,))


def bars() -> Batches:
    """Bright bars that lie or stand, somewhere."""
    random, contents = np.random.default_rng(0), []
    for number in range(48):
        picture = random.integers(0, 60, (8, 8, 1), np.uint8)
        line = random.integers(8)
        picture[(slice(None), line) if number % 2 else line] = 255
        contents.append(picture)
    return Batches(dataset(contents, gray=True), PREPROCESS, batch_size=16, distortion="none", workers=1, cache="ram")


def found(text: str, optimizer: str, made: Batches) -> RangeTest:
    network = striate.net(text, input="8x8x1")
    before, position, drawn = copy.deepcopy(network.state_dict()), made.state(), torch.get_rng_state()
    recipe = Recipe(1, 16, 1.0, optimizer=optimizer)  # pyright: ignore[reportArgumentType]
    result = find_rate(network, Loss(several=False), made, PREPROCESS, recipe, CPU)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert made.state() == position
    assert torch.equal(torch.get_rng_state(), drawn)
    return result


@pytest.mark.parametrize(
    ("text", "optimizer", "low", "high"),
    [
        ("conv 3x3x16 same, bn, relu, maxpool 2, fc 2", "sgd", 3e-3, 1.0),
        ("conv 3x3x16 same, relu, maxpool 2, fc 2", "adamw", 3e-4, 0.1),
    ],
)
def test_a_rate_that_is_found_trains(text, optimizer, low, high):
    made = bars()
    result = found(text, optimizer, made)
    assert low < result.chosen < high
    assert len(result.rates) == len(result.losses) == len(result.smoothed) <= 100
    assert found(text, optimizer, made) == result  # the same again


def test_it_stops_where_the_loss_grows_without_bound(tmp_path):
    result = found("conv 3x3x16 same, relu, maxpool 2, fc 64, relu, fc 64, relu, fc 2", "adamw", bars())
    assert result.rates[0] == LOWEST
    assert result.rates[-1] < HIGHEST
    result.save(tmp_path / "rate.svg")
    assert "chosen" in (tmp_path / "rate.svg").read_text()


def sloped(rates: np.ndarray, foot: float, width: float) -> np.ndarray:
    """A loss that falls around a rate, and grows a thousand times above it."""
    fall = 1 / (1 + (rates / foot) ** (1 / width))
    return 0.5 + 2 * fall + (rates / (1000 * foot)) ** 2


@given(st.floats(-4, -1.5), st.floats(0.2, 1.0), st.integers(0, 5))
def test_the_rate_follows_the_curve_and_not_its_noise(exponent, width, seed):
    rates, foot = np.geomspace(LOWEST, HIGHEST, 100), 10**exponent
    clean = sloped(rates, foot, width)
    chosen, why = pick(rates.tolist(), clean.tolist())
    assert foot < chosen < rates[clean.argmin()]
    assert f"{rates[clean.argmin()]:.2g}" in why
    further, _ = pick((10 * rates).tolist(), clean.tolist())
    assert further == pytest.approx(10 * chosen, rel=0.02)
    noisy = clean + np.random.default_rng(seed).normal(0, 0.02, 100)
    assert pick(rates.tolist(), noisy.tolist())[0] == pytest.approx(chosen, rel=0.8)


@pytest.mark.parametrize("losses", [[], [2.0], [2.0] * 50, np.linspace(1, 3, 50).tolist()])
def test_where_no_rate_helps_it_is_told(losses):
    with pytest.raises(StriateError, match=r"none did within 100 steps; give --lr a number"):
        pick(np.geomspace(1e-6, 1, max(1, len(losses))).tolist()[: len(losses)], losses)
