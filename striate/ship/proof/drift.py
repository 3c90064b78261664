"""Drift: what other programs make of the same picture, as they are usually called.

The graph holds the resize, so only the decoder is left to who uses the file; who resizes beforehand, or copies the
network out of the graph, gets what is measured here.
"""

import io
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageOps

from striate.pictures.opened import PIXEL_LIMIT
from striate.preprocess import Preprocess

Resizer = Callable[[np.ndarray], np.ndarray | None]


def by_pillow(content: bytes) -> np.ndarray | None:
    """A file's pixels (height, width, 3) by Pillow; None where it fails.

    Parameters
    ----------
    content
        of the file
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception:  # a broken file makes decoders raise almost anything
        return None


def by_opencv(content: bytes) -> np.ndarray | None:
    """A file's pixels (height, width, 3) by OpenCV; None where it fails.

    Parameters
    ----------
    content
        of the file
    """
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        return None


DECODERS = {"decoded by Pillow": by_pillow, "decoded by OpenCV": by_opencv}


def resizers(preprocess: Preprocess) -> dict[str, Resizer]:
    """Other ways from upright pixels (height, width, 3) to what a network sees, (rows, columns, channels), by name.

    They give None of strips so long that, before they are cropped, they would be larger than any picture may be.

    Parameters
    ----------
    preprocess
        the network's input: all but the resize is done as it says

    >>> picture = np.full((30, 40, 3), 7, np.uint8)
    >>> [other(picture).tolist() == Preprocess().pixels(picture).tolist() for other in resizers(Preprocess()).values()]
    [True, True, True]
    """
    cubic = preprocess.interpolation == "bicubic"
    resampling = Image.Resampling.BICUBIC if cubic else Image.Resampling.BILINEAR
    plain = ("INTER_CUBIC", cv2.INTER_CUBIC) if cubic else ("INTER_LINEAR", cv2.INTER_LINEAR)

    def pillow(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), resampling))

    def opencv(kind: int) -> Callable[[np.ndarray, tuple[int, int]], np.ndarray]:
        return lambda pixels, size: cv2.resize(pixels, (size[1], size[0]), interpolation=kind)

    def fitted(resized: Callable[[np.ndarray, tuple[int, int]], np.ndarray]) -> Resizer:
        def fit(pixels: np.ndarray) -> np.ndarray | None:
            size = preprocess.fitted(pixels.shape[:2])
            if size[0] * size[1] > PIXEL_LIMIT:
                return None
            if preprocess.channels == "L":
                pixels = np.asarray(Image.fromarray(pixels).convert("L"))
            ready = resized(pixels, size)
            # it has the size that it is resized to already, so that it is cropped or padded alone
            return preprocess.pixels(ready if ready.ndim == 3 else ready[:, :, None])

        return fit

    return {
        f"resized by Pillow, {resampling.name}": fitted(pillow),
        "resized by OpenCV, INTER_AREA": fitted(opencv(cv2.INTER_AREA)),
        f"resized by OpenCV, {plain[0]} (not antialiased)": fitted(opencv(plain[1])),
    }
