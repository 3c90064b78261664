"""Disks that are full, folders that are locked, files that are damaged: told in a sentence, and nothing is lost."""

import ctypes
import os
import re
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from training import NET, Training, assert_same, pictures, step


def words(photos: Path, folder: Path, *more: str) -> list[Any]:
    return [
        *("train", photos, "--net", NET, "--size", "16x16", "--batch-size", "8", "--epochs", "6", "--cache", "off"),
        *("--ema", "0.9", "--output", folder, *more),
    ]


def stopped(words: list[Any], folder: Path, log: Path) -> None:
    """Let a training come some steps further."""
    training, before = Training([*words, "--save-every", "0.0003"], log), step(folder)
    training.until(lambda: step(folder) > before + 3)
    training.signal(signal.SIGTERM)
    assert training.end() == 143, training.said


def kept(folder: Path) -> dict[str, bytes]:
    """All that lies in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def full() -> None:
    """No file of this process may become longer than the weights, but shorter than a checkpoint."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def powerless() -> None:
    """Even the administrator may no longer do what permissions forbid."""
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, none) == 0


def fails(words: list[Any], log: Path, sentence: str, before: Callable[[], None] | None = None) -> None:
    log.unlink(missing_ok=True)
    training = Training([*words, "--quiet"], log, before)
    assert training.end() == 2
    assert re.fullmatch(f"striate: {sentence}\n", training.said)


@pytest.mark.parametrize("cause", ["full", pytest.param("locked", marks=pytest.mark.slow)])
def test_where_nothing_can_be_written_the_checkpoint_stays_and_the_training_can_go_on(tmp_path, cause):
    photos, torn, log = pictures(tmp_path / "photos"), tmp_path / "torn", tmp_path / "log"
    stopped(words(photos, torn), torn, log)
    states, again = torn / "last", ["train", "--resume", torn, "--cache", "off"]
    before, next = kept(states), rf"{torn}/last/step-\d+\.safetensors"
    if cause == "full":
        fails(again, log, f"{next} cannot be written: File too large", full)
    else:
        states.chmod(0o555)
        fails(again, log, f"{next} cannot be written: Permission denied", powerless)
        states.chmod(0o755)
    assert kept(states) == before
    assert Training(again, log).end() == 0, log.read_text()
    assert Training(words(photos, tmp_path / "whole"), log).end() == 0
    assert_same(tmp_path / "whole", torn)


def test_a_new_run_in_a_locked_folder_is_refused(tmp_path):
    photos = pictures(tmp_path / "photos")
    (tmp_path / "locked").mkdir(mode=0o555)
    new = tmp_path / "locked" / "new"
    fails(words(photos, new), tmp_path / "log", f"{new} cannot be written: Permission denied", powerless)


def test_of_damaged_checkpoints_the_one_before_is_used_and_told(tmp_path):
    photos, torn, log = pictures(tmp_path / "photos"), tmp_path / "torn", tmp_path / "log"
    spoils: list[Callable[[bytes], bytes]] = [
        lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
        lambda content: content[:-1],
        lambda content: b"",
    ]
    again = ["train", "--resume", torn, "--cache", "off"]
    stopped(words(photos, torn), torn, log)
    for spoil in spoils:
        last = torn / "last" / f"step-{step(torn):08}.safetensors"
        last.write_bytes(spoil(last.read_bytes()))
        (before,) = [path.name for path in last.parent.iterdir() if path != last]
        log.unlink()
        stopped(again, torn, log)
        assert f"{last} " in log.read_text()
        assert f"; {before} is used instead\n" in log.read_text()
    assert Training(again, log).end() == 0, log.read_text()
    assert Training(words(photos, tmp_path / "whole"), log).end() == 0
    assert_same(tmp_path / "whole", torn)


def test_where_all_checkpoints_are_damaged_the_training_says_so(tmp_path):
    photos, torn, log = pictures(tmp_path / "photos"), tmp_path / "torn", tmp_path / "log"
    stopped(words(photos, torn), torn, log)
    for path in (torn / "last").iterdir():
        os.truncate(path, 0)
    log.unlink()
    again = Training(["train", "--resume", torn, "--quiet"], log)
    assert again.end() == 2
    assert again.said.startswith(f"striate: no state of the training in {torn / 'last'} is whole: ")


def test_two_trainings_in_one_folder_do_not_meet(tmp_path):
    photos, torn, log = pictures(tmp_path / "photos"), tmp_path / "torn", tmp_path / "log"
    first = Training(words(photos, torn, "--save-every", "0.0003", "--label-smoothing", "0.1"), log)
    first.until(lambda: step(torn) >= 1)
    first.signal(signal.SIGSTOP)  # it would end before the other begins
    try:
        second = Training(["train", "--resume", torn, "--quiet"], tmp_path / "other")
        assert second.end() == 2
        assert f"{torn} is being written by process {first.process.pid} on " in second.said
        assert second.said.endswith("; wait for it or choose another --output\n")
        third = Training(words(photos, torn), tmp_path / "third")
        assert third.end() == 2
        assert f"{torn} holds a run; --resume {torn} goes on with it, another --output keeps both" in third.said
    finally:
        first.signal(signal.SIGCONT)
    assert first.end() == 0, first.said
