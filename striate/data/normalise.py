"""Bytes become the network's input where they are: on a GPU, or on the processor."""

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from striate.preprocess import Preprocess


def normalised(pixels: Tensor, preprocess: Preprocess, out: Tensor | None = None) -> Tensor:
    """Bytes as the network's input, float32, on the device where they are.

    Parameters
    ----------
    pixels
        (n, channels, height, width) of uint8
    preprocess
        mean, std, scale and the order of the channels
    out
        what was returned for an earlier batch, whose memory is used again: fresh memory costs several times the sums
    """
    if preprocess.channels == "BGR":
        pixels = pixels.flip(1)
    out = _room(pixels, out)
    factor, shift = preprocess.factors
    if pixels.device.type != "cpu":
        factor, shift = (torch.from_numpy(each).to(pixels.device)[:, None, None] for each in (factor, shift))
        return out.copy_(pixels).mul_(factor).add_(shift)
    # one call without Python's lock, which the loading threads want, too; and none of PyTorch's threads on their cores
    flat = (-1, pixels.shape[3]) if len(factor) == 1 else (-1, pixels.shape[3], 3)
    before, after = (tensor.permute(0, 2, 3, 1).numpy() for tensor in (pixels, out))
    cv2.LUT(np.ascontiguousarray(before).reshape(flat), _levels(preprocess), after.reshape(flat))
    return out


def _room(pixels: Tensor, used: Tensor | None) -> Tensor:
    """Memory for these pixels in float32, in the layout of images; where it is new, for a larger batch as well."""
    count, *shape = pixels.shape
    channels, height, width = shape
    if used is not None and list(used.shape[1:]) == shape and used.device == pixels.device:
        strides = (height * width * channels, 1, width * channels, channels)
        if used.untyped_storage().nbytes() >= 4 * pixels.numel() and used.storage_offset() == 0:
            return used.as_strided(pixels.shape, strides)
    # the last batch of an epoch may hold half as many more
    room = (count + count // 2, *shape)
    whole = torch.empty(room, dtype=torch.float32, device=pixels.device, memory_format=torch.channels_last)
    return whole[:count]


@lru_cache(maxsize=4)
def _levels(preprocess: Preprocess) -> np.ndarray:
    """(1, 256, channels) of float32: what each level of each channel becomes."""
    factor, shift = preprocess.factors
    return (np.arange(256, dtype=np.float32)[:, None] * factor + shift)[None]
