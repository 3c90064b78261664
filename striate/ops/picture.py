"""Pictures from files and back: upright, as numbers from 0 to 255; written whole or not at all."""

import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from striate.errors import PictureError, StriateError
from striate.ops.scene import BUILT_IN
from striate.ops.size import show_size

PIXEL_LIMIT = 64_000_000
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
COLOURS = ("red", "green", "blue")
LUMA = (0.299, 0.587, 0.114)  # how bright each colour looks: ITU-R BT.601, as Pillow turns colour into gray


@dataclass(frozen=True)
class Picture:
    """A picture as numbers.

    Parameters
    ----------
    name
        the file's name, or that of a built-in picture
    pixels
        (channels, height, width), from 0 to 255; one channel (gray) or three (red, green, blue). A byte each where
        the file has 8 bits: a large photo as float64 would take eight times as much
    notes
        what was done to it while reading
    """

    name: str
    pixels: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> np.ndarray:
        """The pixels as float64."""
        return np.asarray(self.pixels, float)

    @property
    def size(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        channels, height, width = self.pixels.shape
        return height, width, channels

    def gray(self) -> np.ndarray:
        """The brightness alone, (1, height, width)."""
        return self.values if len(self.pixels) == 1 else np.einsum("c, cyx -> yx", LUMA, self.pixels)[None]

    def __str__(self) -> str:
        return f"{self.name}, {show_size(self.size)}"


def read_picture(source: str | Path | None) -> Picture:
    """Read a picture.

    Parameters
    ----------
    source
        a file, or the name of a built-in picture (scene, halves); None is the scene

    >>> read_picture("halves").size
    (6, 6, 1)
    """
    name = "scene" if source is None else str(source)
    path = Path(name)
    if name in BUILT_IN and not path.exists():
        return Picture(f"{name} (built in)", _channels_first(BUILT_IN[name]()))
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not an ordinary file" if path.exists() else "not there"
        raise PictureError(f"a picture is a file, or built in ({', '.join(BUILT_IN)}), but {path} is {what}")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            with Image.open(path) as image:
                _check_size(path, image)
                pixels, notes = _decode(path, image)
        except PictureError:
            raise
        except UnidentifiedImageError as error:
            raise PictureError(f"{path} is not a picture in a format that can be read") from error
        except Image.DecompressionBombError as error:
            raise PictureError(f"a picture may have {PIXEL_LIMIT:,} pixels, but {path} has far more") from error
        except Exception as error:  # a broken file makes decoders raise almost anything
            raise PictureError(f"{path} cannot be read as a picture: {error or type(error).__name__}") from error
    notes += [f"while reading: {warning.message}" for warning in told]
    return Picture(path.name, pixels, tuple(notes))


def check_output(output: Path | None, source: str | Path | None = None) -> None:
    """Say what is wrong with an output path before anything is computed.

    Parameters
    ----------
    output
        where a picture is to be written; None is nowhere
    source
        the picture read, which must not be overwritten
    """
    if output is None:
        return
    if output.is_dir():
        raise StriateError(f"the output must be a file, but {output} is a folder; {output / 'out.png'} would fit")
    if output.suffix.lower() not in FORMATS:
        raise StriateError(f"the output must end in {', '.join(FORMATS)}, but is {output}")
    if not output.parent.is_dir():
        raise StriateError(f"the output's folder must exist, but {output.parent} does not")
    if not os.access(output.parent, os.W_OK):
        raise StriateError(f"the output's folder must be writable, but {output.parent} is not")
    if source is not None and output.exists() and Path(source).exists() and output.samefile(source):
        raise StriateError(f"the output must not be the picture itself, but both are {output}")


def write_picture(image: Image.Image, output: Path) -> None:
    """Write a picture under its name only when it is complete.

    Parameters
    ----------
    image
        what is written
    output
        a path with a known ending
    """
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            image.save(file, FORMATS[output.suffix.lower()], quality=92)
            file.flush()
            os.fsync(file.fileno())
        part.replace(output)
    except OSError as error:
        raise StriateError(f"{output} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _check_size(path: Path, image: Image.Image) -> None:
    """From the header, before any pixel is decoded."""
    if image.width * image.height > PIXEL_LIMIT:
        raise PictureError(
            f"a picture may have {PIXEL_LIMIT:,} pixels, but {path} is {show_size((image.height, image.width))}, "
            f"which is {image.width * image.height:,}"
        )


def _decode(path: Path, image: Image.Image) -> tuple[np.ndarray, list[str]]:
    """Upright channels from 0 to 255, and what had to be done for it."""
    notes = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append("it has several frames; this is the first")
    deep_colour = image.mode.startswith("RGB") and any(";16" in str(tile.args) for tile in getattr(image, "tile", []))
    upright = ImageOps.exif_transpose(image)
    if upright.size != image.size or image.getexif().get(0x0112, 1) != 1:
        notes.append("turned upright, as its EXIF orientation says")
    if upright.mode.startswith("I;16"):
        notes.append("16-bit gray, scaled to 0…255 without rounding")
        return np.asarray(upright)[None] / 257.0, notes
    if upright.mode in ("I", "F"):
        raise PictureError(
            "a picture has 8 or 16 bits per value, so that its white is known, "
            f"but {path} has 32 (Pillow's mode {upright.mode})"
        )
    if deep_colour:
        notes.append("16-bit colour, of which Pillow keeps 8 bits")
    if upright.has_transparency_data:
        notes.append("transparent parts laid on white")
        upright = upright.convert("RGBA")
        white = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(white, upright).convert("RGB")
    return _channels_first(upright.convert("L" if upright.mode in ("1", "L") else "RGB")), notes


def _channels_first(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
