"""A file from the network: resumed where it stopped, checked against its sum, there whole or not at all."""

import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import striate
from striate.errors import DataError
from striate.show.names import printable
from striate.show.numbers import exact
from striate.show.progress import track_bytes

TIMEOUT = 30.0  # seconds without a byte
AGENT = {"User-Agent": f"striate/{striate.__version__}"}
ATTEMPTS = 5
BLOCK = 1 << 18


@dataclass(frozen=True)
class RemoteFile:
    """A file that somebody publishes.

    Parameters
    ----------
    address
        where
    size
        in bytes
    sha256
        its checksum, or the beginning of it where no more is published
    """

    address: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]

    @property
    def sum(self) -> str:
        """The checksum as far as it is published."""
        return self.sha256 if len(self.sha256) == hashlib.sha256().digest_size * 2 else f"{self.sha256}…"


class Cut(Exception):
    """The connection ended too early; what came is kept, and the rest can be asked for."""


def download(file: RemoteFile, folder: Path) -> None:
    """Bring a file into a folder under its own name.

    What has come lies in NAME.part, with the server's version of it in NAME.part.etag, so that a download that was
    stopped, however hard, goes on where it was.

    Parameters
    ----------
    file
        what to bring
    folder
        where to; it exists
    """
    part = folder / f"{file.name}.part"
    with track_bytes(file.name, file.size) as progress:
        for attempt in range(ATTEMPTS):
            before = size_of(part)
            try:
                receive(file, part, progress)
                break
            except Cut as cut:
                if size_of(part) <= before or attempt == ATTEMPTS - 1:
                    raise DataError(
                        f"{cut}; {exact(size_of(part))} bytes are kept, and the next try goes on there"
                    ) from cut
                tell(f"{cut}; going on at byte {exact(size_of(part))}")
    found = sha256_of(part)
    if not found.startswith(file.sha256):
        part.unlink()
        etag_file(part).unlink(missing_ok=True)
        raise DataError(
            f"what {file.address} sends has the SHA-256 sum {found}, but {file.sum} is right; it was removed"
        )
    part.replace(folder / file.name)
    etag_file(part).unlink(missing_ok=True)


def receive(file: RemoteFile, part: Path, progress: Callable[[int], None]) -> None:
    """Ask for what is missing of a file and append it."""
    if size_of(part) > file.size:
        tell(f"{part} is longer than {file.name}; starting over")
        part.unlink()
    start = size_of(part)
    if start == file.size:
        return
    with ask(file, part, start) as response:
        if response.status != 206 and start:
            tell(f"the server sends {file.name} from its beginning, as it changed or cannot resume; starting over")
            start = 0
        check_offer(file, response, start)
        etag_file(part).write_text(response.headers.get("ETag", ""), encoding="latin-1")
        with part.open("ab" if start else "wb") as out:
            append(file, response, out, start, progress)
            out.flush()
            os.fsync(out.fileno())


def ask(file: RemoteFile, part: Path, start: int) -> HTTPResponse:
    """Open the address at a byte, or at the first one if the server has no such byte."""
    headers = {**AGENT, "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        etag = etag_file(part).read_text(encoding="latin-1") if etag_file(part).exists() else ""
        if etag and not etag.startswith("W/"):  # a weak one promises nothing about bytes
            headers["If-Range"] = etag
    try:
        return answer(Request(file.address, headers=headers))
    except DataError as error:
        if start and isinstance(error.__cause__, HTTPError) and error.__cause__.code == 416:
            tell(f"the server has no byte {exact(start)} of {file.name}; starting over")
            part.unlink()
            return ask(file, part, 0)
        raise


def answer(request: Request) -> HTTPResponse:
    """What a server answers, unless it refuses or is not there."""
    try:
        return urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        raise DataError(f"{request.full_url} answers {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise DataError(f"{request.full_url} cannot be reached: {reason(error)}") from error


def offered_size(address: str) -> int:
    """How many bytes a server says that a file has, for those whose publisher does not say it."""
    headers = {**AGENT, "Accept-Encoding": "identity"}
    with answer(Request(address, headers=headers, method="HEAD")) as response:
        length = response.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise DataError(f"a server says how long a file is before it is fetched, but that of {address} does not")
    return int(length)


def check_offer(file: RemoteFile, response: HTTPResponse, start: int) -> None:
    """Refuse an answer that cannot be the file before its bytes are fetched."""
    if response.status == 206:
        first, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        if first.partition("-")[0] != str(start) or total not in (str(file.size), "*"):
            raise DataError(
                f"bytes from {exact(start)} of {exact(file.size)} were asked for, "
                f"but {file.address} sends {response.headers.get('Content-Range') or 'others'}"
            )
    else:
        length = response.headers.get("Content-Length", "")
        if {part.strip() for part in length.split(",")} - {str(file.size), ""}:  # the same twice is allowed
            sent = exact(int(length)) if length.isdecimal() else printable(length)
            raise DataError(f"{file.name} has {exact(file.size)} bytes, but {file.address} sends {sent}")


def append(
    file: RemoteFile, response: HTTPResponse, out: BinaryIO, start: int, progress: Callable[[int], None]
) -> None:
    """Copy what arrives, no more than the file has."""
    done = start
    while block := next_block(file, response):
        done += len(block)
        if done > file.size:
            raise DataError(f"{file.name} has {exact(file.size)} bytes, but {file.address} sends more")
        out.write(block)
        progress(done)
    if done < file.size:
        raise Cut(f"the connection to {file.address} ended after {exact(done)} of {exact(file.size)} bytes")


def next_block(file: RemoteFile, response: HTTPResponse) -> bytes:
    """What the network has next; nothing at the end."""
    try:
        return response.read1(BLOCK)
    except (OSError, HTTPException) as error:
        raise Cut(f"the connection to {file.address} broke: {reason(error)}") from error


def sha256_of(path: Path) -> str:
    """The checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(path: Path) -> int:
    """The bytes of a file; none if it is not there."""
    return path.stat().st_size if path.exists() else 0


def etag_file(part: Path) -> Path:
    """Where the server's version of a part is kept."""
    return part.with_name(f"{part.name}.etag")


def reason(error: Exception) -> str:
    """What a network's error says, in words."""
    inner = getattr(error, "reason", error)
    return str(getattr(inner, "strerror", None) or inner or type(inner).__name__)


def tell(sentence: str) -> None:
    """Say it on standard error, for standard output is for results."""
    print(sentence, file=sys.stderr)
