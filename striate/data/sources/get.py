"""Well-known pictures with labels, from their official places."""

import fcntl
import json
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from striate.data.sources.download import RemoteFile, download, sha256_of, size_of, tell
from striate.errors import DataError, StriateError, UnknownName
from striate.files import write_whole
from striate.show.numbers import exact, memory

SPARE = 1 << 20  # bytes that a disk should have beyond what is fetched


@dataclass(frozen=True)
class Official:
    """A data set and where it is published.

    Parameters
    ----------
    name
        what `striate get` calls it
    what
        its pictures, in a line
    home
        the page that describes it
    licence
        what may be done with it
    files
        what is fetched
    classes
        names of the labels 0, 1, 2, …, where the files hold numbers only
    note
        what a person should know about the address
    """

    name: str
    what: str
    home: str
    licence: str
    files: tuple[RemoteFile, ...]
    classes: tuple[str, ...] = ()
    note: str = ""


@cache
def official() -> dict[str, Official]:
    """Every data set that can be fetched, by its name."""
    records = json.loads(Path(__file__).with_name("official.json").read_text(encoding="utf-8"))
    return {name: from_record(name, record) for name, record in records.items()}


def from_record(name: str, record: dict) -> Official:
    """A data set as `official.json` describes it."""
    files = tuple(RemoteFile(**file) for file in record["files"])
    return Official(name, **{**record, "files": files, "classes": tuple(record.get("classes", ()))})


def get(name: str, *, to: Path | None = None) -> Path:
    """Fetch a well-known data set from its official place: mnist, fashion-mnist, cifar10, flowers or imagenette.

    A download that was stopped goes on where it was. Files are checked by size and SHA-256 sum, and stay as they are:
    what is returned, a folder or an archive, is what `striate check` and `Dataset.open` take.

    Parameters
    ----------
    name
        mnist, fashion-mnist, cifar10, flowers or imagenette
    to
        the folder for its files; without it, data/NAME below the current one
    """
    if name not in official():
        raise UnknownName("data set", name, official())
    data = official()[name]
    folder = Path("data", name) if to is None else Path(to)
    with made(folder), alone_in(folder):
        missing = [file for file in data.files if not is_there(file, folder)]
        if missing:
            fetch(data, missing, folder)
        else:
            tell(f"{name} is already in {folder}, with the right sums; nothing was fetched")
    names = folder / "classes.txt"
    if data.classes and not names.exists():
        write_whole(names, lambda file: file.write("".join(f"{line}\n" for line in data.classes).encode()))
    first, *more = data.files
    place = folder if more else folder / first.name
    tell(f"next: striate check {shlex.quote(str(place))}")
    return place


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder; where nothing came into it, go without leaving it or those above it that were made for it."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be made: {error.strerror or error}") from error
    try:
        yield
    finally:
        with suppress(OSError):  # of the first that holds something
            for path in new:
                path.rmdir()


@contextmanager
def alone_in(folder: Path, wait: bool = False) -> Iterator[None]:
    """Keep a second process from appending to the same parts; the lock goes with the process, however it ends.

    Parameters
    ----------
    folder
        where they are
    wait
        for the other process to end, as what it fetches is wanted here, too
    """
    place = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if not wait:
                raise DataError(f"one process at a time fetches into a folder, and another is at {folder}") from error
            tell(f"waiting for another process that fetches into {folder}")
            fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def fetch(data: Official, missing: Sequence[RemoteFile], folder: Path) -> None:
    """Download files; whatever goes wrong is told with the way to do it by hand."""
    todo = sum(file.size - min(size_of(folder / f"{file.name}.part"), file.size) for file in missing)
    free = shutil.disk_usage(folder).free
    if free < todo + SPARE:
        raise DataError(f"{data.name} takes {memory(todo)} more, but the disk of {folder} has {memory(free)} left")
    tell(f"{data.name}: {data.what}; {memory(todo)} to fetch into {folder}; licence: {data.licence} ({data.home})")
    if data.note:
        tell(data.note)
    for place, file in enumerate(missing):
        try:
            download(file, folder)
        except StriateError as error:
            raise DataError(f"{error}; {by_hand(missing[place:], folder)}") from error
        except OSError as error:
            raise DataError(f"{folder / file.name} cannot be written: {error.strerror or error}") from error
        except KeyboardInterrupt:
            tell("stopped; the same command goes on where it was")
            raise
        tell(f"{folder / file.name}: {exact(file.size)} bytes, its SHA-256 sum is right")


def is_there(file: RemoteFile, folder: Path) -> bool:
    """Whether a file lies there already; one that is another stops, for it may be somebody's."""
    path = folder / file.name
    if not path.exists():
        return False
    if path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256:
        return True
    raise DataError(
        f"{path} is there, but is not the published file of {exact(file.size)} bytes with the SHA-256 sum "
        f"{file.sha256}; move it away, or give another folder with --to"
    )


def by_hand(files: Sequence[RemoteFile], folder: Path) -> str:
    """What a person can do where the network does not help."""
    steps = (f"\n  {file.address} as {folder / file.name} (SHA-256 {file.sum})" for file in files)
    return f"by hand, save{''.join(steps)}"
