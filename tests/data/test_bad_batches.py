"""Batches that cannot be: broken files with their names, impossible settings, states of something else."""

import json
import threading

import numpy as np
import pytest
from batched import FILES, SMALL, flat, made
from made import dataset

from striate.data.batches import Batches
from striate.errors import DataError, PictureError, StriateError

pytestmark = pytest.mark.usefixtures("own_cache")


def test_going_on_with_something_else_is_refused():
    state = json.loads(json.dumps(made().state()))
    made().resume(state)
    with pytest.raises(DataError, match="'order'"):
        Batches(dataset(FILES).part(np.arange(22)[::-1]), SMALL, batch_size=4, distortion="photo", seed=3).resume(state)
    with pytest.raises(DataError, match=r"'seed': 3.*'seed': 4"):
        made(seed=4).resume(state)
    with pytest.raises(DataError, match="'data'"):
        made(FILES[:-1]).resume(state)


def test_more_processes_than_pictures_are_refused():
    with pytest.raises(DataError, match="each of 30 processes needs a picture, but there are 22"):
        made(rank=0, world=30)


def test_a_rank_outside_its_world_is_refused():
    with pytest.raises(DataError, match="a rank is 0 to 1 in a world of 2, but is 2"):
        made(rank=2, world=2)


BROKEN = [*FILES[:6], FILES[6][:200], *FILES[7:12], b"", *FILES[13:]]


def test_a_broken_file_stops_with_its_name():
    with pytest.raises(DataError, match=r"012\.png is empty: it has 0 bytes; `striate check` lists all"):
        made(BROKEN)
    cut = [*FILES[:6], FILES[6][:200], *FILES[7:]]  # a whole header: found when it is decoded
    with pytest.raises(PictureError, match=r"006\.png cannot be read as a picture.*; `striate check` lists all"):
        flat(made(cut))
    with pytest.raises(DataError, match=r"000\.png .*; 1 more of 22 cannot be read"):
        made([b"", b"x", *FILES[2:]])


def test_broken_files_are_skipped_and_counted_on_request():
    batches = made(BROKEN, on_bad="skip")
    seen = flat(batches)
    assert sorted(address for address, *_ in seen) == [place for place in range(22) if place not in (6, 12)]
    assert sorted(batches.skipped) == ["006.png", "012.png"]
    expected = {address: pixels for address, _, pixels in flat(made())}
    assert all(expected[address] == pixels for address, _, pixels in seen)  # nothing else moved


def test_a_batch_of_broken_files_only_is_left_out():
    batches = made([b""] * 4 + FILES[:4], on_bad="skip", distortion=None, cache="ram")
    assert [batch.number for batch in batches] == [1]
    assert len(batches.skipped) == 4


def test_nothing_runs_on_after_an_error_or_a_break():
    before = threading.active_count()
    for batch in made():
        assert len(batch)
        break
    with pytest.raises(PictureError):
        flat(made(BROKEN, on_bad="stop", distortion=None))
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 0}, "pictures in a batch is a whole one from 1 to 100,000, but is 0"),
        ({"batch_size": 2.5}, "but is 2.5"),
        ({"workers": 0}, "the number of threads is a whole one"),
        ({"distortion": 3}, "a distortion is a text such as"),
        ({"cache": False}, "no cache is called 'False'; known: off, ram, disk"),
    ],
)
def test_impossible_settings_are_refused(settings, words):
    with pytest.raises(StriateError, match=words):
        made(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"on_bad": "Stop"}, "no policy for what cannot be read is called 'Stop'; did you mean stop"),
        ({"cache": "dsk"}, "no cache is called 'dsk'; did you mean disk"),
        ({"device": "gpu"}, "a device is cpu.* on this machine, but gpu is asked for"),
        ({"device": "cuda:99"}, "a device is cpu.* on this machine, but cuda:99 is asked for"),
    ],
)
def test_unknown_words_are_refused(settings, words):
    with pytest.raises(StriateError, match=words):
        made(**settings)


def test_a_batch_without_a_picture_stops_where_other_processes_wait_for_it():
    with pytest.raises(DataError, match="each process needs a picture in each batch"):
        flat(made([b""] * 22, on_bad="skip", world=2))


def test_other_things_than_data_are_refused():
    with pytest.raises(DataError, match="but here of str with Preprocess"):
        Batches("digits", SMALL)  # type: ignore[arg-type]
    data = dataset(FILES)
    data.splits[3] = "val"
    with pytest.raises(DataError, match=r"one split, but this has train and val; data\['train'\] is one"):
        Batches(data, SMALL)


BAD_STATES = [None, {}, "x", {"epoch": -1, "number": 0, "made_of": {}}, {"epoch": 0, "number": "x", "made_of": {}}]


@pytest.mark.parametrize("state", BAD_STATES)
def test_what_is_no_state_is_refused(state):
    with pytest.raises(DataError, match="a state"):
        made().resume(state)


def test_no_pictures_are_no_batches():
    with pytest.raises(DataError, match="this part of made has none"):
        made([])


def test_a_mistake_in_a_thread_is_not_hidden(monkeypatch):
    def breaks(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("striate.data.filling.warp", breaks)
    with pytest.raises(ZeroDivisionError):
        flat(made())
