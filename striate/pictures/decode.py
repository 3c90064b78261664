"""A picture file becomes upright pixels of 8 bits. What cannot be read is refused with its reason."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, TiffImagePlugin

from striate.errors import PictureError
from striate.pictures.damage import damage, scans
from striate.pictures.opened import PIXEL_LIMIT, opened, tell, told

ORIENTATION = 0x0112  # the EXIF tag
TURNS = (
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)  # what makes orientations 2 to 8 upright
WHITE = (255, 255, 255)
TURNED = "turned upright, as its EXIF orientation says"
DAMAGED = "damaged: parts may be gray, or show something else"
SCANS = 100  # of a JPEG; progressive ones have some ten
SCAN = b"\xff\xda"  # how one begins


@dataclass(frozen=True)
class Decoded:
    """What a file became.

    Parameters
    ----------
    pixels
        (height, width, channels) of uint8, upright; three channels (red, green, blue) or one (gray)
    notes
        what had to be done: turned upright, laid on white, only the first frame; and whether it is damaged
    """

    pixels: np.ndarray
    notes: tuple[str, ...] = ()


def decode(
    source: Path | bytes,
    name: str,
    *,
    channels: Literal["RGB", "L"] = "RGB",
    background: tuple[int, int, int] = WHITE,
    least: tuple[int, int] | None = None,
    limit: int = PIXEL_LIMIT,
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
    limit
        pixels that it may have
    """
    with opened(source, name, limit) as image:
        if image.format in ("JPEG", "MPO"):
            height, width = least or (image.height, image.width)
            if least and orientation(image) >= 5:
                height, width = width, height
            content = source.read_bytes() if isinstance(source, Path) else source
            # each takes a few bytes, and a pass over all pixels; what lies behind the picture may look like some
            if content.count(SCAN) > SCANS and (number := scans(content)) > SCANS:
                raise PictureError(f"a JPEG has at most {SCANS} scans, but {name} has {number:,}")
            if damage(content, image):
                tell(DAMAGED)
            elif channels == "RGB" and image.mode in ("RGB", "L"):  # OpenCV prints what it thinks of a damaged one
                pixels = _decoded_straight(content, min(image.height // height, image.width // width))
                if pixels is not None:
                    notes = [TURNED] if orientation(image) > 1 else []
                    return Decoded(_turned(pixels, orientation(image)), (*notes, *told()))
            if least:
                image.draft(None, (width, height))  # type: ignore[arg-type]  # None keeps the mode
        upright, notes = turned_upright(image, name)
        return Decoded(_pixels(upright, channels, background, notes), tuple(notes))


def _decoded_straight(content: bytes, scale: int) -> np.ndarray | None:
    """A plain JPEG decoded into an array by OpenCV: Pillow's pixels in two thirds of the time. None where it is broken.

    Parameters
    ----------
    content
        the file
    scale
        by how much it may be smaller: 1/2, 1/4 or 1/8 is used
    """
    import cv2  # a start may not wait for it

    smaller = 8, cv2.IMREAD_REDUCED_GRAYSCALE_8, 4, cv2.IMREAD_REDUCED_GRAYSCALE_4, 2, cv2.IMREAD_REDUCED_GRAYSCALE_2
    reduced = next((flag for step, flag in zip(smaller[::2], smaller[1::2], strict=True) if scale >= step), 0)
    flags = reduced | cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION  # the sizes' flags alone are gray
    return cv2.imdecode(np.frombuffer(content, np.uint8), flags)


def _turned(pixels: np.ndarray, turn: int) -> np.ndarray:
    """Stored pixels the right way up, by their EXIF orientation."""
    upright = pixels.swapaxes(0, 1) if turn >= 5 else pixels
    down, across = (-1 if turn in turns else 1 for turns in ((3, 4, 7, 8), (2, 3, 6, 7)))
    return np.ascontiguousarray(upright[::down, ::across])


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; 5 and above swap height and width."""
    if image.format == "PNG" and "exif" not in image.info:
        image.load()  # it may stand behind the pixels, whose faults are not those of the EXIF
    try:
        tags = image.getexif()
        value = tags.get(ORIENTATION, 1)
        lost = not tags and bool(image.info.get("exif"))  # Pillow's reader of JPEGs says nothing of broken ones
    except Exception:  # as broken files do
        value, lost = 1, True
    if lost:
        tell("its EXIF holds nothing that can be read, so it is not turned")
    if value not in range(9):  # 0 is what some cameras write for "unknown"
        tell(f"its EXIF orientation is {value!r}, which means nothing, so it is not turned")
    return value if value in range(1, 9) else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Height and width that a picture has when it is upright, from its header."""
    turned = orientation(image) >= 5 and image.format != "TIFF"  # whose size Pillow has turned already
    return (image.width, image.height) if turned else (image.height, image.width)


def turned_upright(image: Image.Image, name: str) -> tuple[Image.Image, list[str]]:
    """The first frame, decoded, the right way up, in a mode whose white is known; and what was done for it."""
    notes = []
    if image.format != "MPO" and getattr(image, "is_animated", False):
        notes.append("it has several frames; this is the first")
    _refuse_unknown_white(image, name)
    coding = " ".join(str(tile.args) for tile in getattr(image, "tile", []))  # such as RGB;16B: gone after loading
    if orientation(image) != 1:
        notes.append(TURNED)
    image.load()
    turn = orientation(image)  # a TIFF has turned while it was loaded
    upright = image.transpose(TURNS[turn - 2]) if turn > 1 else image
    if ";16" in coding and not is_deep(image):
        notes.append("16-bit colour, of which Pillow keeps 8 bits")
    _scale_transparency(upright, coding)
    return upright, notes + told()


def _refuse_unknown_white(image: Image.Image, name: str) -> None:
    """Levels deeper than 8 bits are scaled, which needs to know what is white."""
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):  # PPM's are scaled to 16 bits
        raise PictureError(
            "a picture has 8 or 16 bits per value, so that its white is known, "
            f"but {name} has 32 (Pillow's mode {image.mode})"
        )
    if isinstance(image, TiffImagePlugin.TiffImageFile) and is_deep(image):
        tags = image.tag_v2
        bits, black = tags[TiffImagePlugin.BITSPERSAMPLE][0], tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION]
        if (bits, black) != (16, 1):
            raise PictureError(
                "a gray TIFF of more than 8 bits has 16, and 0 is black in it, "
                f"but {name} has {bits}, and its photometric interpretation is {black}"
            )


