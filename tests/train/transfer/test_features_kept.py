"""Features that are kept survive kills and damage, and tell what they take."""

import json
import multiprocessing
import os
import threading
import zlib
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from counted import COUNT, Counted, computed, expected_of
from made import Kept, dataset

from striate.data import store as store_module
from striate.errors import StriateError
from striate.train.transfer import kept as kept_module

pytestmark = pytest.mark.usefixtures("own_cache")
FORK = multiprocessing.get_context("forkserver")  # of a process without threads


class Stamped(Kept):
    """Files whose stamps are the same in every process."""

    def stamp(self, row):
        return len(self.contents[row]), zlib.crc32(self.contents[row])


def stamped(contents):
    return replace(dataset(contents), source=Stamped(contents))


def _killed(contents, stop, cache):
    os.environ["STRIATE_CACHE"] = cache  # the server that forks this process began before the test

    class Killing(Counted):
        def __call__(self, module, example):
            engine = super().__call__(module, example)
            counting = engine.run
            engine.run = lambda batch: os.kill(os.getpid(), 9) if self.views >= stop else counting(batch)
            return engine

    computed(stamped(contents), engine=Killing())


def test_a_killed_process_leaves_what_it_had_done(contents, own_cache):
    process = FORK.Process(target=_killed, args=(contents, 32, str(own_cache)))
    process.start()
    process.join(180)
    assert process.exitcode == -9
    engine = Counted()
    made = computed(stamped(contents), engine=engine)
    assert engine.views == 2 * (COUNT - 16)
    torch.testing.assert_close(torch.tensor(made.arrays["features"][:]), expected_of(contents))


def test_two_processes_may_fill_one_cache(contents, own_cache):
    processes = [FORK.Process(target=_killed, args=(contents, 10**9, str(own_cache))) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(180)
    assert [process.exitcode for process in processes] == [0, 0]
    engine = Counted()
    made = computed(stamped(contents), engine=engine)
    assert engine.made == 0
    torch.testing.assert_close(torch.tensor(made.arrays["features"][:]), expected_of(contents))


def folder_of(own_cache):
    (folder,) = (own_cache / "features").iterdir()
    return folder


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 16
    path.write_bytes(content)


DAMAGES = {
    "a flipped byte in the middle": (
        lambda folder: flip(folder / "pixels", folder.joinpath("pixels").stat().st_size // 2),
        "the features of 1 picture were damaged",
        1,
    ),
    "a flag without a row": (
        lambda folder: [(folder / "pixels").write_bytes(bytes((folder / "pixels").stat().st_size))],
        "the features of 40 pictures were damaged",
        COUNT,
    ),
    "cut short": (
        lambda folder: os.truncate(folder / "pixels", 5000),
        "was cut short, so its features are made anew",
        COUNT,
    ),
    "a damaged header": (
        lambda folder: flip(folder / "header.json", 20),
        "another version of striate, or its header is damaged",
        COUNT,
    ),
    "no header": (
        lambda folder: (folder / "header.json").unlink(),
        "another version of striate, or its header is damaged",
        COUNT,
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_told_and_made_anew(own_cache, pictures, damage):
    spoil, words, pictures_again = DAMAGES[damage]
    expected = computed(pictures).arrays["features"].copy()
    spoil(folder_of(own_cache))
    engine = Counted()
    again = computed(pictures, engine=engine)
    assert any(words in line for line in again.told), again.told
    assert engine.views == 2 * pictures_again
    np.testing.assert_array_equal(again.arrays["features"], expected)
    engine = Counted()
    quiet = computed(pictures, engine=engine)
    assert engine.made == 0
    assert not any(words in line for line in quiet.told)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"values": {"typicbl": 1, "largest": 2}, "sum": "0"}'])
def test_a_damaged_remark_is_not_believed(own_cache, pictures, content):
    computed(pictures, keeping="half")
    (folder_of(own_cache) / "rounded.json").write_bytes(content)
    (folder_of(own_cache) / "too large for half.json").write_bytes(content)
    again = computed(pictures, keeping="half")
    assert again.arrays["features"].dtype == np.float16
    assert not any("half precision" in line for line in again.told)


def test_a_cache_of_another_version_is_told_and_made_anew(pictures, monkeypatch):
    computed(pictures)
    monkeypatch.setattr(kept_module, "VERSION", 2)
    engine = Counted()
    again = computed(pictures, engine=engine)
    assert engine.views == 2 * COUNT
    assert any("was made by another version" in line for line in again.told)


def test_the_size_is_told_before_anything_is_computed(pictures, own_cache):
    said = []
    with suppress(KeyboardInterrupt):
        computed(pictures, engine=Counted(stop=0), keeping="half", say=said.append)
    assert said[0].startswith("80 views × 128 numbers = 20.0 KiB in ")
    assert str(own_cache) in said[0]


def test_a_full_disk_is_refused(pictures, monkeypatch):
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(StriateError, match=r"needs 40.2 KiB in .*features.*, where 1000 B are free; .*fewer views"):
        computed(pictures)


def test_a_disk_that_becomes_full_is_refused(pictures, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.os, "pwrite", full)
    with pytest.raises(StriateError, match=r"No space left on device; .*fewer views"):
        computed(pictures)


def test_what_is_complete_outlives_a_restart(pictures, own_cache, monkeypatch):
    computed(pictures)
    for thread in threading.enumerate():
        if thread.name == "striate cache":
            thread.join()
    monkeypatch.setattr(store_module, "_boot", lambda: "another start")
    engine = Counted()
    computed(pictures, engine=engine)
    assert engine.made == 0


def test_the_header_says_what_is_kept(pictures, own_cache):
    computed(pictures)
    about = json.loads((folder_of(own_cache) / "header.json").read_text())["values"]
    assert about["views"] == 2
    assert about["preprocess"]["size"] == [16, 16]
    assert isinstance(pictures.source, Kept)
