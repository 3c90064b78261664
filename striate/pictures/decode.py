"""A picture file becomes upright pixels of 8 bits. What cannot be read is refused with its reason."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from striate.errors import PictureError
from striate.show.numbers import show_size

PIXEL_LIMIT = 64_000_000
ORIENTATION = 0x0112  # the EXIF tag
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
DECODERS = [format for format in FORMATS if format != "MPO"]  # Pillow finds it behind JPEG
ENDINGS = frozenset(ending for endings in FORMATS.values() for ending in endings)
WHITE = (255, 255, 255)

# the limit above is lower, holds for every file and is an error, so Pillow's own warning says nothing new
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Decoded:
    """What a file became.

    Parameters
    ----------
    pixels
        (height, width, channels) of uint8, upright; three channels (red, green, blue) or one (gray)
    notes
        what had to be done: turned upright, laid on white, only the first frame
    """

    pixels: np.ndarray
    notes: tuple[str, ...] = ()


@contextmanager
def opened(source: Path | bytes, name: str) -> Iterator[Image.Image]:
    """A picture whose header was read and checked, and none of whose pixels are decoded yet.

    Every mistake inside the `with`, also one of a decoder, leaves it as a PictureError with the picture's name.

    Parameters
    ----------
    source
        a file, or its bytes
    name
        how messages call it
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=DECODERS) as image:
            if image.width * image.height > PIXEL_LIMIT:
                raise PictureError(
                    f"a picture may have {PIXEL_LIMIT:,} pixels, but {name} is "
                    f"{show_size((image.height, image.width))}, which is {image.width * image.height:,}"
                )
            yield image
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(f"a picture may have {PIXEL_LIMIT:,} pixels, but {name} has far more") from error
    except UnidentifiedImageError as error:
        empty = source == b"" if isinstance(source, bytes) else not source.stat().st_size
        what = "is empty: it has 0 bytes" if empty else "is not a picture in a format that can be read"
        raise PictureError(f"{name} {what}") from error
    except Exception as error:  # a broken file makes decoders raise almost anything
        raise PictureError(f"{name} cannot be read as a picture: {error or type(error).__name__}") from error


def decode(
    source: Path | bytes,
    name: str,
    *,
    channels: Literal["RGB", "L"] = "RGB",
    background: tuple[int, int, int] = WHITE,
    least: tuple[int, int] | None = None,
) -> Decoded:
    """Read a picture as upright pixels.

    Parameters
    ----------
    source
        a file, or its bytes
    name
        how messages call it
    channels
        colour, or brightness alone
    background
        what transparent parts are laid on: red, green and blue
    least
        height and width that are enough: a JPEG larger than that is decoded at 1/2, 1/4 or 1/8 of its size, as long as
        it stays at least so large. Not for pictures that are measured: the pixels are those of another decoder
    """
    with opened(source, name) as image:
        if least:
            height, width = least[::-1] if orientation(image) >= 5 else least
            image.draft(None, (width, height))  # type: ignore[arg-type]  # None keeps the mode
        upright, notes = turned_upright(image, name)
        return Decoded(_pixels(upright, channels, background, notes), tuple(notes))


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; 5 and above swap height and width."""
    value = image.getexif().get(ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def turned_upright(image: Image.Image, name: str) -> tuple[Image.Image, list[str]]:
    """The first frame, decoded, the right way up, in a mode whose white is known; and what was done for it."""
    notes = []
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        notes.append("it has several frames; this is the first")
    deep_colour = image.mode.startswith("RGB") and any(";16" in str(tile.args) for tile in getattr(image, "tile", []))
    if orientation(image) != 1:
        notes.append("turned upright, as its EXIF orientation says")
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "F" or (upright.mode == "I" and image.format != "PPM"):  # PPM's are scaled to 16 bits
        raise PictureError(
            "a picture has 8 or 16 bits per value, so that its white is known, "
            f"but {name} has 32 (Pillow's mode {upright.mode})"
        )
    if deep_colour:
        notes.append("16-bit colour, of which Pillow keeps 8 bits")
    return upright, notes


def is_deep(image: Image.Image) -> bool:
    """Whether it is gray of 16 bits."""
    return image.mode.startswith("I")


def on_background(image: Image.Image, background: tuple[int, int, int], notes: list[str]) -> Image.Image:
    """Transparent parts laid on a colour; adds a note where there are any."""
    if not image.has_transparency_data:
        return image
    colour = "white" if background == WHITE else f"({', '.join(map(str, background))})"
    notes.append(f"transparent parts laid on {colour}")
    paper = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")


def _pixels(
    image: Image.Image, channels: Literal["RGB", "L"], background: tuple[int, int, int], notes: list[str]
) -> np.ndarray:
    """(height, width, 3 or 1) of uint8."""
    if is_deep(image):
        notes.append("16-bit gray, scaled to 8 bits")
        gray = np.rint(np.asarray(image) / 257).astype(np.uint8)[:, :, None]
        return gray if channels == "L" else np.repeat(gray, 3, axis=2)
    pixels = np.asarray(on_background(image, background, notes).convert(channels))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]
