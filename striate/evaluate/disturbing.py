"""Disturbances: a picture moved, turned, scaled, blurred, noisy, compressed, brightened, at the scale of the input.

Each begins with what the network would see and what lies around that in the picture, so that a shift brings in real
surroundings; where the picture ends, its border goes on. All is done to bytes. What is drawn (a direction, the noise)
has the picture's address and is the same at every strength, so that a curve shows one thing grow.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from math import ceil, log
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from striate.data.batches import Batch
from striate.data.distort.colour import MID_GRAY
from striate.data.distort.draw import Drawn, about_middle
from striate.data.distort.warp import warp
from striate.data.randomness import Purpose, normals, uniforms
from striate.preprocess import Preprocess

SMALLEST = 0.5  # of the scales: so much of the input has to be known on each side
DIRECTIONS = ((1, 0), (0, 1), (-1, 0), (0, -1))


@dataclass(frozen=True)
class Kind:
    """One way to disturb a picture.

    Parameters
    ----------
    unit
        what its strength is measured in
    strengths
        those that are tried, besides no disturbance
    plain
        the strength that changes nothing; None where there is none
    amount, words
        a strength as a table has it, and in a sentence, with {} for its number
    most
        the largest strength as a share of the input's short side; None is any
    """

    unit: str
    strengths: tuple[float, ...]
    plain: float | None
    amount: str
    words: str
    most: float | None = None

    def fitting(self, size: tuple[int, int]) -> tuple[float, ...]:
        """The strengths that make sense for an input of a height and width."""
        largest = float("inf") if self.most is None else self.most * min(size)
        return tuple(strength for strength in self.strengths if strength <= largest) or self.strengths[:1]

    def far(self, strength: float) -> float:
        """How far a strength is from changing nothing: by its ratio where it is a factor."""
        if self.plain is None:
            return -strength
        return abs(log(strength)) if self.plain == 1 else strength


KINDS = {
    "shift": Kind("pixels of the input", (1, 2, 4, 8, 16, 32), 0, "{} px", "a shift of {} px", most=1 / 4),
    "rotation": Kind("degrees", (5, 10, 15, 20, 30, 45), 0, "{}°", "a rotation of {}°"),
    "scale": Kind("factor", (SMALLEST, 0.7, 0.85, 1.2, 1.5, 2), 1, "×{}", "a scale of ×{}"),
    "blur": Kind("standard deviation, pixels", (0.5, 1, 2, 4, 8), 0, "{} px", "a blur of {} px", most=1 / 8),
    "noise": Kind("standard deviation, levels of 255", (5, 10, 20, 40, 80), 0, "{} levels", "noise of {} levels"),
    "jpeg": Kind("JPEG quality", (90, 70, 50, 30, 10, 5), None, "quality {}", "JPEG quality {}"),
    "brightness": Kind("factor of the levels", (0.25, 0.5, 0.75, 1.5, 2, 3), 1, "×{}", "a brightness of ×{}"),
    "contrast": Kind("factor about mid-gray", (0.25, 0.5, 0.75, 1.5, 2, 4), 1, "×{}", "a contrast of ×{}"),
}


class Luck(NamedTuple):
    """What is drawn for a picture.

    Parameters
    ----------
    direction
        of a shift: right and down
    side
        of a rotation: 1 is to the left
    noise
        (height, width, channels) of standard deviation 1
    """

    direction: tuple[int, int]
    side: int
    noise: np.ndarray


class View(NamedTuple):
    """One kind at one strength.

    Parameters
    ----------
    kind
        of KINDS; "" leaves the picture as it is
    strength
        in the kind's unit
    """

    kind: str
    strength: float

    def of(self, picture: np.ndarray, luck: Luck) -> np.ndarray:
        """The network's input (height, width, channels), disturbed.

        Parameters
        ----------
        picture
            the same with its surroundings, as `Surrounded` makes it
        luck
            what was drawn for the picture
        """
        height, width = size = luck.noise.shape[:2]
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        inner = picture[top : top + height, left : left + width]
        box, strength = (top, left, height, width), self.strength
        placed, stay = partial(about_middle, box, size), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
        match self.kind:
            case "":
                return inner
            case "noise":
                return np.clip(np.rint(inner + np.float32(strength) * luck.noise), 0, 255).astype(np.uint8)
            case "jpeg":
                return _compressed(inner, int(strength))
            case "shift":
                drawn = Drawn(size, placed(moved=(strength * luck.direction[0], strength * luck.direction[1])))
            case "rotation":
                drawn = Drawn(size, placed(turn=strength * luck.side))
            case "scale":
                drawn = Drawn(size, placed(grown=strength))
            case "blur":
                drawn = Drawn(size, stay, box, blur=strength)
            case _:
                lift = MID_GRAY * (1 - strength) if self.kind == "contrast" else 0.0
                colour = np.eye(3, 4, dtype=np.float32) * np.float32(strength)
                colour[:, 3] = lift
                drawn = Drawn(size, stay, box, colour=colour, light=(strength, lift))
        return warp(picture, drawn)


AS_IT_IS = View("", 0.0)


@dataclass(frozen=True)
class Surrounded(Preprocess):
    """A network's input with what lies around it in the picture.

    Parameters
    ----------
    inner
        the network's own
    """

    inner: Preprocess = Preprocess()  # noqa: RUF009  # it cannot be changed

    def pixels(self, picture: np.ndarray, around: int = 0) -> np.ndarray:
        return self.inner.pixels(picture, around + (self.size[0] - self.inner.size[0]) // 2)


def surrounded(inner: Preprocess) -> Surrounded:
    """As much around an input as its smallest scale shows."""
    room = ceil(max(inner.size) * (1 / SMALLEST - 1) / 2)
    height, width = inner.size
    return Surrounded(**{**vars(inner), "size": (height + 2 * room, width + 2 * room), "resize": None, "inner": inner})


class Disturbances:
    """Each picture as it is, then under every kind at every strength.

    Parameters
    ----------
    inner
        the network's input
    kinds
        of KINDS
    seed
        of what is drawn
    pool
        threads, each of which disturbs a picture
    """

    def __init__(self, inner: Preprocess, kinds: Sequence[str], seed: int, pool: Executor):
        self.preprocess: Preprocess = surrounded(inner)
        self.shape = (*inner.size, 1 if inner.channels == "L" else 3)
        self.views = [AS_IT_IS]
        self.views += [View(kind, strength) for kind in kinds for strength in KINDS[kind].fitting(inner.size)]
        self.seed, self._map = seed, pool.map

    def __len__(self) -> int:
        return len(self.views)

    def of(self, batch: Batch) -> Iterator[Tensor]:
        """Each view of a batch of surrounded pictures."""
        pictures = batch.pixels.permute(0, 2, 3, 1).cpu().numpy()
        drawn = list(self._map(self._luck, batch.rows.tolist()))
        for view in self.views:
            made = np.stack(list(self._map(view.of, pictures, drawn)))
            yield torch.from_numpy(made).permute(0, 3, 1, 2).to(batch.pixels.device)

    def _luck(self, row: int) -> Luck:
        count = int(np.prod(self.shape))
        numbers = uniforms(self.seed, 0, row, Purpose.DISTURB, 2 + count + count % 2)
        noise = normals(numbers[2:])[:count].reshape(self.shape).astype(np.float32)
        return Luck(DIRECTIONS[int(4 * numbers[0])], 1 if numbers[1] < 0.5 else -1, noise)


def _compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    """As a JPEG and back."""
    gray = pixels.shape[2] == 1
    ordered = pixels if gray else np.ascontiguousarray(pixels[:, :, ::-1])
    _, content = cv2.imencode(".jpg", ordered, (cv2.IMWRITE_JPEG_QUALITY, quality))
    read = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR_RGB)
    return np.asarray(read).reshape(pixels.shape)
