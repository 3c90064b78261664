"""The built-in pictures: a small scene with edges in all directions, and the 6×6 picture of two halves."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

HEIGHT, WIDTH = 160, 240
FINE = 4  # drawn this many times larger, then averaged, so that slanted edges are smooth
HORIZON = 112


def halves() -> Image.Image:
    """Six by six pixels, 10 in the left half and 0 in the right."""
    return Image.fromarray(np.repeat([[10, 10, 10, 0, 0, 0]], 6, axis=0).astype(np.uint8))


def scene() -> Image.Image:
    """A lighthouse, a boat and mountains by the sea: upright, level, slanted and round edges, and flat sky."""
    image = Image.fromarray(_sky_and_sea()).resize((WIDTH * FINE, HEIGHT * FINE), Image.Resampling.BICUBIC)
    pen = _Pen(ImageDraw.Draw(image))
    _sun(pen)
    _mountains(pen)
    _boat(pen)
    _lighthouse(pen)
    return image.reduce(FINE)


BUILT_IN: dict[str, Callable[[], Image.Image]] = {"scene": scene, "halves": halves}


class _Pen:
    """Draws in the pixels of the finished scene."""

    def __init__(self, draw: ImageDraw.ImageDraw):
        self._draw = draw

    def shape(self, colour: str, *points: tuple[float, float]) -> None:
        self._draw.polygon([(x * FINE, y * FINE) for x, y in points], fill=colour)

    def box(self, colour: str, left: float, top: float, right: float, bottom: float) -> None:
        self._draw.rectangle((left * FINE, top * FINE, right * FINE - 1, bottom * FINE - 1), fill=colour)

    def disc(self, colour: str, x: float, y: float, radius: float) -> None:
        self._draw.circle((x * FINE, y * FINE), radius * FINE, fill=colour)


def _sky_and_sea() -> np.ndarray:
    """Two vertical gradients that meet at the horizon, (height, width, 3)."""
    sky = np.linspace((108, 164, 214), (250, 222, 178), HORIZON)
    sea = np.linspace((58, 126, 148), (18, 62, 92), HEIGHT - HORIZON)
    return np.repeat(np.concatenate([sky, sea])[:, None], WIDTH, axis=1).astype(np.uint8)


def _sun(pen: _Pen) -> None:
    pen.disc("#fdf0c4", 150, 46, 21)
    pen.disc("#f6c544", 150, 46, 17)
    for y, half in ((118, 17), (124, 12), (130, 8), (136, 4)):  # its reflection
        pen.box("#e2c56b", 150 - half, y, 150 + half, y + 2)


def _mountains(pen: _Pen) -> None:
    pen.shape("#7487a3", (78, HORIZON), (124, 62), (170, HORIZON))
    pen.shape("#56688a", (112, HORIZON), (176, 40), (240, 100), (240, HORIZON))
    pen.shape("#f4f7fa", (176, 40), (160, 58), (168, 56), (174, 63), (181, 56), (188, 61), (196.5, 59))
    pen.shape("#f4f7fa", (124, 62), (113, 74), (120, 72), (125, 77), (130, 72), (135, 74))


def _boat(pen: _Pen) -> None:
    pen.shape("#ffffff", (203, 86), (203, 127), (176, 127))
    pen.shape("#f3d9c8", (207, 92), (207, 127), (226, 127))
    pen.box("#3b2a20", 203, 82, 205, 131)
    pen.shape("#b5322c", (172, 131), (230, 131), (221, 141), (182, 141))


def _lighthouse(pen: _Pen) -> None:
    pen.shape("#2f3a44", (0, HEIGHT), (0, 134), (22, 124), (66, 124), (92, 140), (104, HEIGHT))
    top, bottom, narrow, wide, middle = 44, 124, 8.0, 13.0, 44
    for stripe in range(8):  # each stripe is a slice of the tapering tower
        upper, lower = (top + (bottom - top) * part / 8 for part in (stripe, stripe + 1))
        left, right = (narrow + (wide - narrow) * (y - top) / (bottom - top) for y in (upper, lower))
        corners = (middle - left, upper), (middle + left, upper), (middle + right, lower), (middle - right, lower)
        pen.shape("#c8362f" if stripe % 2 else "#f7f4ee", *corners)
    pen.box("#20262c", middle - 12, 40, middle + 12, 44)
    pen.box("#ffe58a", middle - 7, 27, middle + 7, 40)
    pen.box("#20262c", middle - 1, 27, middle + 1, 40)
    pen.shape("#8f241f", (middle - 10, 27), (middle, 14), (middle + 10, 27))
    pen.box("#20262c", middle - 4, 112, middle + 4, 124)
