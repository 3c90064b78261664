"""Mixup and CutMix: each picture of a batch is mixed with another one, and so are their labels."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from striate.data.randomness import Purpose, generator
from striate.errors import StriateError


@dataclass(frozen=True)
class Mixing:
    """How batches are mixed. The share of a picture is drawn from Beta(strength, strength); 0 is off.

    Parameters
    ----------
    mixup
        strength of blending two pictures; 0.2 is usual, for it mostly leaves one nearly alone
    cutmix
        strength of pasting a rectangle of one into the other; 1 is usual, for it makes every area equally likely
    probability
        of a batch being mixed at all; where both are on, each comes half of the time
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.mixup < 100 and 0 <= self.cutmix < 100 and 0 <= self.probability <= 1):
            raise StriateError(
                "mixup and cutmix are strengths from 0 to 100 and probability is from 0 to 1, "
                f"but they are {self.mixup}, {self.cutmix} and {self.probability}"
            )


def mix(
    pixels: Tensor, labels: Tensor, mixing: Mixing, classes: int, *, seed: int, epoch: int, batch: int
) -> tuple[Tensor, Tensor]:
    """Mix each picture of a batch with the one that a permutation gives it.

    Parameters
    ----------
    pixels
        (batch, channels, height, width), normalised
    labels
        (batch,) places in the classes, or (batch, classes) shares of each
    mixing
        how
    classes
        how many there are
    seed, epoch, batch
        the address of the choice; `batch` is its number in the epoch, over all processes

    Returns the pixels and labels (batch, classes) of the pixels' type; those that came in stay as they are.
    """
    shares = (one_hot(labels, classes) if labels.ndim == 1 else labels).to(pixels.dtype)
    random = generator(seed, epoch, Purpose.MIX, batch)
    chosen = random.random()
    kinds = [kind for kind in ("mixup", "cutmix") if getattr(mixing, kind)]
    if not kinds or chosen >= mixing.probability:
        return pixels, shares
    kind = kinds[int(chosen / mixing.probability * len(kinds))]
    strength = getattr(mixing, kind)
    kept = float(random.beta(strength, strength))
    partner = torch.from_numpy(random.permutation(len(pixels))).to(pixels.device)
    if kind == "mixup":
        return _blend(pixels, kept, partner), _blend(shares, kept, partner)
    height, width = pixels.shape[2:]
    (top, bottom), (left, right) = (_span(length, sqrt(1 - kept), random) for length in (height, width))
    mixed = pixels.clone()
    mixed[:, :, top:bottom, left:right] = pixels[partner, :, top:bottom, left:right]
    kept = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, _blend(shares, kept, partner)


def _blend(values: Tensor, kept: float, partner: Tensor) -> Tensor:
    return kept * values + (1 - kept) * values[partner]


def _span(length: int, share: float, random: np.random.Generator) -> tuple[int, int]:
    """Where a rectangle begins and ends; its middle may lie anywhere, and what lies outside the picture is cut off."""
    middle, side = int(random.integers(length)), round(length * share)
    return max(0, middle - side // 2), min(length, middle - side // 2 + side)
