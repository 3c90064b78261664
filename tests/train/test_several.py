"""Several processes learn together what one would learn alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from training import NET, Training, assert_same, newest, pictures, step

PLAIN = "conv 3x3x8 same, relu, maxpool 2, fc 32, relu, fc 3"


def words(photos: Path, folder: Path, net: str = PLAIN, *more: str, epochs: int = 10, batch: int = 8) -> list[Any]:
    return [
        *("train", photos, "--net", net, "--size", "16x16", "--batch-size", batch, "--epochs", epochs),
        *("--distortion", "photo", "--output", folder, *more),
    ]


def member(rank: int, world: int, port: int) -> None:
    """In a new process: be one of several, as torchrun does it."""
    about = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_PORT": port, "MASTER_ADDR": "127.0.0.1"}
    os.environ.update({name: str(value) for name, value in about.items()})


def together(words: list[Any], log: Path, world: int = 2) -> list[Training]:
    """A training of several processes, each with a log of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return [Training(words, Path(f"{log}{rank}"), partial(member, rank, world, port)) for rank in range(world)]


def end(trainings: list[Training]) -> list[int]:
    return [training.end() for training in trainings]


def test_two_processes_learn_what_one_does(tmp_path):
    photos, more = pictures(tmp_path / "photos"), ["--precision", "float64", "--ema", "0.9"]
    two = together(words(photos, tmp_path / "two", PLAIN, *more), tmp_path / "log")
    one = Training(words(photos, tmp_path / "one", PLAIN, *more), tmp_path / "log")
    assert (end(two), one.end()) == ([0, 0], 0), two[0].said
    (ours, about), (theirs, _) = newest(tmp_path / "one"), newest(tmp_path / "two")
    assert about["step"] == 100
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        if name.startswith(("network.", "average.")):
            assert (tensor - theirs[name]).abs().max() <= 1e-12, name
    assert two[1].said == ""  # the first alone speaks and writes
    history = (tmp_path / "two" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history if '"epoch", ' in line] == list(range(1, 11))
    result = json.loads((tmp_path / "two" / "result.json").read_text())
    assert result["seconds"] > 0


def test_processes_judge_the_network_that_the_first_keeps(tmp_path):
    photos = pictures(tmp_path / "photos")
    two = together(words(photos, tmp_path / "two", NET, "--precision", "float32", epochs=3), tmp_path / "log")
    assert end(two) == [0, 0], two[0].said
    told = "batch norm: on processors, each of the 2 processes normalises by its own part of a batch, and the statis"
    assert told in two[0].said
    lines = [json.loads(line) for line in (tmp_path / "two" / "history.jsonl").read_text().splitlines()]
    best = [line for line in lines if line["kind"] == "epoch" and line["best"]][-1]
    result = json.loads((tmp_path / "two" / "result.json").read_text())
    assert best["validation"] == pytest.approx(result["validation"], rel=1e-5)


@pytest.mark.slow
def test_a_signal_to_all_and_again_to_each_keeps_the_step(tmp_path):
    photos, more = pictures(tmp_path / "photos"), ["--precision", "float32"]
    words_of_two = words(photos, tmp_path / "torn", PLAIN, *more, "--save-every", "0.0005")
    two = together(words_of_two, tmp_path / "log")
    two[0].until(lambda: step(tmp_path / "torn") >= 5)
    for _ in range(3):
        for training in two:
            training.signal(signal.SIGTERM)
        time.sleep(0.003)  # two at a time would count as one
    assert end(two) == [143, 143], two[0].said
    assert f"stopped after step {step(tmp_path / 'torn')}, which is kept" in two[0].said
    again = together(["train", "--resume", tmp_path / "torn"], tmp_path / "log")
    assert end(again) == [0, 0], again[0].said
    whole = together(words(photos, tmp_path / "whole", PLAIN, *more), tmp_path / "log")
    assert end(whole) == [0, 0]
    assert_same(tmp_path / "whole", tmp_path / "torn")


@pytest.mark.parametrize("killed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_where_one_process_dies_all_end_and_can_go_on(tmp_path, killed):
    photos, torn = pictures(tmp_path / "photos"), tmp_path / "torn"
    two = together(words(photos, torn, PLAIN, "--save-every", "0.0005", epochs=200), tmp_path / "log")
    two[0].until(lambda: step(torn) >= 5)
    two[killed].process.kill()
    begun = time.monotonic()
    other = two[1 - killed]
    assert other.end() == 2
    assert time.monotonic() - begun < 30
    told = "striate: the 2 processes of a training need each other, but one of them has ended; what the training kept"
    assert told in other.said
    assert "Traceback" not in other.said
    at = step(torn)
    again = together(["train", "--resume", torn, "--save-every", "0.0005"], tmp_path / "log")
    again[0].until(lambda: step(torn) > at)
    for training in again:
        training.signal(signal.SIGTERM)
    assert end(again) == [143, 143]


def test_another_number_of_processes_cannot_go_on(tmp_path):
    photos, torn = pictures(tmp_path / "photos"), tmp_path / "torn"
    two = together(words(photos, torn, PLAIN, epochs=1), tmp_path / "log")
    assert end(two) == [0, 0]
    (torn / "result.json").unlink()  # as if it had been killed just before
    alone = Training(["train", "--resume", torn, "--quiet"], tmp_path / "alone")
    assert alone.end() == 2
    assert "was begun by 2 processes and is now to go on with 1," in alone.said


def test_a_batch_that_cannot_be_dealt_out_is_refused(tmp_path):
    photos = pictures(tmp_path / "photos")
    two = together(words(photos, tmp_path / "odd", batch=9), tmp_path / "log")
    assert end(two) == [2, 2]
    told = "striate: a batch is dealt out evenly, but 9 pictures are to go to 2 processes; --batch-size 8 would fit\n"
    assert two[0].said.endswith(told)


@pytest.mark.slow
def test_torchrun_keeps_the_step_when_it_is_asked_to_end(tmp_path):
    photos, torn = pictures(tmp_path / "photos"), tmp_path / "torn"
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "striate"]
    command = [*run, *map(str, words(photos, torn, PLAIN, epochs=4000))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            limit = time.monotonic() + 60
            while step(torn) < 1 and time.monotonic() < limit and process.poll() is None:
                time.sleep(0.01)
            process.terminate()
            _, said = process.communicate(timeout=40)
        finally:
            process.terminate()
    assert f"stopped after step {step(torn)}, which is kept; `striate train --resume {torn}` goes on" in said
