"""A request's body becomes what a network sees. All of it happens in a thread, in memory: no file, no address."""

import ctypes
import zlib
from dataclasses import dataclass
from time import thread_time

import numpy as np
from PIL import UnidentifiedImageError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from striate.errors import PictureError
from striate.pictures.decode import decode
from striate.ship.serve.limits import Limits
from striate.ship.serve.places import Place
from striate.ship.serve.refusal import Refusal
from striate.ship.shipped import LARGE, Shipped
from striate.show.names import printable

FORM = "application/x-www-form-urlencoded"  # what curl says by itself, whatever it sends
PLAIN = ("", "application/octet-stream", FORM)
LEFT_OUT = (b"\r", b"\n", b"\0")  # by curl's -d, and in every picture but perhaps a tiny one in PPM's family
PLAIN_KINDS = tuple(b"P%d" % kind for kind in range(1, 7))  # of that
MOST = 100_000  # classes in an answer
# of an address
PARAMETERS = {"model": "the name of a model", "top": f"a whole number from 1 to {MOST:,}", "map": "true or false"}
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
NAMES = 100  # signs of a name that a client gives to a picture
READING = 10  # seconds of a processor; one picture more may take as long again


@dataclass(frozen=True, eq=False, slots=True)
class Read:
    """A picture that was read.

    Parameters
    ----------
    name
        what its client calls it
    fitted
        (channels, rows, columns) of uint8: what the network sees
    size
        height and width, upright
    notes
        what had to be done to read it
    """

    name: str
    fitted: np.ndarray
    size: tuple[int, int]
    notes: tuple[str, ...]


def inflated(body: bytes, encoding: str, limit: int) -> bytes:
    """A body without its compression.

    Parameters
    ----------
    body
        as it came
    encoding
        the header Content-Encoding
    limit
        bytes that it may have

    >>> inflated(zlib.compress(b"abc"), "deflate", 3)
    b'abc'
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Refusal(415, f"a body is compressed by gzip or deflate, or not at all, but by '{printable(encoding)}'")
    inflater = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        content = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise Refusal(400, f"the body is said to be compressed by {encoding}, but is not: {error}") from error
    if len(content) > limit:
        raise Refusal(413, f"a body may have {limit:,} bytes, but when inflated this one has more")
    if not inflater.eof or inflater.unused_data:
        fault = "goes on behind its end" if inflater.eof else "is cut short"
        raise Refusal(400, f"the body is compressed by {encoding}, but {fault}")
    return content


def pictures(content: bytes, kind: str, limit: int) -> list[tuple[str, bytes]]:
    """The files in a body, with their names.

    Parameters
    ----------
    content
        inflated
    kind
        the header Content-Type
    limit
        how many there may be
    """
    named, options = parse_options_header(kind)
    media = named.decode("latin-1").lower()
    if media == "multipart/form-data":
        boundary = options.get(b"boundary")
        if not boundary:
            raise Refusal(400, "multipart/form-data needs a boundary in its Content-Type, but there is none")
        return _parts(content, boundary, limit)
    if media not in PLAIN and not media.startswith("image/"):
        raise Refusal(415, f"a body is a picture (image/…) or multipart/form-data, but is '{printable(kind, 100)}'")
    if not content:
        raise Refusal(400, "a picture is expected in the body, but it is empty")
    if media == FORM and not any(byte in content for byte in LEFT_OUT) and not content.startswith(PLAIN_KINDS):
        raise Refusal(
            400,
            "a picture is expected in the body, but this one is as curl's -d sends it, without line ends and zeros; "
            "--data-binary @photo.jpg sends a file as it is",
        )
    return [("the body", content)]


class _Parts:
    """Collects the parts of a multipart body; the methods are called by the parser."""

    def __init__(self, limit: int):
        self.limit = limit
        self.files: list[tuple[str, bytes]] = []
        self.ended = False

    def on_part_begin(self) -> None:
        if len(self.files) == self.limit:
            raise Refusal(413, f"a request may hold {self.limit} pictures, but this one has more")
        self.headers: list[list[bytes]] = []
        self.data: list[bytes] = []

    def on_header_begin(self) -> None:
        self.headers.append([b"", b""])

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self.headers[-1][0] += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self.headers[-1][1] += data[start:end]

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.data.append(data[start:end])

    def on_part_end(self) -> None:
        disposition = next((value for name, value in self.headers if name.lower() == b"content-disposition"), b"")
        options = parse_options_header(disposition)[1]
        told = options.get(b"filename") or options.get(b"name") or b"picture"
        name = printable(told.decode("utf-8", "surrogateescape"), NAMES)
        content = b"".join(self.data)
        if b"filename" not in options and (words := _words(content)):
            if name in PARAMETERS:
                raise Refusal(400, f"options stand in the address, as ?{name}=…, but '{name}' is a part of the body")
            raise Refusal(
                400,
                f"a part holds a picture, but '{name}' holds the words '{printable(words, NAMES)}'; "
                "curl sends a file where @ stands before its name: -F picture=@photo.jpg",
            )
        self.files.append((name, content))

    def on_end(self) -> None:
        self.ended = True


def _words(content: bytes) -> str:
    """One line of text, such as a file's name; empty where it is none."""
    if len(content) > 1000 or content.startswith(PLAIN_KINDS):
        return ""
    text = content.decode("utf-8", "replace")
    return text if text.isprintable() and "\N{REPLACEMENT CHARACTER}" not in text else ""


