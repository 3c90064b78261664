"""A picture as a person sees it and as a network does, and maps laid over it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from striate.look.subject import Subject
from striate.pictures.decode import decode
from striate.pictures.sheet import Frame, heat_image, signed_image
from striate.show.names import printable

SIDE = 480  # pixels of the longer side of what is drawn
FAINT = 0.45  # of the light of what the network does not see
SHARE = 0.55  # of a map's colour over the picture


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture and what a network gets of it.

    Parameters
    ----------
    name
        of its file
    upright
        (height, width, 3) bytes, as a person sees it
    fitted
        (height, width, channels) bytes, as the network does
    input
        (1, channels, height, width), the same in the numbers that the network computes with
    seen
        the part of the upright picture that the network gets: top, bottom, left and right as shares; beyond 0 and 1
        where it is padded
    """

    name: str
    upright: np.ndarray
    fitted: np.ndarray
    input: Tensor
    seen: Frame

    def drawn(self, side: int = SIDE) -> Image.Image:
        """The upright picture, no larger than it is looked at; small ones stay small.

        Parameters
        ----------
        side
            the most pixels of its longer side
        """
        height, width = self.upright.shape[:2]
        scale = min(1.0, side / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return Image.fromarray(self.upright).resize(size, Image.Resampling.LANCZOS)

    def overlaid(self, values: np.ndarray, largest: float, signed: bool = False, side: int = SIDE) -> Image.Image:
        """A map in colours over the gray picture; what the network does not see is darker.

        Parameters
        ----------
        values
            (rows, columns) that divide what the network sees evenly
        largest
            what gets the strongest colour
        signed
            whether values below 0 mean something: blue
        side
            the most pixels of the longer side; what is smaller is enlarged, so that the map has room
        """
        height, width = self.upright.shape[:2]
        scale = side / max(height, width)
        tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
        gray = np.asarray(Image.fromarray(self.upright).convert("L").resize((wide, tall), Image.Resampling.BICUBIC))
        ground = np.repeat(gray[..., None].astype(np.float32), 3, axis=2)
        top, bottom, left, right = self.seen
        # each pixel's place in the map; OpenCV counts from the middle of the first
        across = ((np.arange(wide) + 0.5) / wide - left) / (right - left) * values.shape[1] - 0.5
        down = ((np.arange(tall) + 0.5) / tall - top) / (bottom - top) * values.shape[0] - 0.5
        x, y = np.meshgrid(across.astype(np.float32), down.astype(np.float32))
        spread = cv2.remap(values.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        inside = (np.abs(x + 0.5 - values.shape[1] / 2) <= values.shape[1] / 2) & (
            np.abs(y + 0.5 - values.shape[0] / 2) <= values.shape[0] / 2
        )
        colours = np.asarray(signed_image(spread, largest) if signed else heat_image(spread, largest), np.float32)
        mixed = np.where(inside[..., None], (1 - SHARE) * ground + SHARE * colours, FAINT * ground)
        return Image.fromarray(np.rint(mixed).astype(np.uint8))


def photo(path: str | Path, whose: Subject) -> Photo:
    """Read a picture as a network's input.

    Parameters
    ----------
    path
        its file
    whose
        the network
    """
    channels: Literal["RGB", "L"] = "L" if whose.preprocess.channels == "L" else "RGB"
    read = decode(Path(path), printable(path), channels=channels, background=whose.preprocess.background)
    return photo_of(Path(path).name, read.pixels, whose)


def photo_of(name: str, pixels: np.ndarray, whose: Subject) -> Photo:
    """A picture that is read already, as a network's input.

    Parameters
    ----------
    name
        what it is called
    pixels
        (height, width, channels) bytes, upright, with as many channels as the network takes
    whose
        the network
    """
    preprocess = whose.preprocess
    fitted = preprocess.pixels(pixels)
    input = torch.from_numpy(np.ascontiguousarray(preprocess.normalised(fitted)))[None]
    upright = pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)
    return Photo(name, upright, fitted, input, preprocess.seen(pixels.shape[:2]))
