"""Examine: the facts of every picture, from one reading of its bytes, several pictures side by side."""

import hashlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from PIL import Image

from striate.data.dataset import Dataset, Source
from striate.errors import StriateError
from striate.pictures.damage import damage
from striate.pictures.decode import DAMAGED, decode, orientation, upright_size
from striate.pictures.opened import opened
from striate.processors import processors
from striate.show.progress import track

SMALL = 32  # height and width of the gray thumbnails by which copies are found
BLOCK = 128  # pictures between two steps of the progress bar; an interruption waits for those that are begun
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Facts:
    """What one picture is.

    Parameters
    ----------
    size
        height and width, upright; (0, 0) where it cannot be read
    length
        bytes of its file, or of its pixels where it has none
    digest
        a sum of these bytes: equal for equal bytes alone; b"" where they cannot be read
    format
        Pillow's name of what the file holds; "" where it is an array
    mode
        colour, gray, palette, transparent, CMYK or 16-bit
    turn
        its EXIF orientation, 1 to 8
    frames
        1, or more for an animation
    thumbnail
        (32, 32) of uint8, gray; None where the picture is smaller or cannot be read
    notes
        what the decoder said
    fault
        empty, truncated, damaged, too large or unreadable; "" where it is none of these
    reason
        a sentence that says why
    """

    size: tuple[int, int] = (0, 0)
    length: int = 0
    digest: bytes = b""
    format: str = ""
    mode: str = ""
    turn: int = 1
    frames: int = 1
    thumbnail: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    fault: str = ""
    reason: str = ""


# facts live as long as the source that they are about: opening a folder and checking it examine it once
_known: dict[int, dict[int, tuple[tuple[int, int], Facts]]] = {}


def examine(data: Dataset) -> list[Facts]:
    """The facts of every picture of the data, in its order.

    Parameters
    ----------
    data
        pictures, which are read once: again only where the source's stamp of one is another, as that of pixels may be.
        The stamp of a file is taken when the data is opened; opened again, its files are read again
    """
    known = _memory(data.source)

    def facts(place: int) -> Facts:
        row, name = int(data.rows[place]), data.names[place]
        try:
            stamp = data.source.stamp(row)
            if row not in known or known[row][0] != stamp:
                known[row] = stamp, picture_facts(data.source.read(row), name)
        except (OSError, StriateError) as error:
            reason = f"{name} cannot be read: {getattr(error, 'strerror', '') or error}"
            return Facts(fault=_fault(str(error)), reason=reason)
        return known[row][1]

    return list(side_by_side(facts, range(len(data)), "examining pictures"))


def _memory(source: Source) -> dict[int, tuple[tuple[int, int], Facts]]:
    if id(source) not in _known:
        _known[id(source)] = {}
        weakref.finalize(source, _known.pop, id(source), None)
    return _known[id(source)]


def side_by_side(work: Callable[[int], Result], places: Sequence[int], doing: str) -> Iterator[Result]:
    """The result of each place in order, computed in threads, with progress; Ctrl-C leaves the rest undone."""
    with ThreadPoolExecutor(processors()) as pool:
        for start in track(range(0, len(places), BLOCK), doing):
            yield from pool.map(work, places[start : start + BLOCK])


def picture_facts(content: bytes | np.ndarray, name: str) -> Facts:
    """The facts of one picture.

    Parameters
    ----------
    content
        a file's bytes, or pixels (height, width, channels) of uint8
    name
        how sentences call it
    """
    if isinstance(content, np.ndarray):
        whole = np.ascontiguousarray(content).data
        mode = "gray" if content.shape[2] == 1 else "colour"
        size = content.shape[0], content.shape[1]
        return Facts(size, content.nbytes, _sum(whole), mode=mode, thumbnail=thumbnail(content, size))
    facts = Facts(length=len(content), digest=_sum(content))
    try:
        with opened(content, name) as image:
            facts = replace(facts, size=upright_size(image), format=str(image.format), mode=_mode(image))
            facts = replace(facts, turn=orientation(image))
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            # a JPEG is decoded at a fraction of its size, but read to its end: one that was cut is found
            small = decode(content, name, least=(SMALL, SMALL))
            harm = damage(content, image) if DAMAGED in small.notes else ""
    except StriateError as error:
        return replace(facts, fault=_fault(str(error)) if content else "empty", reason=str(error))
    if harm:
        return replace(facts, fault="damaged", reason=f"{name} can be read, but {harm}")
    mode = "16-bit" if any("16-bit" in note for note in small.notes) else facts.mode
    preview = thumbnail(small.pixels, facts.size)
    return replace(facts, mode=mode, frames=frames, thumbnail=preview, notes=small.notes)


def thumbnail(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """A picture that was of some size, as (32, 32) of uint8, gray; None where that would enlarge it."""
    if min(size) < SMALL:
        return None
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return np.asarray(image.convert("L").resize((SMALL, SMALL), Image.Resampling.BOX))


def _fault(reason: str) -> str:
    if "a picture may " in reason:  # have so many pixels or bytes, or be so high and wide
        return "too large"
    return "truncated" if "truncated" in reason.lower() else "unreadable"


def _sum(content) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _mode(image: Image.Image) -> str:
    if image.has_transparency_data:
        return "transparent"
    return {"1": "gray", "L": "gray", "P": "palette", "CMYK": "CMYK"}.get(image.mode, "colour")