def _parts(content: bytes, boundary: bytes, limit: int) -> list[tuple[str, bytes]]:
    parts = _Parts(limit)
    calls = {name: getattr(parts, name) for name in dir(parts) if name.startswith("on_")}
    try:
        parser = MultipartParser(boundary, calls)  # type: ignore[arg-type]
        parser.write(content)
        parser.finalize()
    except FormParserError as error:
        raise Refusal(400, f"the body is no multipart/form-data: {error}") from error
    if not parts.ended:
        raise Refusal(400, "the body is multipart/form-data that is cut short: its last boundary is not there")
    if not parts.files:
        raise Refusal(400, "multipart/form-data with pictures is expected in the body, but it has no part")
    return parts.files


def _give_back() -> None:
    """Memory goes back to the system, of which glibc would keep a gigabyte for pictures as large."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def read(files: list[tuple[str, bytes]], shipped: Shipped, limits: Limits, place: Place) -> list[Read]:
    """Pictures decoded and fitted, each pixel as in training; those that cannot be read are all named.

    Parameters
    ----------
    files
        names and contents
    shipped
        the model
    limits
        of pixels
    place
        of the request: nothing more is done when its client has gone
    """
    seen: list[Read] = []
    faults: list[tuple[int, str]] = []
    begun = thread_time()
    for name, content in files:
        if place.left:
            return []
        if (took := thread_time() - begun) > READING:
            raise Refusal(
                413,
                f"the pictures of a request are read in {READING} seconds of a processor, but {took:.0f} passed before "
                f"'{name}', picture {len(seen) + len(faults) + 1} of {len(files)}; fewer or smaller ones would fit",
            )
        try:
            whole = decode(content, name, background=shipped.about.preprocess.background, limit=limits.pixels)
        except PictureError as error:
            faults.append((415 if isinstance(error.__cause__, UnidentifiedImageError) else 422, str(error)))
            continue
        size = whole.pixels.shape[:2]
        seen.append(Read(name, shipped.fit(whole.pixels), size, whole.notes))
        if size[0] * size[1] > LARGE:
            del whole
            _give_back()
    if faults:
        status = max(status for status, _ in faults)
        told = "; ".join(reason for _, reason in faults[:5])
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise Refusal(status, told + more)
    return seen
