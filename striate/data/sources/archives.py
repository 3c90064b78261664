"""Zip and tar archives as trees: listed once, then read in any order by any thread, unpacked onto no path."""

import os
import posixpath
import stat
import struct
import tarfile
import weakref
import zipfile
import zlib
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from striate.data.dataset import Problem
from striate.data.sources.trees import Entry
from striate.data.sources.unpacking import oversized, plain_tar
from striate.errors import DataError, PictureError
from striate.show.names import listed, printable
from striate.show.numbers import memory

HOPS = 40  # links that lead to links


@dataclass(frozen=True)
class Member:
    """Where a member of an archive lies in its file: `start` of its bytes (tar) or of its header (zip)."""

    entry: Entry
    start: int
    packed: int
    method: int = zipfile.ZIP_STORED


class Archive:
    """What zip and tar have in common. Threads share one open file: each reads at a place, and nobody moves it.

    Parameters
    ----------
    path
        the archive
    where
        how people call it; without it, the path
    """

    def __init__(self, path: Path, where: str = ""):
        self.where = where or str(path)
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self._members: dict[str, Member] = {}
        self._folders: dict[str, None] = {}  # in order
        self._links: dict[str, str] = {}
        self._twice: list[str] = []
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def entries(self) -> dict[str, Entry]:
        """Every file."""
        return {name: member.entry for name, member in self._members.items()}

    def folders(self) -> Collection[str]:
        """Every folder, the empty ones too."""
        return self._folders

    def find(self, name: str) -> Entry | None:
        """One file; None where there is none."""
        member = self._members.get(posixpath.normpath(name))
        return member and member.entry

    def read(self, name: str) -> bytes:
        """A file's bytes, never more than the archive's list says."""
        member = self._members[posixpath.normpath(name)]
        try:
            content = self._unpack(member)
        except (OSError, zlib.error, struct.error) as error:
            raise PictureError(f"{printable(name)} cannot be unpacked from {printable(self.where)}: {error}") from error
        if len(content) != member.entry.size:
            raise PictureError(
                f"{printable(name)} should have {member.entry.size:,} bytes, but {printable(self.where)} holds "
                f"{'more' if len(content) > member.entry.size else f'only {len(content):,}'}"
            )
        return content

    def _unpack(self, member: Member) -> bytes:
        return os.pread(self._file, member.entry.size, member.start)

    def _add(self, name: str, member: Member | str | None, refused: str = "") -> None:
        """Note one member: a file, a link to a name, or a folder; under a name that stays inside."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        clean = "/".join(parts)
        if name.startswith("/") or ".." in parts:
            refused = f"has a name that leads out of {printable(self.where)}, so it is not read; pack it without"
        elif member is not None and not parts:
            refused = "has no name, so it is not read"
        elif isinstance(member, Member) and not refused:
            refused = oversized(member.entry.size, member.packed)
        if refused:
            self.problems.append(Problem(name, f"{printable(name)} {refused}"))
            return
        if member is None:
            self._folders.update({clean: None} if clean else {})
        elif isinstance(member, str):
            self._links[clean] = member
        else:
            if clean in self._members:
                self._twice.append(clean)
            self._members[clean] = member
        for deep in range(1, len(parts)):
            self._folders["/".join(parts[:deep])] = None

    def _finish(self) -> None:
        """Follow the links, when all members are known."""
        if self._twice:
            self.notes.append(f"packed more than once, of which the last is read: {listed(self._twice)}")
        for name, target in self._links.items():
            for _ in range(HOPS):
                if target not in self._links:
                    break
                target = self._links[target]
            if target in self._members:
                self._members[name] = self._members[target]
            else:
                out = target.startswith(("/", ".."))
                why = "leads out of the archive" if out else "leads to no file in it"
                self.problems.append(Problem(name, f"{printable(name)} is a link that {why}; a copy would be read"))


class Zip(Archive):
    """A zip archive."""

    def __init__(self, path: Path, where: str = ""):
        super().__init__(path, where)
        try:
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    self._add_info(archive, info)
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, struct.error) as error:
            raise DataError(f"{printable(self.where)} is not a zip archive that can be read: {error}") from error
        self._finish()

    def _add_info(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        name = member_name(info)
        mode = stat.S_IFMT(info.external_attr >> 16)
        entry = Entry(info.file_size, info.CRC)
        if name.endswith("/"):
            self._add(name, None)
        elif info.flag_bits & 1:
            self._add(name, None, "is encrypted; unpack it with its password and open the folder")
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            self._add(name, None, f"is packed by method {info.compress_type}; unpack it, or pack it by deflate")
        elif stat.S_ISLNK(mode) and info.file_size <= 4096:
            target = archive.read(info).decode("utf-8", "surrogateescape")
            self._add(name, inside(name, target))
        elif mode not in (0, stat.S_IFREG):
            self._add(name, None, "is a device, FIFO or socket, but a picture is a file")
        else:
            self._add(name, Member(entry, info.header_offset, info.compress_size, info.compress_type))

    def _unpack(self, member: Member) -> bytes:
        head = os.pread(self._file, 30, member.start)
        name_size, extra_size = struct.unpack_from("<HH", head, 26)
        if head[:4] != b"PK\x03\x04":
            raise OSError("its header is not where the list says")
        content = os.pread(self._file, member.packed, member.start + 30 + name_size + extra_size)
        if member.method == zipfile.ZIP_DEFLATED:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, member.entry.size + 1)
        if len(content) == member.entry.size and zlib.crc32(content) != member.entry.stamp:
            raise OSError("its check sum is wrong")
        return content


class Tar(Archive):
    """A tar archive; a compressed one is unpacked once, as a plain tar, into the cache folder."""

    def __init__(self, path: Path, where: str = ""):
        plain = plain_tar(path)
        super().__init__(plain, where or str(path))
        status = path.stat()
        self._version = f"{status.st_size} {status.st_mtime_ns}"
        if plain != path:
            size = memory(plain.stat().st_size)
            self.notes.append(f"{printable(path.name)} is read from its unpacked copy in {plain.parent} ({size})")
        try:
            with tarfile.open(plain, "r:", encoding="utf-8", errors="surrogateescape") as archive:
                for info in archive:
                    self._add_info(info)
        except (tarfile.TarError, OSError, ValueError) as error:
            raise DataError(f"{printable(self.where)} is not a tar archive that can be read: {error}") from error
        self._finish()

    def _add_info(self, info: tarfile.TarInfo) -> None:
        if info.isdir():
            self._add(info.name, None)
        elif info.issym():
            self._add(info.name, inside(info.name, info.linkname))
        elif info.islnk():
            self._add(info.name, posixpath.normpath(info.linkname))
        elif info.isreg() and info.sparse is None:
            # many tars say 1970 of all members, so that another tar at this path must change the stamp, too
            stamp = blake2b(f"{self._version} {info.offset_data} {info.mtime}".encode(), digest_size=7)
            entry = Entry(info.size, int.from_bytes(stamp.digest()))
            self._add(info.name, Member(entry, info.offset_data, info.size))
        else:
            self._add(info.name, None, "is a device, FIFO or sparse file, but a picture is a whole file")


def inside(name: str, target: str) -> str:
    """The name that a link leads to: absolute, or with '..' in front, where that is outside."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


def member_name(info: zipfile.ZipInfo) -> str:
    """Its name as whoever packed it saw it: UTF-8 that does not say so, and Windows' backslashes."""
    name = info.filename
    if not info.flag_bits & 0x800:  # says that names are UTF-8; macOS writes UTF-8 without saying so
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/") if info.create_system == 0 else name
