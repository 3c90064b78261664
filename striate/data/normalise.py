"""Bytes become the network's input where they are: on a GPU, or on the processor."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from striate.preprocess import Preprocess


def normalised(pixels: Tensor, preprocess: Preprocess) -> Tensor:
    """Bytes as the network's input, float32, on the device where they are.

    Parameters
    ----------
    pixels
        (n, channels, height, width) of uint8
    preprocess
        mean, std, scale and the order of the channels
    """
    if pixels.device.type == "cpu":
        before = pixels.permute(0, 2, 3, 1).numpy()
        after = np.empty(before.shape, np.float32)
        normalise_into(after, before, preprocess)
        return torch.from_numpy(after).permute(0, 3, 1, 2)
    if preprocess.channels == "BGR":
        pixels = pixels.flip(1)
    factor, shift = (torch.from_numpy(each).to(pixels.device)[:, None, None] for each in preprocess.factors)
    return pixels.to(torch.float32, memory_format=torch.channels_last).mul_(factor).add_(shift)


def normalise_into(out: np.ndarray, pixels: np.ndarray, preprocess: Preprocess) -> None:
    """Bytes (…, height, width, channels) as the network's input, in memory that is there: the same shape of float32.

    Parameters
    ----------
    out
        in one piece
    pixels
        of uint8
    preprocess
        mean, std, scale and the order of the channels
    """
    if preprocess.channels == "BGR":
        pixels = pixels[..., ::-1]
    factor, shift = _rows(preprocess, pixels.shape[-2])
    before = torch.from_numpy(np.ascontiguousarray(pixels).reshape(-1, len(factor)))
    # one call without Python's lock, which other threads want, too
    torch.addcmul(shift, before, factor, out=torch.from_numpy(out.reshape(before.shape)))


@lru_cache(maxsize=4)
def _rows(preprocess: Preprocess, width: int) -> tuple[Tensor, Tensor]:
    """What pixels are multiplied by and what is added then, (width · channels,) each."""
    factor, shift = (torch.from_numpy(np.tile(each, width)) for each in preprocess.factors)
    return factor, shift
