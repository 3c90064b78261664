"""What happened in a training, line by line: each a JSON object, in a file that any program can follow."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from striate.errors import StriateError
from striate.files import keep_names, writing

SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}  # numbers that JSON lacks; written as these texts


class History:
    """A file to which lines are added. Only the last can be torn, and whoever opens or reads the file drops that.

    Parameters
    ----------
    path
        the file; a line at its end that a killed process or a power failure cut off is removed
    """

    def __init__(self, path: Path):
        self.path = path
        self.cut(self.length)

    @property
    def length(self) -> int:
        """Bytes; what `cut` needs to come back here."""
        with writing(self.path):
            return self.path.stat().st_size if self.path.exists() else 0

    def add(self, /, **values: Any) -> None:
        """Append a line. A process that is killed in the middle of it leaves a part of the line, without its end.

        Parameters
        ----------
        values
            what JSON can hold, and numbers that are not finite
        """
        line = json.dumps(_each(values, _as_json), allow_nan=False).encode() + b"\n"
        with writing(self.path):
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                before = os.fstat(file).st_size
                try:
                    written = os.write(file, line)
                    while written < len(line):  # the disk is full: the next call says so
                        written += os.write(file, line[written:])
                except BaseException:
                    os.ftruncate(file, before)
                    raise
            finally:
                os.close(file)

    def sync(self) -> None:
        """Make sure that a power failure leaves what was added so far."""
        self._change(os.fsync)
        keep_names(self.path.parent)

    def cut(self, length: int) -> list[str]:
        """Forget what came after a moment; gives sentences to tell where the file is not what it was then.

        Parameters
        ----------
        length
            of the file at that moment
        """
        with writing(self.path):
            content = self.path.read_bytes() if self.path.exists() else b""
        whole = content[:length].rfind(b"\n") + 1
        if whole < len(content):
            self._change(lambda file: os.ftruncate(file, whole))
        if whole == length:
            return []
        return [f"{self.path} must have {length:,} bytes from before, but {whole:,} are left: lines are missing"]

    def _change(self, how: Callable[[int], object]) -> None:
        with writing(self.path):
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                how(file)
            finally:
                os.close(file)


def read_history(path: Path) -> list[dict[str, Any]]:
    """The lines of a history, without one at its end that is cut off.

    Parameters
    ----------
    path
        the file; where there is none, nothing happened yet
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StriateError(f"{path} cannot be read: {error.strerror or error}") from error
    rows = []
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            start = line[:40].decode(errors="replace")
            raise StriateError(f"each line of {path} must be a JSON object, but line {number} is {start!r}")
        rows.append(_each(row, _from_json))
    return rows


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _each(inner, change) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_each(inner, change) for inner in value]
    return change(value)


def _as_json(value: Any) -> Any:
    return str(float(value)) if isinstance(value, float) and not math.isfinite(value) else value


def _from_json(value: Any) -> Any:
    return SPECIAL.get(value, value) if isinstance(value, str) else value