def _scale_transparency(image: Image.Image, coding: str) -> None:
    """The one transparent level of a PNG, which Pillow leaves in the file's own scale, in that of the pixels."""
    clear = image.info.get("transparency")
    if isinstance(clear, tuple) and ";16" in coding:
        image.info["transparency"] = tuple(level >> 8 for level in clear)
    for bits, factor in (("L;2", 85), ("L;4", 17)):
        if isinstance(clear, int) and bits in coding:
            image.info["transparency"] = clear * factor


def is_deep(image: Image.Image) -> bool:
    """Whether it is gray of 16 bits."""
    return image.mode.startswith("I")


def _laid_on(background: tuple[int, int, int]) -> str:
    colour = "white" if background == WHITE else f"({', '.join(map(str, background))})"
    return f"transparent parts laid on {colour}"


def on_background(image: Image.Image, background: tuple[int, int, int], notes: list[str]) -> Image.Image:
    """Transparent parts laid on a colour; adds a note where there are any."""
    if not image.has_transparency_data:
        return image
    notes.append(_laid_on(background))
    paper = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")


def brightness(colour: tuple[int, int, int]) -> int:
    """How bright a colour is, as `decode` turns colour into gray.

    >>> brightness((255, 0, 0))
    76
    """
    gray = Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0))
    assert isinstance(gray, int)
    return gray


def _pixels(
    image: Image.Image, channels: Literal["RGB", "L"], background: tuple[int, int, int], notes: list[str]
) -> np.ndarray:
    """(height, width, 3 or 1) of uint8."""
    if is_deep(image):
        notes.append("16-bit gray, scaled to 8 bits")
        levels = np.asarray(image)
        gray = np.rint(levels / np.float32(257)).astype(np.uint8)[:, :, None]
        pixels = gray if channels == "L" else np.repeat(gray, 3, axis=2)
        if "transparency" in image.info:
            notes.append(_laid_on(background))
            pixels[levels == image.info["transparency"]] = background if channels == "RGB" else brightness(background)
        return pixels
    if image.mode == "YCbCr":  # whose brightness is rounded otherwise than that of its colours
        image = image.convert("RGB")
    pixels = np.asarray(on_background(image, background, notes).convert(channels))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]
