"""Store: the pixels of many pictures of known sizes, in memory or in one memory-mapped file; filled as they come.

A store on disk is safe without locks. Each picture has its place, so two processes that fill one store write the same
bytes to the same places; a picture counts as there only after all of its bytes are; and since a power failure may lose
bytes that a flag already promised, a store that is not complete is not used after the machine was restarted.
"""

import json
import os
import shutil
import weakref
from contextlib import suppress
from pathlib import Path

import numpy as np

from striate.errors import DataError, StriateError
from striate.files import write_whole
from striate.show.numbers import memory

SPARE = 2**28  # bytes of the disk or of memory that a store leaves free
INSTEAD = "cache 'off' decodes every time, and 'ram' keeps pixels in memory"


class Store:
    """Pixels of n pictures.

    Parameters
    ----------
    shapes
        (n, 3) height, width and channels of each
    folder
        where the file lies; None keeps the pixels in memory
    about
        what the store holds, written beside it for people
    instead
        what would do where the disk has no room, for the message
    """

    def __init__(self, shapes: np.ndarray, folder: Path | None, about: dict | None = None, instead: str = INSTEAD):
        self.shapes = shapes
        self.ends = np.cumsum(shapes.astype(np.int64).prod(axis=1))
        self.starts = np.concatenate([[0], self.ends[:-1]]).astype(np.int64)
        self.folder, self.instead = folder, instead
        if folder is None:
            check_memory(self.bytes)
            self._pixels = np.empty(self.bytes, np.uint8)  # takes memory only as it is filled
            self._there = np.zeros(len(shapes), np.uint8)
            return
        check_disk(folder, self.bytes, instead)
        with _told(folder, instead):
            folder.mkdir(parents=True, exist_ok=True)
            self._flags = os.open(folder / "there", os.O_RDWR | os.O_CREAT, 0o644)
            self._file = os.open(folder / "pixels", os.O_RDWR | os.O_CREAT, 0o644)
            weakref.finalize(self, _close, self._flags, self._file)
            self._forget_what_is_not_safe()
            for file, size in ((self._file, max(1, self.bytes)), (self._flags, max(1, len(shapes)))):
                os.posix_fallocate(file, 0, size)  # the room is taken at once, so that it cannot run out later
            # arrays, not memmaps: a view of one costs several times as much
            self._there = np.asarray(np.memmap(folder / "there", np.uint8, "r", shape=max(1, len(shapes))))
            self._there = self._there[: len(shapes)]
            self._pixels = np.asarray(np.memmap(folder / "pixels", np.uint8, "r+", shape=max(1, self.bytes)))
            self._pixels.flags.writeable = False  # but the memory is, which PyTorch wants of what it only reads
            write_whole(folder / "about.json", lambda file: file.write(json.dumps(about or {}, indent=2).encode()))

    @property
    def bytes(self) -> int:
        """What all pictures take."""
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def all(self) -> np.ndarray:
        """(bytes,) of all pictures, one after the other, not to be written to; anything where one is not there yet."""
        return self._pixels[: self.bytes]

    def get(self, place: int) -> np.ndarray | None:
        """Pixels (height, width, channels), not to be written to; None where they are not there yet."""
        if not self._there[place]:
            return None
        return self._pixels[self.starts[place] : self.ends[place]].reshape(self.shapes[place].tolist())

    def put(self, place: int, pixels: np.ndarray) -> None:
        """Keep the pixels of one picture; from any thread."""
        if tuple(pixels.shape) != tuple(self.shapes[place]):
            raise DataError(f"picture {place} was {tuple(self.shapes[place])}, but is {pixels.shape} now: it changed")
        start = int(self.starts[place])
        if self.folder is None:
            self._pixels[start : start + pixels.size] = pixels.ravel()
            self._there[place] = 1
            return
        with _told(self.folder, self.instead):
            _write(self._file, pixels.ravel(), start)
            _write(self._flags, b"\1", place)

    def complete(self) -> bool:
        """Whether every picture is there; if so, make sure that it stays, also after a power failure."""
        there = bool(self._there.all())
        if there and self.folder and not (self.folder / "complete").exists():
            with suppress(OSError, StriateError):  # such as a folder that somebody cleared: it is filled again, then
                os.fsync(self._file)
                os.fsync(self._flags)
                write_whole(self.folder / "complete", lambda file: None)
        return there

    def _forget_what_is_not_safe(self) -> None:
        """Trust an earlier process' flags only if the machine was not restarted since, or all was safe on the disk."""
        assert self.folder
        complete, boot = self.folder / "complete", self.folder / "boot"
        whole = os.fstat(self._file).st_size >= max(1, self.bytes)  # else somebody cleared a part of the folder
        if not whole:
            complete.unlink(missing_ok=True)
        if whole and (complete.exists() or (boot.exists() and boot.read_text() == _boot())):
            return
        _write(self._flags, bytes(len(self.shapes)), 0)
        write_whole(boot, lambda file: file.write(_boot().encode()))


def _close(*files: int) -> None:
    for file in files:
        os.close(file)


def check_disk(folder: Path, wanted: int, instead: str = INSTEAD) -> None:
    """Refuse what the disk has no room for, beside what is there already."""
    there = (folder / "pixels").stat().st_blocks * 512 if (folder / "pixels").exists() else 0
    free = shutil.disk_usage(next(parent for parent in (folder, *folder.parents) if parent.is_dir())).free
    if wanted > there and wanted - there + SPARE > free:
        raise DataError(
            f"the cache needs {memory(wanted)} in {folder}, where {memory(free)} are free; "
            f"$STRIATE_CACHE names another folder, {instead}"
        )


def free_memory() -> int:
    """Bytes of memory that are free now."""
    with suppress(OSError, StopIteration):  # counts what the system would give back, too
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_memory(wanted: int) -> None:
    """Refuse what would not fit into the memory that is free now."""
    free = free_memory()
    if wanted + SPARE > free:
        raise DataError(
            f"the cache needs {memory(wanted)} of memory, of which {memory(free)} are free; "
            "cache 'disk' keeps it in a file, and 'off' decodes every time"
        )


def _write(file: int, content, start: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(file, view, start)
        view, start = view[written:], start + written


def _boot() -> str:
    """What changes when the machine is restarted; where nothing tells, every process counts as a restart."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"process {os.getpid()}"


class _told:
    """Turns what the system says of a cache's files into one sentence."""

    def __init__(self, folder: Path, instead: str):
        self.folder, self.instead = folder, instead

    def __enter__(self) -> None: ...

    def __exit__(self, kind, failure, trace) -> None:
        if isinstance(failure, OSError):
            raise DataError(
                f"the cache in {self.folder} cannot be written: {failure.strerror or failure}; "
                f"$STRIATE_CACHE names another folder, {self.instead}"
            ) from failure
