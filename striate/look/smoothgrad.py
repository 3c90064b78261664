"""SmoothGrad: saliency, averaged over noisy copies of a picture (Smilkov et al., 2017)."""

import torch
from torch import Tensor, nn

from striate.data.randomness import Purpose, normals, uniforms
from striate.errors import StriateError
from striate.look.saliency import saliency


def smoothgrad(
    network: nn.Module, pictures: Tensor, targets: Tensor, *, copies: int = 25, noise: float = 0.15, seed: int = 0
) -> Tensor:
    """How steeply the logit changes with each pixel, on average near the picture: (batch, k, height, width).

    Parameters
    ----------
    network
        gives logits; any module
    pictures
        (batch, channels, height, width), normalised
    targets
        (batch, k) places of classes
    copies
        how many noisy ones; copy n of every picture has the same noise, whatever the others are
    noise
        standard deviation, as a share of the span from the picture's lowest to its highest number
    seed
        another seed draws other noise
    """
    if copies < 1 or not noise >= 0:
        raise StriateError(
            f"smoothgrad averages 1 or more copies with noise of 0 or more, but is to take {copies} with {noise}"
        )
    span = pictures.amax((1, 2, 3), keepdim=True) - pictures.amin((1, 2, 3), keepdim=True)  # (batch, 1, 1, 1)
    count = pictures[0].numel()

    def noisy(copy: int) -> Tensor:
        drawn = normals(uniforms(seed, copy, 0, Purpose.LOOK, count + count % 2))[:count]
        return pictures + noise * span * torch.from_numpy(drawn).to(pictures).reshape(pictures.shape[1:])

    maps = (saliency(network, noisy(copy), targets) for copy in range(copies))
    return sum(maps, start=pictures.new_zeros(())) / copies
