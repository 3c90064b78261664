"""Bytes become the network's input where they are: on a GPU, or on the processor."""

from functools import lru_cache

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
        a tensor to fill, of an earlier batch: on a processor, fresh memory costs ten times as much as the sums
    """
    if preprocess.channels == "BGR":
        pixels = pixels.flip(1)
    if out is None or out.shape != pixels.shape:
        out = torch.empty_like(pixels, dtype=torch.float32, memory_format=torch.channels_last)
    factor, shift = _factors(preprocess, pixels.shape[1:], pixels.device)
    if pixels.device.type != "cpu":
        return out.copy_(pixels).mul_(factor).add_(shift)
    # Picture by picture each stays in the processor's cache; and PyTorch's own threads would take the loaders' cores
    times, plus = factor.numpy(), shift.numpy()
    for picture, numbers in zip(*(tensor.permute(0, 2, 3, 1).numpy() for tensor in (pixels, out)), strict=True):
        numbers[...] = picture
        numbers *= times
        numbers += plus
    return out


@lru_cache(maxsize=4)
def _factors(preprocess: Preprocess, shape: torch.Size, device: torch.device) -> tuple[Tensor, Tensor]:
    """`Preprocess.factors`, spread out as the pixels lie, which is faster."""
    channels, height, width = shape

    def spread(values: np.ndarray) -> Tensor:
        whole = torch.from_numpy(values).to(device).expand(height, width, channels).contiguous()
        return whole if device.type == "cpu" else whole.permute(2, 0, 1)

    factor, shift = preprocess.factors
    return spread(factor), spread(shift)
