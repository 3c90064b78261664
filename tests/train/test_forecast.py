"""What a training will take: measured on a copy, and told beforehand."""

import copy
import re
from dataclasses import replace
from time import sleep

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made import dataset, encoded, photo

import striate
from striate.data.batches import Batches
from striate.errors import StriateError
from striate.preprocess import Preprocess
from striate.train.choose import forecast as forecasts
from striate.train.choose import room
from striate.train.choose.forecast import epochs_for, forecast, peak
from striate.train.choose.room import needed_memory, parts_that_fit
from striate.train.choose.trial import Rehearsal, Trial, trial
from striate.train.recipe import Recipe

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=3, batch_size=4, lr=0.1)
NET = "conv 3x3x8 same, bn, relu, maxpool 2, dropout 0.5, fc 2"
PREPROCESS = Preprocess(size=(20, 24), resize=None)


def network(text: str = NET):
    return striate.net(text, input="20x24x3")


def batches(count: int = 26, where: str = "made") -> Batches:
    data = dataset([encoded(photo(number, 20, 24)) for number in range(count)], where=where)
    return Batches(data, PREPROCESS, batch_size=4, distortion="none", workers=1, cache="ram")


@pytest.mark.parametrize("changes", [{}, {"precision": "bfloat16", "optimizer": "adamw"}, {"precision": "float64"}])
def test_a_trial_leaves_no_trace(changes):
    net, made, recipe = network(), batches(), replace(RECIPE, accumulate=2, clip=1.0, **changes)
    next(iter(made))
    before, position, drawn = copy.deepcopy(net.state_dict()), made.state(), torch.get_rng_state()
    tried = trial(net, PREPROCESS, made, recipe, CPU)
    assert min(tried.first, tried.step, tried.load, tried.judge) > 0
    assert tried.later <= tried.first
    assert made.state() == position
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert net.training


def test_what_a_trial_decodes_is_kept():
    made = batches(where="kept")
    trial(network(), PREPROCESS, made, RECIPE, CPU)
    reads = list(made.feed.prepared.data.source.reads)
    assert sum(reads) >= 16  # the headers, and the pictures of a few batches
    for _ in made:
        pass
    assert sum(made.feed.prepared.data.source.reads) < sum(reads) + len(reads)


def test_a_trial_tells_decoding_from_learning(monkeypatch):
    made = batches(where="slow")
    decoded = made.feed.prepared.decoded

    def slow(*place):
        sleep(0.02)
        return decoded(*place)

    monkeypatch.setattr(made.feed.prepared, "decoded", slow)
    monkeypatch.setattr(Rehearsal, "step", lambda *given: None)
    tried = trial(network(), PREPROCESS, made, RECIPE, CPU)
    assert tried.first > 0.015
    assert tried.load < 0.01
    assert tried.later == pytest.approx(tried.step + tried.load)
    assert tried.decode == pytest.approx(tried.first - tried.step)


def test_a_single_batch_is_enough():
    assert trial(network(), PREPROCESS, batches(3, "few"), RECIPE, CPU).first > 0


def test_the_peak_is_more_than_a_network_gets():
    assert 1e8 < peak(CPU, "float32") < 1e15


TRIED = Trial(first=0.5, step=0.05, load=0.05, judge=0.02, overlaps=False)
COUNTS = {"train": 100, "val": 50, "test": 9}


def foretold(tried: Trial = TRIED, **changes):
    made = batches()
    return forecast(tried, COUNTS, replace(RECIPE, **changes), network(), made, forecasts.Path.cwd(), CPU)


def test_epochs_add_up():
    told = foretold()
    # 100 pictures decoded and learned, 50 decoded and judged; then twice 100 and 50 that are decoded already
    assert told.seconds == pytest.approx(100 * 0.5 + 50 * (0.45 + 0.02) + 2 * (100 * 0.1 + 50 * 0.07))
    assert foretold(epochs=0.5).seconds == pytest.approx(50 * 0.5 + 50 * 0.47)
    aside = replace(TRIED, overlaps=True)  # on a GPU, batches are made while it computes
    assert foretold(aside).seconds == pytest.approx(100 * 0.5 + 50 * 0.5 + 2 * (100 * 0.05 + 50 * 0.05))
    assert foretold(replace(TRIED, processes=2)).seconds == pytest.approx(told.seconds / 2)


def test_people_read_time_and_room():
    times, rooms = foretold().lines()
    assert times == "about 1 min 40 s: first epoch 1 min 14 s, then 14 s each"
    assert re.fullmatch(r"memory .+ of .+ free; disk .+ of .+ free; decoded pictures take .+", rooms)


@given(st.floats(0.7, 10_000), st.booleans())
def test_a_time_limit_is_kept_with_a_reserve(minutes, overlaps):
    tried = replace(TRIED, overlaps=overlaps)
    epochs = epochs_for(minutes, tried, COUNTS, RECIPE)
    first, later, first_validation, validation = forecasts._times(tried, COUNTS)
    told = forecasts.Forecast(first, later, first_validation, validation, epochs, 1, 1, 1, 1, "")
    assert told.seconds <= 60 * minutes * 0.9 + 1e-6
    more = replace(told, epochs=epochs + max(0.01, (validation + 1e-3) / later))  # nor is more left than a validation
    assert more.seconds > 60 * minutes * 0.9 - validation


def test_a_time_limit_below_a_step_is_refused():
    with pytest.raises(StriateError, match=r"which take about 28 s here, but --minutes is 0\.4"):
        epochs_for(0.4, TRIED, COUNTS, RECIPE)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_parts_are_as_few_as_memory_allows(optimizer):
    net, recipe = network("conv 3x3x32 same, relu, maxpool 2, fc 2"), Recipe(1, 64, 0.1, optimizer=optimizer)
    need = {parts: needed_memory(net, replace(recipe, accumulate=parts)) for parts in (1, 2, 4, 64)}
    assert need[1] > need[2] > need[4] > need[64]
    assert parts_that_fit(net, recipe, CPU, free=2 * need[1]) == 1
    assert parts_that_fit(net, recipe, CPU, free=round(need[1] / 0.8) - 9) == 2
    assert parts_that_fit(net, recipe, CPU, free=round(need[2] / 0.8) - 9) == 4
    with pytest.raises(StriateError, match=r"even where each part has 1 of 64 pictures"):
        parts_that_fit(net, recipe, CPU, free=need[64] // 2)
    assert needed_memory(net, replace(recipe, ema=0.9)) > need[1]
    assert needed_memory(net, replace(recipe, precision="float64")) > 1.5 * need[1]


def test_what_does_not_fit_is_refused_with_what_would(monkeypatch):
    net = network("conv 3x3x32 same, relu, maxpool 2, fc 2")
    whole, made = needed_memory(net, RECIPE), batches()
    monkeypatch.setattr(room, "free_memory", lambda device: whole - 1)
    with pytest.raises(
        StriateError, match=r"--accumulate 2 computes the same batch in parts that fit, and --batch-size 2"
    ):
        trial(net, PREPROCESS, made, RECIPE, CPU)
    monkeypatch.undo()
    monkeypatch.setattr(forecasts.shutil, "disk_usage", lambda path: forecasts.shutil._ntuple_diskusage(9, 9, 9))
    with pytest.raises(StriateError, match=r"has 9 B left; choose another --output"):
        foretold()


def test_memory_is_told_as_the_system_has_it():
    assert 2**20 < room.free_memory(CPU) < 2**50
