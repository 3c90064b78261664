"""The first signal lets a step finish, the second ends the process at once."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from striate.train.keep.stopping import Stopping

STEPS = """
import time
from striate.train.keep.stopping import Stopping
with Stopping() as stopping:
    assert stopping.heard
    print("ready", flush=True)
    for step in range(1000):
        time.sleep(0.05)
        print("step", flush=True)
        if stopping.signal:
            break
print("saved", int(stopping.signal), flush=True)
"""

# sits in calls into C that last: one keeps the interpreter's lock, one gave it away, one waits for what never comes
STUCK = """
import hashlib, itertools, sys, threading
from striate.train.keep.stopping import Stopping
with Stopping() as stopping:
    print("ready", flush=True)
    if sys.argv[1] == "counting":
        sum(itertools.repeat(0))
    elif sys.argv[1] == "lock":
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    else:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""

RUNNING = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@contextmanager
def started(code: str, *words: str) -> Iterator[subprocess.Popen]:
    with subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def wait_until_noted(process: subprocess.Popen, number: int) -> None:
    """Until the system has handed the first signal over: two at a time would count as one."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        caught = int(next(line.split()[1] for line in lines if line.startswith("SigCgt")), 16)
        if not caught >> (number - 1) & 1:
            return
        time.sleep(0.005)
    pytest.fail("the first signal was not noted")


@RUNNING
def test_the_first_signal_lets_the_step_finish(number):
    with started(STEPS) as process:
        process.send_signal(number)
        out = process.communicate(timeout=20)[0]
    assert process.returncode == 0
    assert out.endswith(f"step\nsaved {int(number)}\n")


@RUNNING
@pytest.mark.parametrize("where", ["counting", "lock", "call"])
def test_the_second_signal_ends_the_process_at_once(number, where):
    with started(STUCK, where) as process:
        time.sleep(0.1)  # until it is stuck
        process.send_signal(number)
        wait_until_noted(process, number)
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(20) == -number  # 128 + number in a shell


def test_the_second_signal_may_be_the_other_one():
    with started(STUCK, "lock") as process:
        process.send_signal(signal.SIGINT)
        wait_until_noted(process, signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM


def test_what_is_ignored_stays_ignored():
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    with started(ignoring + STEPS) as process:
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20)[0].endswith(f"saved {int(signal.SIGTERM)}\n")


def test_the_handlers_from_before_come_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ZeroDivisionError), Stopping() as stopping:
        assert stopping.heard
        signal.raise_signal(signal.SIGTERM)
        assert stopping.signal == signal.SIGTERM
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_outside_the_main_thread_nothing_is_heard():
    before = signal.getsignal(signal.SIGINT)
    told = []

    def work() -> None:
        with Stopping() as stopping:
            told.append((stopping.heard, stopping.signal, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert told == [(False, None, before)]
