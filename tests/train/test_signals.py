"""The first signal ends a training after its step, with everything kept; the second ends it at once."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_stopping import wait_until_noted
from training import NET, Training, assert_same, pictures, step

INTERRUPT = pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)  # as the same code handles both
BOTH = pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), INTERRUPT])


def words(photos: Path, folder: Path, *more: str) -> list[Any]:
    return [
        *("train", photos, "--net", NET, "--size", "16x16", "--batch-size", "8", "--epochs", "4"),
        *("--distortion", "light", "--output", folder, *more),
    ]


@BOTH
def test_a_signal_ends_the_step_keeps_it_and_says_how_to_go_on(tmp_path, number, code):
    photos, torn, log = pictures(tmp_path / "photos"), tmp_path / "torn", tmp_path / "log"
    training = Training(words(photos, torn, "--save-every", "0.0005"), log)
    training.until(lambda: step(torn) >= 5)
    training.signal(number)
    assert training.end() == code, training.said
    kept = step(torn)
    told = f"stopped after step {kept}, which is kept; `striate train --resume {torn}` goes on with it\n"
    assert training.said.endswith(told)
    assert "Traceback" not in training.said
    assert not (torn / "result.json").exists()
    assert (torn / "lock").read_bytes() == b""
    again = Training(["train", "--resume", torn, "--workers", "1"], log)
    assert again.end() == 0, again.said
    assert f"going on from step {kept} of 40\n" in again.said
    assert Training(words(photos, tmp_path / "whole"), log).end() == 0
    assert_same(tmp_path / "whole", torn)


def asleep() -> None:
    """From its tenth step on, a training takes its time."""
    from striate.train import loop

    step = loop._step

    def slow(learner, *others):
        if learner.step >= 10:
            time.sleep(100)
        return step(learner, *others)

    loop._step = slow


@pytest.mark.slow
@BOTH
def test_a_second_signal_ends_it_at_once_and_what_was_kept_is_whole(tmp_path, number, code):
    photos, torn, log = pictures(tmp_path / "photos"), tmp_path / "torn", tmp_path / "log"
    training = Training(words(photos, torn, "--save-every", "1e-9"), log, asleep)
    training.until(lambda: step(torn) == 10)
    training.signal(number)
    wait_until_noted(training.process, number)
    assert training.running
    training.signal(number)
    training.process.join(5)
    assert training.process.exitcode == -number  # a shell says 128 more
    again = Training(["train", "--resume", torn], log)
    assert again.end() == 0, again.said
    assert "ended without finishing" in again.said
    assert Training(words(photos, tmp_path / "whole"), log).end() == 0
    assert_same(tmp_path / "whole", torn)


def test_the_command_of_a_shell_ends_so_too(tmp_path):
    photos, torn = pictures(tmp_path / "photos"), tmp_path / "torn"
    command = [sys.executable, "-m", "striate", *map(str, words(photos, torn, "--save-every", "0.0005"))]
    command[command.index("4")] = "4000"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            limit = time.monotonic() + 60
            while step(torn) < 1 and time.monotonic() < limit and process.poll() is None:
                time.sleep(0.01)
            process.terminate()
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 143, said
    assert said.endswith(f"`striate train --resume {torn}` goes on with it\n")
