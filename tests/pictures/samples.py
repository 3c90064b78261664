"""Pictures for tests, as files of any format, and what they must become."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from striate.pictures.decode import ORIENTATION
from striate.pictures.resize import Interpolation

FILTERS: tuple[Interpolation, ...] = ("bilinear", "bicubic")


def saved(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """What a camera stores, so that the picture is upright once it is turned."""
    return np.ascontiguousarray(
        {
            1: lambda: upright,
            2: lambda: upright[:, ::-1],
            3: lambda: upright[::-1, ::-1],
            4: lambda: upright[::-1],
            5: lambda: upright.swapaxes(0, 1),
            6: lambda: np.rot90(upright),
            7: lambda: np.rot90(upright, 2).swapaxes(0, 1),
            8: lambda: np.rot90(upright, -1),
        }[orientation]()
    )


def exif(orientation) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags


def luma(colour: np.ndarray) -> np.ndarray:
    return colour.astype(float) @ (0.299, 0.587, 0.114)


def close(actual: np.ndarray, expected: np.ndarray, levels: float = 0) -> None:
    assert actual.dtype == np.uint8
    assert actual.shape == expected.shape
    assert np.abs(actual.astype(float) - expected).max() <= levels


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows: list[bytes], width: int, depth: int, colour: int, *chunks: bytes) -> bytes:
    """A PNG of rows that are packed already."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def repeated(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[:, :, None], 3, axis=2)


def blocks(colours: list[tuple[int, ...]]) -> np.ndarray:
    """Plain squares of 16×16, which a JPEG keeps but for a level or two."""
    return np.concatenate([np.full((16, 16, len(colour)), colour, np.uint8) for colour in colours], axis=1)


RAINBOW = blocks([(250, 20, 30), (10, 200, 40), (60, 90, 220)])


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    waves = [127.5 + 60 * np.sin(x / 17 + k) + 60 * np.cos(y / 23 - k) for k in range(3)]
    return np.rint(np.stack(waves, axis=2)).astype(np.uint8)
