"""What may be unpacked from an archive, and how much of it: a bomb costs no more than reading its header."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, BinaryIO

from striate.data.caching import cache_folder
from striate.errors import DataError, StriateError
from striate.files import write_whole
from striate.show.names import printable
from striate.show.numbers import memory
from striate.show.progress import track

MEMBER_LIMIT = 2**30  # bytes of one member
RATIO_LIMIT = 100  # unpacked bytes per packed one, of what is larger than the next line; pictures hardly shrink
HARMLESS = 2**26
BLOCK = 2**20
SPARE = 2**30  # bytes of the disk that an unpacked copy must leave free
DECODERS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),  # type: ignore[arg-type]
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}


def oversized(size: int, packed: int) -> str:
    """Why a member is not unpacked, from its header alone; "" where it may be."""
    if max(size, packed) > MEMBER_LIMIT:
        return f"would unpack to {memory(max(size, packed))}, but a member may have {memory(MEMBER_LIMIT)}"
    return inflated(size, packed)


def inflated(size: int, packed: int) -> str:
    """Why so many packed bytes are not unpacked to so many; "" where they may be."""
    if size > max(HARMLESS, RATIO_LIMIT * packed):
        return f"would unpack from {memory(packed)} to {memory(size)}, more than {RATIO_LIMIT} times as much"
    return ""


def decoder(start: bytes) -> Callable[[IO[bytes]], IO[bytes]] | None:
    """What unpacks a file that starts so; None where nothing has to."""
    return next((decoder for magic, decoder in DECODERS.items() if start.startswith(magic)), None)


class Unpacked(io.RawIOBase):
    """What a stream holds, unpacked where it is packed, and never absurdly more than was packed.

    Parameters
    ----------
    file
        the stream; nobody has read from it
    """

    def __init__(self, file: IO[bytes]):
        self._packed = Counted(file)
        buffered = io.BufferedReader(self._packed, BLOCK)
        unpack = decoder(buffered.peek(8))
        self._content: Any = unpack(buffered) if unpack else buffered
        self._is_packed = unpack is not None
        self._size = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, perhaps fewer; none at the end."""
        try:
            content = self._content.read1(size)  # what comes before damage is handed out
        except (lzma.LZMAError, zlib.error) as error:
            raise OSError(str(error)) from error
        self._size += len(content)
        too_many = self._is_packed and inflated(self._size, self._packed.count)
        if too_many:
            raise OSError(f"it {too_many}")
        return content


class Counted(io.RawIOBase):
    """A stream that counts the bytes that were read from it."""

    def __init__(self, file: IO[bytes]):
        self._file, self.count = file, 0

    def readable(self) -> bool:
        """For io.BufferedReader."""
        return True

    def readinto(self, buffer) -> int:
        """Fill a buffer, perhaps not whole; 0 is the end."""
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        self.count += len(content)
        return len(content)


def kept_copy(path: Path, kind: str, write: Callable[[BinaryIO], object]) -> Path:
    """A copy of a file in another form, in the cache folder; made at the first call, and when the file changed.

    Parameters
    ----------
    path
        the file
    kind
        the ending of the copy's name
    write
        is called with the open copy
    """
    status = path.stat()
    key = f"{os.path.realpath(path)}\0{status.st_size}\0{status.st_mtime_ns}".encode("utf-8", "surrogateescape")
    copy = cache_folder() / f"unpacked-{sha256(key).hexdigest()[:16]}{kind}"
    if not copy.exists():
        write_whole(copy, write)
    return copy


def plain_tar(path: Path) -> Path:
    """The archive itself, or the unpacked copy of a compressed one."""
    with path.open("rb") as packed:
        unpacked = decoder(packed.read(8))
        packed.seek(0)
        if not unpacked:
            return path
        with unpacked(packed) as content:
            return kept_copy(path, ".tar", lambda copy: _copy(_blocks(content, packed, path), copy, path))


def _copy(blocks: Iterator[bytes], copy: BinaryIO, path: Path) -> None:
    """Write an archive's bytes, and stop where they are absurdly many or the disk has no room for them."""
    most = max(HARMLESS, RATIO_LIMIT * path.stat().st_size)
    room = shutil.disk_usage(cache_folder()).free - SPARE
    for block in blocks:
        if copy.tell() + len(block) > most:
            raise DataError(f"{printable(path)} unpacks to more than {memory(most)}, {RATIO_LIMIT} times its size")
        if copy.tell() + len(block) > room:
            raise StriateError(
                f"{printable(path)} is larger, unpacked, than the {memory(max(room, 0))} that the cache folder "
                "has room for; set STRIATE_CACHE to a folder on a larger disk, or unpack it yourself"
            )
        copy.write(block)


def _blocks(content: IO[bytes], packed: BinaryIO, path: Path) -> Iterator[bytes]:
    """The unpacked bytes, with progress through the packed ones."""
    size = path.stat().st_size
    try:
        for step in track(range(BLOCK, size + BLOCK, BLOCK), f"unpacking {printable(path.name)}"):
            while block := content.read(BLOCK):
                yield block
                if step <= packed.tell() < size:
                    break
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{printable(path)} cannot be unpacked: {error}") from error
