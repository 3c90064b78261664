"""A training that is killed again and again ends as if nothing had happened."""

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from training import NET, Training, assert_same, pictures, step

from striate.files import PART

MIXED = ["--mixup", "0.3", "--ema", "0.9"]
PLAIN = ["--optimizer", "adamw", "--accumulate", "2", "--clip", "1", "--label-smoothing", "0.1"]
LARGE = NET.replace("fc 32", "fc 2048")  # its checkpoints of 13 MB take a while
OFTEN = "0.0003"  # minutes between two checkpoints: one after nearly every step


def begun(photos: Path, net: str, more: list[str], folder: Path, pause: str) -> list[Any]:
    return [
        *("train", photos, "--net", net, "--size", "16x16", "--batch-size", "8", "--distortion", "photo", *more),
        *("--save-every", pause, "--quiet", "--output", folder),
    ]


def is_saving(folder: Path) -> bool:
    return any(name.endswith(PART) for name in os.listdir(folder / "last"))  # noqa: PTH208 (fast)


def tear(words: list[Any], folder: Path, log: Path, kills: int, aimed: float, choose: random.Random) -> int:
    """Begin a training and kill it so many times, a share of them aimed at its saving; gives how many hit that."""
    inside = 0
    for _ in range(kills):
        training = Training(words, log)
        target = max(step(folder), 0) + choose.randint(1, 5)
        training.until(lambda target=target: step(folder) >= target)
        if choose.random() < aimed:
            training.until(lambda: is_saving(folder), pause=0)
        else:
            time.sleep(choose.random() / 20)
        training.process.kill()
        assert training.end() == -9, training.said
        inside += is_saving(folder)
        words = ["train", "--resume", folder, "--workers", choose.choice("1234"), "--quiet", "--save-every", OFTEN]
    assert Training(words, log).end() == 0, log.read_text()
    return inside


@pytest.mark.parametrize("more", [MIXED, pytest.param(PLAIN, marks=pytest.mark.slow)], ids=["mixed", "plain"])
def test_a_training_that_is_killed_five_times_ends_the_same(tmp_path, more):
    photos, log, more = pictures(tmp_path / "photos"), tmp_path / "log", [*more, "--epochs", "8.5"]
    other = Training(begun(photos, NET, more, tmp_path / "whole", "100"), log)
    words = begun(photos, NET, more, tmp_path / "torn", OFTEN)
    tear(words, tmp_path / "torn", log, 5, 0.5, random.Random(1))
    assert other.end() == 0, log.read_text()
    assert_same(tmp_path / "whole", tmp_path / "torn")


@pytest.mark.slow
def test_a_training_that_is_killed_fifty_times_ends_the_same_though_it_was_saving(tmp_path):
    photos, log, more = pictures(tmp_path / "photos"), tmp_path / "log", [*MIXED, "--epochs", "50"]
    other = Training(begun(photos, LARGE, more, tmp_path / "whole", "100"), log)
    words = begun(photos, LARGE, more, tmp_path / "torn", OFTEN)
    inside = tear(words, tmp_path / "torn", log, 50, 0.5, random.Random(2))
    assert other.end() == 0, log.read_text()
    assert inside >= 10
    assert_same(tmp_path / "whole", tmp_path / "torn")
