"""One training at a time writes into a folder."""

import fcntl
import json
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from striate.errors import StriateError
from striate.files import writing

LONGEST = 100_000  # bytes that are read of what a lock's file says


@contextmanager
def occupied(folder: Path) -> Iterator[list[str]]:
    """Keep other processes from writing into a folder; gives sentences to tell.

    What counts is the system's lock on the file `lock`, which goes with the process, however it ends. The file says for
    people who holds it. It is emptied at the end, so one that is full but not locked is of a process that was killed.
    It stays, unless the folder was made for it and nothing else came into it: then both go, and leave nothing.

    Parameters
    ----------
    folder
        where this process is going to write; made if it is not there
    """
    path, made = folder / "lock", not folder.exists()
    while (file := _locked(path)) is None:
        pass
    try:
        with writing(path):
            last = path.read_bytes()
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps(_this_process()).encode(), 0)
        try:
            yield [f"{_told(last)}, which wrote into {folder} last, ended without finishing"] if last else []
        finally:
            os.ftruncate(file, 0)
            if made and [item.name for item in folder.iterdir()] == [path.name]:
                path.unlink()
                with suppress(OSError):  # another process has come by now
                    folder.rmdir()
    finally:
        os.close(file)


def _locked(path: Path) -> int | None:
    """The file, opened and locked; None where it was removed meanwhile, so that its lock keeps nobody out."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path):
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(file).st_ino:
                return file
        except FileNotFoundError:
            pass
        except BlockingIOError:
            holder = _told(os.pread(file, LONGEST, 0))
            os.close(file)
            raise StriateError(
                f"{path.parent} is being written by {holder}; wait for it or choose another --output"
            ) from None
        os.close(file)
        return None


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
