"""One training at a time writes into a folder."""

import fcntl
import json
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from striate.errors import StriateError
from striate.files import writing


@contextmanager
def occupied(folder: Path) -> Iterator[list[str]]:
    """Keep other processes from writing into a folder; gives sentences to tell.

    What counts is the system's lock on the file `lock`, which goes with the process, however it ends. The file says for
    people who holds it. It is emptied at the end, so one that is full but not locked is of a process that was killed.
    (It stays: a removed one would let two processes in, one that waits at the old file and one that makes a new.)

    Parameters
    ----------
    folder
        where this process is going to write; made if it is not there
    """
    path = folder / "lock"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with writing(path):
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with writing(path):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StriateError(
                    f"{folder} is being written by {_told(path.read_bytes())}; wait for it or choose another --output"
                ) from None
            last = path.read_bytes()
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps(_this_process()).encode(), 0)
        try:
            yield [f"{_told(last)}, which wrote into {folder} last, ended without finishing"] if last else []
        finally:
            os.ftruncate(file, 0)
    finally:
        os.close(file)


def _this_process() -> dict[str, str | int]:
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": shlex.join([name, *sys.argv[1:]]),
        "since": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _told(content: bytes) -> str:
    """Who wrote a lock's file, as far as it says so."""
    try:
        holder = json.loads(content)
        return f"process {holder['pid']} on {holder['host']} ({holder['command']}, since {holder['since']})"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "another process"
