"""Integrated gradients: how much each pixel adds on the way from a picture of nothing (Sundararajan et al., 2017)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from striate.errors import StriateError
from striate.look.slopes import picture_slopes
from striate.look.subject import still


def integrated(
    network: nn.Module, pictures: Tensor, targets: Tensor, *, baseline: Tensor | None = None, steps: int = 32
) -> Tensor:
    """What each pixel adds to the logit, beside that of the baseline: (batch, k, height, width).

    The slopes in the middle of each step of a straight way from the baseline, on average over the way, times how far
    each pixel goes; summed over channels. The first steps are the shortest. `shortfall` tells how far the sum is from
    the logit's rise.

    Parameters
    ----------
    network
        gives logits; any module
    pictures
        (batch, channels, height, width), normalised
    targets
        (batch, k) places of classes
    baseline
        pictures of nothing, normalised, in a shape that fits; None is 0, the mean colour that the preprocess subtracts:
        black would say that dark things add nothing, and a blurred picture still shows what it is
    steps
        of the way; twice as many take twice as long, and miss about half as much
    """
    if steps < 1:
        raise StriateError(f"integrated gradients take 1 or more steps, but are to take {steps}")
    start = _start(pictures, baseline)
    way = pictures.detach() - start
    # a faint picture changes what a network says most: with even steps it missed five to ten times as much
    ends = [(step / steps) ** 2 for step in range(steps + 1)]
    each = (
        (after - before) * picture_slopes(network, start + (before + after) / 2 * way, targets)
        for before, after in pairwise(ends)
    )
    slope = sum(each, start=pictures.new_zeros(()))  # (batch, k, channels, height, width)
    return (way[:, None] * slope).sum(2)


def shortfall(
    network: nn.Module, pictures: Tensor, targets: Tensor, maps: Tensor, *, baseline: Tensor | None = None
) -> Tensor:
    """How far the sums of integrated gradients are from the logits' rise: (batch, k), 0 after endless steps.

    Parameters
    ----------
    network, pictures, targets, baseline
        as of `integrated`
    maps
        what it gave
    """
    with still(network), torch.no_grad():
        rise = network(pictures) - network(_start(pictures, baseline).contiguous())
    return maps.sum((2, 3)) - rise.gather(1, targets)


def _start(pictures: Tensor, baseline: Tensor | None) -> Tensor:
    return torch.zeros_like(pictures) if baseline is None else baseline.to(pictures).expand_as(pictures)
