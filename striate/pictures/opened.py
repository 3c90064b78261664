"""A picture file is opened: its format and size are checked, and nothing is decoded yet."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from striate.errors import PictureError, StriateError
from striate.show.numbers import show_size

PIXEL_LIMIT = 64_000_000
SIDE_LIMIT = 65_535  # what a JPEG can have; a PNG of one row and many millions of columns is nobody's photo
# what decoders written in Python take seconds for, and a file of a few kilobytes can ask for; photos stay far below
READS, TILES, RUN_LENGTHS, PLAIN, COMMENTS = 500_000, 70_000, 4_000_000, 4_000_000, 1_000
NOTES = 10  # of a picture; a TIFF may have something wrong with each of its tags
# the formats that are read, and the endings that their files may have; every other decoder stays shut
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".mpo"),  # a JPEG with a second picture behind it, as telephones write them
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
}
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
DECODERS = [format for format in FORMATS if format != "MPO"]  # Pillow finds it behind JPEG
ENDINGS = frozenset(ending for endings in FORMATS.values() for ending in endings)


class _Listener(threading.local):
    """Stands where Pillow finds the module `warnings`: what it says of a picture being opened becomes a note of it.

    `warnings.catch_warnings` serves one thread only: with several, they take each other's filters away. And a filter
    of the user's, such as `-W error`, must not decide which pictures can be read.
    """

    notes: list[str] | None = None  # None while this thread opens no picture

    def warn(self, message: str, category: type[Warning] | None = None, stacklevel: int = 1) -> None:
        if self.notes is None:
            warnings.warn(message, category, stacklevel + 1)
        elif category is not Image.DecompressionBombWarning:  # our own limit is lower, and an error
            full = len(self.notes) >= NOTES
            self.notes.append("while reading: and more" if full else f"while reading: {str(message).strip()}")

    def __getattr__(self, name: str) -> Any:
        return getattr(warnings, name)


LISTENER = _Listener()
for _module in (Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin):
    vars(_module)["warnings"] = LISTENER


def tell(note: str) -> None:
    """Note something about the picture that this thread is opening."""
    if LISTENER.notes is not None:
        LISTENER.notes.append(note)


def told() -> list[str]:
    """What was noted about the picture that this thread is opening, each thing once."""
    return list(dict.fromkeys(LISTENER.notes or []))


class _Bytes(io.BytesIO):
    """A file's bytes, which are read in any number of pieces, but not in more than a decoder needs."""

    def __init__(self, content: bytes, name: str):
        super().__init__(content)
        self.name, self.reads = name, 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > READS:
            raise PictureError(f"a picture consists of up to {READS:,} pieces, but {self.name} has more")
        return super().read(size)


def _refuse_plain(content: bytes, name: str) -> None:
    """A PPM may be a text, which Pillow reads number by number."""
    if content[:2] in (b"P1", b"P2", b"P3"):
        if len(content) > PLAIN:
            raise PictureError(f"a PPM that is text has up to {PLAIN:,} bytes, but {name} has {len(content):,}")
        if (comments := content.count(b"#")) > COMMENTS:
            raise PictureError(f"a PPM has up to {COMMENTS:,} comments, but {name} has {comments:,}")


def _refuse_slow(image: Image.Image, name: str) -> None:
    tiles = getattr(image, "tile", [])
    if len(tiles) > TILES:
        raise PictureError(f"a picture consists of up to {TILES:,} tiles, but {name} has {len(tiles):,}")
    pixels = image.width * image.height
    if pixels > RUN_LENGTHS and any(tile[0] == "bmp_rle" for tile in tiles):
        raise PictureError(
            f"a BMP that is compressed may have {RUN_LENGTHS:,} pixels, but {name} has {pixels:,}; as PNG it may have "
            f"{PIXEL_LIMIT:,}"
        )


def _strange(source: Path | bytes) -> str:
    """What is wrong with a file that no decoder takes."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        head = file.read(64)
    if not head:
        return "is empty: it has 0 bytes"
    if head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS and b"avif" not in head:
        return "is a picture in HEIC, which is not read; as JPEG it would be"
    return "is not a picture in a format that can be read"


@contextmanager
def opened(source: Path | bytes, name: str, limit: int = PIXEL_LIMIT) -> Iterator[Image.Image]:
    """A picture whose header was read and checked, and none of whose pixels are decoded yet.

    Every mistake inside the `with`, also one of a decoder, leaves it as a PictureError with the picture's name.

    Parameters
    ----------
    source
        a file, or its bytes
    name
        how messages call it
    limit
        pixels that it may have
    """
    before, LISTENER.notes = LISTENER.notes, []
    try:
        if isinstance(source, bytes):
            _refuse_plain(source, name)
        with Image.open(_Bytes(source, name) if isinstance(source, bytes) else source, formats=DECODERS) as image:
            size = show_size((image.height, image.width))
            if (count := image.width * image.height) > limit:
                raise PictureError(f"a picture may have {limit:,} pixels, but {name} is {size}, which is {count:,}")
            if max(image.size) > SIDE_LIMIT:
                raise PictureError(f"a picture may be {SIDE_LIMIT:,} pixels high and wide, but {name} is {size}")
            _refuse_slow(image, name)
            yield image
    except (StriateError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"a picture may have {limit:,} pixels, but {name} has far more") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{name} {_strange(source)}") from error
    except Exception as error:  # a broken file makes decoders raise almost anything
        if isinstance(error, OSError) and error.strerror:  # what the system says of a file; decoders have none
            raise PictureError(f"{name} cannot be read: {error.strerror}") from error
        raise PictureError(f"{name} cannot be read as a picture: {str(error) or type(error).__name__}") from error
    finally:
        LISTENER.notes = before
