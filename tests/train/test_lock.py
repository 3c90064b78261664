"""One process at a time in a folder."""

import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from striate.errors import StriateError
from striate.train.keep.lock import occupied

HOLDER = """
import sys
from pathlib import Path
from striate.errors import StriateError
from striate.train.keep.lock import occupied
try:
    with occupied(Path(sys.argv[1])) as notes:
        print("in", notes, flush=True)
        sys.stdin.read()
except StriateError as error:
    print("out", error, flush=True)
"""


def holder(folder) -> subprocess.Popen:
    words = [sys.executable, "-c", HOLDER, folder, "--epochs", "3 or 4"]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_second_process_is_told_who_holds_the_folder(tmp_path):
    folder = tmp_path / "runs" / "pets"
    with holder(folder) as first:
        assert first.stdout
        assert first.stdout.readline() == "in []\n"
        who = rf"process {first.pid} on {re.escape(socket.gethostname())} \(-c \S+ --epochs '3 or 4', since 20\S+\)"
        told = rf"^{folder} is being written by {who}; wait for it or choose another --output$"
        with pytest.raises(StriateError, match=told), occupied(folder):
            pass
        with holder(folder) as second:
            assert f"is being written by process {first.pid} on" in second.communicate("", timeout=60)[0]
        first.communicate("", timeout=60)
    with occupied(folder) as notes:
        assert notes == []


def test_the_lock_of_a_killed_process_is_free_and_told(tmp_path):
    with holder(tmp_path) as first:
        assert first.stdout
        first.stdout.readline()
        first.send_signal(signal.SIGKILL)
    with occupied(tmp_path) as notes:
        (note,) = notes
        assert note.startswith(f"process {first.pid} on {socket.gethostname()} (-c ")
        assert note.endswith(f", which wrote into {tmp_path} last, ended without finishing")
    with occupied(tmp_path) as notes:
        assert notes == []


def test_of_many_processes_at_once_one_gets_in(tmp_path):
    several = [holder(tmp_path) for _ in range(4)]
    first = [process.stdout.readline() for process in several]
    assert sorted(line.split()[0] for line in first) == ["in", "out", "out", "out"]
    for process in several:
        process.communicate("", timeout=60)


def test_a_mistake_inside_frees_the_folder(tmp_path):
    for mistake in (ZeroDivisionError, KeyboardInterrupt, OSError):
        with pytest.raises(mistake), occupied(tmp_path):
            raise mistake
    with occupied(tmp_path) as notes:
        assert notes == []
        said = json.loads((tmp_path / "lock").read_text())
        assert (said["pid"], said["host"]) == (os.getpid(), socket.gethostname())
        with pytest.raises(StriateError, match=f"being written by process {os.getpid()} "), occupied(tmp_path):
            pass
    assert (tmp_path / "lock").read_bytes() == b""


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b"\xff", b"7", b"[" * 1000])
def test_a_file_that_says_nothing_of_use_is_still_told(tmp_path, content):
    (tmp_path / "lock").write_bytes(content)
    with occupied(tmp_path) as notes:
        assert notes == [f"another process, which wrote into {tmp_path} last, ended without finishing"]
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
        (tmp_path / "lock").write_bytes(content)
        with pytest.raises(StriateError, match="is being written by another process; wait"), occupied(tmp_path):
            pass


def test_the_module_is_called_by_the_programs_name(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/striate/__main__.py", "train", "my pets"])
    with occupied(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["command"] == "striate train 'my pets'"


def test_a_folder_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StriateError, match="taken cannot be written: File exists"), occupied(tmp_path / "taken"):
        pass
    (tmp_path / "lock").mkdir()
    with pytest.raises(StriateError, match="lock cannot be written: Is a directory"), occupied(tmp_path):
        pass
