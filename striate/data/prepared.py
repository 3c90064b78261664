"""Pictures made ready: decoded once, kept as the pixels that later epochs read.

Training reads crops, so its pictures are kept upright and only as large as the smallest crop needs. Validation keeps
the final pixels, made from the fully decoded original. What is kept depends on the picture and these settings alone.
"""

import hashlib
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import ceil
from struct import unpack_from
from typing import Literal

import cv2
import numpy as np
import PIL
from PIL import Image

from striate.data.caching import cache_folder, remembered
from striate.data.dataset import SKIPPING, Dataset, OnBad
from striate.data.distort.distortion import Distortion
from striate.data.store import Store
from striate.errors import DataError, PictureError
from striate.pictures.decode import upright_size
from striate.pictures.opened import PIXEL_LIMIT, opened
from striate.preprocess import Preprocess
from striate.processors import processors
from striate.show.names import printable
from striate.show.progress import track

Cache = Literal["off", "ram", "disk"]
VERSION = 1  # of what is made below: another way of making it must not find the old one
MADE_BY = f"striate {VERSION}, OpenCV {cv2.__version__}, Pillow {PIL.__version__}"
TELLING = (b"eXIf", b"iTXt", b"zTXt", b"tEXt")  # chunks of a PNG that may hold an orientation
APP1 = 0xE1  # EXIF lies there
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
PIECE = 64  # headers that a thread reads at a time
WORTH = 0.8  # a picture that would shrink to more than this is kept as it is


class Prepared:
    """The pixels of each picture of a data set, made once.

    Parameters
    ----------
    data
        the pictures
    preprocess
        the network's input
    shapes
        (n, 3) of what is made
    settings
        what it depends on, besides the pictures
    cache
        off: made every time; ram; disk: in the folder that $STRIATE_CACHE names, else in the user's own cache folder
    """

    def __init__(self, data: Dataset, preprocess: Preprocess, shapes: np.ndarray, settings: dict, cache: Cache):
        self.data, self.preprocess, self.shapes = data, preprocess, shapes
        self.notes: Counter[str] = Counter()  # what reading told, such as that only a first frame is shown: how often
        self._lock = threading.Lock()
        self.store: Store | None = None
        if cache != "off":
            about = {"where": data.where, "pictures": len(data), "made by": MADE_BY, **settings}
            key = f"{data.place_fingerprint()}\0{json.dumps(about, sort_keys=True)}\0{shapes.tolist()}".encode(
                "utf-8", "surrogateescape"
            )
            name = hashlib.sha256(key).hexdigest()[:32]
            self.store = Store(shapes, cache_folder() / "pixels" / name if cache == "disk" else None, about)

    def __getitem__(self, place: int) -> np.ndarray:
        """(height, width, channels) of uint8, not to be written to."""
        kept = self.store.get(place) if self.store else None
        if kept is None:
            kept = self.make(place)
            if self.store:
                self.store.put(place, kept)
        return kept

    def make(self, place: int) -> np.ndarray:
        """What is kept of a picture."""
        raise NotImplementedError

    def decoded(self, place: int, least: tuple[int, int] | None = None) -> np.ndarray:
        """A picture's own pixels."""
        picture = self.data.picture(place, least, self.preprocess.background)
        with self._lock:
            self.notes.update(picture.notes)
        return picture.pixels


class FinalPictures(Prepared):
    """Final pixels, exactly as `Preprocess` makes them anywhere else."""

    def __init__(self, data: Dataset, preprocess: Preprocess, cache: Cache):
        shapes = np.tile([*preprocess.size, 1 if data.gray else 3], (len(data), 1))
        super().__init__(data, preprocess, shapes, {"view": "testing", **preprocess.to_dict()}, cache)

    def make(self, place: int) -> np.ndarray:
        return self.preprocess.pixels(self.decoded(place))


