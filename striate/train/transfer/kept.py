"""Numbers of each picture, kept in a folder of the cache: one row a picture, each with a sum that tells damage.

Rows lie in a `Store`: a kill leaves whole rows behind, and several processes may fill one folder. A folder comes into
being with its header inside, so one without, or with another, was damaged or is of another version, and is made anew.
"""

import hashlib
import json
import shutil
import threading
import zlib
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np

from striate.data.store import Store
from striate.files import PART, write_whole, writing
from striate.show.names import printable
from striate.show.numbers import count

VERSION = 1  # of the files
SUM = "sum of the row"  # its last field; no stage can be called so


class Kept:
    """Rows of numbers, one for each of n pictures.

    Parameters
    ----------
    folder
        where they are; made if it is not there
    rows
        how many there are
    fields
        the type and the shape of what a row holds, by name
    about
        what they depend on, as plain values
    instead
        what would do where the disk has no room, for the message
    """

    def __init__(
        self, folder: Path, rows: int, fields: dict[str, tuple[type, tuple[int, ...]]], about: dict, instead: str
    ):
        self.folder, self.notes = folder, list[str]()
        self.type = np.dtype([*((name, *field) for name, field in fields.items()), (SUM, "<u4")])
        shapes = np.tile([1, 1, self.type.itemsize], (rows, 1))
        pixels = folder / "pixels"
        with writing(folder):
            self._begin({"version": VERSION, "fields": str(self.type), "rows": rows, **about})
            length = pixels.stat().st_size if pixels.exists() else 0
        if 0 < length < rows * self.type.itemsize:
            self.notes.append(f"{printable(pixels)} was cut short, so its features are made anew")
        self.store = Store(shapes, folder, about, instead)
        self.rows = self.store.all.view(self.type)  # (rows,)
        self.there = np.array([self._whole(place) for place in range(rows)], bool)
        if damaged := sum(self.store.get(place) is not None for place in np.flatnonzero(~self.there).tolist()):
            self.notes.append(
                f"in {printable(pixels)} the features of {count(damaged)} were damaged, so they are made anew"
            )

    def put(self, place: int, row: np.ndarray) -> None:
        """Keep a row, (1,) of `type`; its sum is added."""
        content = bytearray(row.tobytes())
        width = self.type[SUM].itemsize
        content[-width:] = zlib.crc32(content[:-width]).to_bytes(width, "little")
        self.store.put(place, np.frombuffer(content, np.uint8)[None, None])
        self.there[place] = True

    def settle(self) -> None:
        """Make sure, without waiting, that the rows outlive a failure of the power."""
        threading.Thread(target=self.store.complete, name="striate cache").start()

    def clear(self) -> None:
        """Give back the room of the rows, but leave the remarks."""
        for name in ("pixels", "there", "complete"):
            (self.folder / name).unlink(missing_ok=True)

    def _whole(self, place: int) -> bool:
        """Whether a row is there, and as it was written."""
        row = self.store.get(place)
        if row is None:
            return False
        content, width = memoryview(row.tobytes()), self.type[SUM].itemsize
        return zlib.crc32(content[:-width]) == int.from_bytes(content[-width:], "little")

    def _begin(self, about: dict[str, Any]) -> None:
        """Make the folder, unless it is there and what it should be."""
        header = _signed(about)
        if self.folder.exists():
            with suppress(OSError):
                if (self.folder / "header.json").read_bytes() == header:
                    return
            self.notes.append(
                f"{printable(self.folder)} was made by another version of striate, or its header is damaged, "
                "so its features are made anew"
            )
            gone = self._beside()
            self.folder.replace(gone)  # at once, whoever else looks
            shutil.rmtree(gone, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        made = self._beside()
        made.mkdir()
        write_whole(made / "header.json", lambda file: file.write(header))
        try:
            made.rename(self.folder)
        except OSError:
            if not self.folder.exists():
                raise
            shutil.rmtree(made)  # another process was faster

    def _beside(self) -> Path:
        return self.folder.with_name(f".{token_hex(8)}{PART}")


def remark(folder: Path, name: str, values: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Keep a few values beside the rows, or ask for those that are kept; None where there are none.

    Parameters
    ----------
    folder
        of the rows
    name
        what the values are
    values
        what to keep
    """
    path = folder / f"{name}.json"
    if values is not None:
        write_whole(path, lambda file: file.write(_signed(values)))
        return values
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = path.read_bytes()
        values = json.loads(content)["values"]
        return values if content == _signed(values) else None
    return None


def _signed(values: Any) -> bytes:
    """Plain values as JSON that tells whether a byte of it was changed."""
    total = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return json.dumps({"values": values, "sum": total}, indent=2).encode()
