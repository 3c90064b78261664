"""Trainings as processes of their own, which tests kill; and what must be equal whatever happened to them."""

import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from made import encoded, photo

from striate.train.keep.checkpoints import NAME
from striate.train.keep.sealed import load_sealed

# a server that has loaded everything forks a process for each training: to load it anew would take seconds each time
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["striate.train.train", "striate.cli", "torch._dynamo"])
PATIENCE = 180.0  # seconds that a test waits for what takes a few, on a machine that is busy
NET = "conv 3x3x8 same, bn, relu, maxpool 2, dropout 0.2, fc 32, relu, fc 3"


def pictures(folder: Path, classes: str = "abc", each: int = 32) -> Path:
    """A folder of small pictures, a class in each folder in it."""
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            (folder / name / f"{number:02}.png").write_bytes(encoded(photo(100 * place + number, 20, 24)))
    return folder


class Training:
    """`striate train` with these words, as a process.

    Parameters
    ----------
    words
        as one would type them
    log
        a file for what it says
    before
        is called in the new process, before the command
    """

    def __init__(self, words: list[Any], log: Path, before: Callable[[], None] | None = None):
        self.log = log
        self.process = FORK.Process(target=_work, args=([str(word) for word in words], str(log), before), daemon=True)
        self.process.start()

    @property
    def said(self) -> str:
        """On both outputs."""
        return self.log.read_text() if self.log.exists() else ""

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.is_alive()

    def signal(self, number: int) -> None:
        """Send a signal to it."""
        assert self.process.pid
        os.kill(self.process.pid, number)

    def end(self) -> int:
        """Wait for its end; gives the exit code, −9 where it was killed."""
        self.process.join(PATIENCE)
        if self.process.exitcode is None:
            self.process.kill()
            raise AssertionError(f"it goes on and on: {self.said}")
        return self.process.exitcode

    def until(self, true: Callable[[], bool], pause: float = 0.002) -> None:
        """Wait while it runs; an error where it ends before."""
        limit = time.monotonic() + PATIENCE
        while not true():
            assert self.running, f"it ended too early: {self.said}"
            assert time.monotonic() < limit, f"it takes too long: {self.said}"
            time.sleep(pause)


def _work(words: list[str], log: str, before: Callable[[], None] | None) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if before:
        before()
    from striate.cli import main

    main(words)


def step(folder: Path) -> int:
    """The step of a run's newest checkpoint; -1 where there is none."""
    states = folder / "last"
    matches = [NAME.fullmatch(name) for name in (os.listdir(states) if states.exists() else ())]  # noqa: PTH208 (fast)
    return max((int(match[1]) for match in matches if match), default=-1)


def newest(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """A run's newest checkpoint, without what depends on the clock."""
    tensors, about = load_sealed(folder / "last" / f"step-{step(folder):08}.safetensors")
    return tensors, {name: value for name, value in about.items() if name not in ("seconds", "history")}


def epochs(folder: Path) -> list[dict[str, Any]]:
    """The epochs of a run's history, without the clock."""
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [line | {"seconds": 0} for line in lines if line["kind"] == "epoch"]


def assert_equal_tensors(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """The same names, types, shapes and bits."""
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert tensor.dtype == other[name].dtype, name
        assert tensor.shape == other[name].shape, name
        assert tensor.numpy().tobytes() == other[name].numpy().tobytes(), name


def assert_same(one: Path, other: Path) -> None:
    """Two runs ended with the same weights, the same state, the same epochs and the same answers, to the last bit."""
    for tensors, others in (
        (newest(one), newest(other)),
        (load_sealed(one / "model.safetensors"), load_sealed(other / "model.safetensors")),
    ):
        assert_equal_tensors(tensors[0], others[0])
        assert tensors[1] == others[1]
    assert epochs(one) == epochs(other)
    with np.load(one / "predictions.npz") as ours, np.load(other / "predictions.npz") as theirs:
        assert ours["probabilities"].tobytes() == theirs["probabilities"].tobytes()
    results = [json.loads((folder / "result.json").read_text()) | {"seconds": 0} for folder in (one, other)]
    assert results[0] == results[1]