class WholePictures(Prepared):
    """Whole pictures, shrunk as far as the smallest crop of a training view allows.

    Parameters
    ----------
    data
        the pictures
    preprocess
        the network's input
    distortion
        says how small a crop may be
    cache
        where they are kept
    on_bad
        stop names the first file whose header cannot be read; skip leaves that to the reading of each
    """

    def __init__(
        self, data: Dataset, preprocess: Preprocess, distortion: Distortion, cache: Cache, on_bad: OnBad = "stop"
    ):
        channels = 1 if data.gray else 3
        sizes = [
            (*shrunk(tuple(size), preprocess.size, distortion), channels)
            for size in picture_sizes(data, on_bad).tolist()
        ]
        settings = {"view": "training", "background": preprocess.background}
        super().__init__(data, preprocess, np.array(sizes, np.int64).reshape(-1, 3), settings, cache)

    def make(self, place: int) -> np.ndarray:
        height, width, channels = self.shapes[place].tolist()
        pixels = self.decoded(place, (height, width))
        if pixels.shape[:2] == (height, width):
            return pixels
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, channels)


def shrunk(before: tuple[int, int], size: tuple[int, int], distortion: Distortion) -> tuple[int, int]:
    """Height and width to keep of a picture."""
    factor = distortion.needed(before, size) if all(before) else 1
    return (ceil(before[0] * factor), ceil(before[1] * factor)) if factor < WORTH else before


def shaped(pixels: np.ndarray, preprocess: Preprocess, distortion: Distortion) -> np.ndarray:
    """What the views of a picture are drawn from: it, or all of it in the input's shape where it is not to be cropped.

    Parameters
    ----------
    pixels
        (height, width, channels) of uint8
    preprocess
        the network's input
    distortion
        says how small a crop may be
    """
    if preprocess.fit == "crop" or pixels.shape[:2] == preprocess.size:
        return pixels
    height, width = preprocess.size
    grown = max(1, pixels.shape[0] / height, pixels.shape[1] / width)  # the input's shape, around the picture
    grown *= min(1, distortion.needed((ceil(grown * height), ceil(grown * width)), preprocess.size))
    whole = round(grown * height), round(grown * width)
    return replace(preprocess, size=whole).pixels(pixels)


def picture_sizes(data: Dataset, on_bad: OnBad) -> np.ndarray:
    """(n, 2) height and width of each picture, upright, from the headers; 0×0 for a bad one that may be skipped."""

    def read_all() -> np.ndarray:
        pieces = [range(first, min(first + PIECE, len(data))) for first in range(0, len(data), PIECE)]
        with ThreadPoolExecutor(processors()) as pool:
            read = track(pool.map(lambda piece: [size(place) for place in piece], pieces), "headers", len(pieces))
            return np.array([found for piece in read for found in piece], np.int64).reshape(-1, 2)

    def size(place: int) -> tuple[int, int]:
        try:
            return header_size(data, place)
        except PictureError:
            return 0, 0

    # reading every file again to learn its size would cost a later run as much as decoding
    sizes = remembered("sizes", f"{data.place_fingerprint()}-{VERSION}", len(data), read_all)
    bad = np.flatnonzero(~sizes.all(axis=1))
    if len(bad) and on_bad == "stop":
        more = f"; {len(bad) - 1} more of {len(data):,} cannot be read" if bad[1:].size else ""
        try:
            header_size(data, int(bad[0]))
        except PictureError as problem:
            raise DataError(f"{problem}{more}; {SKIPPING}") from problem
    return sizes


def header_size(data: Dataset, place: int) -> tuple[int, int]:
    """Height and width of one picture, upright."""
    content = data.source.read(int(data.rows[place]))
    if isinstance(content, np.ndarray):
        return content.shape[0], content.shape[1]
    known = plain_jpeg_size(content)
    if known:
        return known
    with opened(content, printable(data.names[place])) as image:
        return size_from_header(image, content)


def plain_jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Height and width in a JPEG's frame header, in a tenth of Pillow's time; None where Pillow has to look.

    That is where EXIF may turn the picture, and wherever something is odd or too large.
    """
    place = 2 if content.startswith(b"\xff\xd8") else len(content)
    while place + 9 <= len(content) and content[place] == 0xFF and 0xC0 <= content[place + 1] < 0xFF:
        kind, length, height, width = unpack_from(">xBHxHH", content, place)
        if kind == APP1:
            return None
        if kind in FRAMES:
            return (height, width) if 0 < height * width <= PIXEL_LIMIT else None
        place += 2 + length
    return None


def size_from_header(image: Image.Image, content: bytes) -> tuple[int, int]:
    """Height and width of an opened picture when it is turned upright."""
    # a PNG may say how it is turned behind its pixels: asking costs decoding them all
    if image.format == "PNG" and not any(chunk in content for chunk in TELLING):
        return image.height, image.width
    return upright_size(image)
