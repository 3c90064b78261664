"""A tree of files, whether it is a folder on the disk or an archive (`archives.py`): listed once, read in any order."""

# os.path, for a Path per file would be most of the time of listing 100,000
# ruff: noqa: PTH113, PTH114, PTH116, PTH118

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from striate.data.dataset import Problem
from striate.errors import DataError, PictureError
from striate.show.names import printable

KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}


class Entry(NamedTuple):
    """A file of a tree: its size in bytes, and a number that changes with its content."""

    size: int
    stamp: int


class Tree(Protocol):
    """Files under names such as 'train/cat/1.jpg', whose bytes that are not UTF-8 are Python's surrogates.

    where
        how people call it
    problems
        what was met and cannot be used: links that lead out of it, FIFOs, members with '..', encrypted ones
    notes
        what a person should know
    """

    where: str
    problems: list[Problem]
    notes: list[str]

    def entries(self) -> dict[str, Entry]:
        """Every file."""
        ...

    def folders(self) -> Collection[str]:
        """Every folder below the root, the empty ones too."""
        ...

    def find(self, name: str) -> Entry | None:
        """One file, without listing all; None where there is none."""
        ...

    def read(self, name: str) -> bytes:
        """A file's bytes; several threads may read at once."""
        ...


class Folder:
    """A folder on the disk. Links are followed inside of it, and never out of it.

    Parameters
    ----------
    root
        the folder
    where
        how people call it; without it, the path
    only
        the names of the files that belong to it, where it is not all
    fenced
        whether it has no file outside of it, which a table that someone wrote may name
    """

    def __init__(self, root: Path, where: str = "", only: Collection[str] | None = None, fenced: bool = True):
        self.root = os.path.realpath(root)
        self.where = where or str(root)
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self._only, self._fenced = only, fenced
        self._files: dict[str, Entry] | None = None
        self._folders: list[str] = []
        self._real: dict[str, str] = {}

    def entries(self) -> dict[str, Entry]:
        """Every file."""
        if self._files is None:
            if self._only is None:
                self._files = dict(self._walk())
            else:
                self._files = {name: entry for name in self._only if (entry := self.find(name))}
        return self._files

    def folders(self) -> Collection[str]:
        """Every folder below the root, the empty ones too."""
        self.entries()
        return self._folders

    def find(self, name: str) -> Entry | None:
        """One file, without listing all; None where there is none, or where it lies outside."""
        folder, file = os.path.split(os.path.join(self.root, name))
        if folder not in self._real:  # many pictures share one, and finding out costs
            self._real[folder] = os.path.realpath(folder)
        path = os.path.join(self._real[folder], file)
        try:
            if os.path.islink(path):
                path = os.path.realpath(path)
            status = os.stat(path)
        except (OSError, ValueError):
            return None
        usable = (self._inside(path) or not self._fenced) and stat.S_ISREG(status.st_mode)
        return Entry(status.st_size, status.st_mtime_ns) if usable else None

    def has_outside(self, name: str) -> bool:
        """Whether a name leads to a file that is not found because it lies outside."""
        path = os.path.realpath(os.path.join(self.root, name)) if "\0" not in name else self.root
        return self._fenced and os.path.isfile(path) and not self._inside(path)

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        try:
            with open(os.path.join(self.root, name), "rb", opener=_open_at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise PictureError(f"{printable(name)} is no file any more, but something else took its place")
                return file.read()
        except MemoryError as error:
            raise PictureError(f"{printable(name)} does not fit into the memory") from error
        except OSError as error:
            raise PictureError(f"{printable(name)} cannot be read: {error.strerror}") from error

    def _inside(self, path: str) -> bool:
        return path == self.root or path.startswith(os.path.join(self.root, ""))

    def _walk(self) -> Iterator[tuple[str, Entry]]:
        """Every file; a folder's own before those of the folders in it."""
        linked: set[str] = (
            set()
        )  # folders that a link leads to: each is entered through one link only, or it may never end
        waiting: list[tuple[str, tuple[str, ...]]] = [
            ("", (self.root,))
        ]  # names of folders, and the real folders that lead to each
        while waiting:
            folder, chain = waiting.pop()
            for item in self._items(folder):
                name = os.path.join(folder, item.name)
                try:
                    status = item.stat()
                except OSError as error:
                    what = "is a link that leads nowhere or in a circle" if item.is_symlink() else "cannot be read"
                    self._problem(name, f"{what}: {error.strerror}")
                    continue
                link = os.path.realpath(item.path) if item.is_symlink() else ""
                if link and not self._inside(link):
                    self._problem(name, f"is a link that leads out of {printable(self.where)}; a copy would be read")
                elif stat.S_ISREG(status.st_mode):
                    yield name, Entry(status.st_size, status.st_mtime_ns)
                elif not stat.S_ISDIR(status.st_mode):
                    kind = KINDS.get(stat.S_IFMT(status.st_mode), "of an unknown kind")
                    self._problem(name, f"is {kind}, but a picture is a file")
                elif link in chain:
                    self._problem(name, "is a link to a folder that it lies in, so it would never end")
                elif link in linked:
                    self._problem(name, "is a link to a folder that another link leads to")
                else:
                    linked.update([link] if link else [])
                    self._folders.append(name)
                    waiting.append((name, (*chain, link or os.path.join(chain[-1], item.name))))

    def _items(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(os.path.join(self.root, folder)) as listing:
                return sorted(listing, key=lambda item: item.name)
        except OSError as error:
            if not folder:
                raise DataError(f"{printable(self.where)} cannot be listed: {error.strerror}") from error
            self._problem(folder, f"cannot be listed: {error.strerror}")
            return []

    def _problem(self, name: str, reason: str) -> None:
        self.problems.append(Problem(name, f"{printable(name)} {reason}"))


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO would wait for a writer, perhaps for ever


class Below:
    """What lies in one folder of a tree.

    Parameters
    ----------
    tree
        the whole
    folder
        the folder's name in it
    """

    def __init__(self, tree: Tree, folder: str):
        self.where, self.problems, self.notes = tree.where, tree.problems, tree.notes
        self._tree, self._folder = tree, f"{folder}/"

    def entries(self) -> dict[str, Entry]:
        """Every file in it."""
        start = len(self._folder)
        return {name[start:]: entry for name, entry in self._tree.entries().items() if name.startswith(self._folder)}

    def folders(self) -> Collection[str]:
        """Every folder in it."""
        return [name[len(self._folder) :] for name in self._tree.folders() if name.startswith(self._folder)]

    def find(self, name: str) -> Entry | None:
        """One file; None where there is none."""
        return self._tree.find(self._folder + name)

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        return self._tree.read(self._folder + name)
