"""Weights that were learned from pictures in colour, for gray ones, and the other way: only the first layer changes.

From colour to gray. A network for colour sees a gray picture in all three channels, as x_c = (p − m_c)/d_c by each
channel's mean and standard deviation. What it sees here is the mean of these three:

    y = (p − m)/d    with    1/d = mean(1/d_c)    and    m = d · mean(m_c/d_c)

The filter that makes of y what the channels' filters w_c made of p is the sum of the w_c · d/d_c. What is left of

    Σ w_c x_c − y Σ w_c d/d_c = Σ w_c (m − m_c)/d_c

depends on no picture: its sum over a filter is added to the layer's bias, or taken from the mean of the batch
normalisation that follows. So every answer stays as it was, but for borders: where a filter reaches into a padding
of zeros, which stood for the mean colour, it does not collect its whole constant. They stay, too, where the means of
the channels are equal.

From gray to colour, each channel gets a third of the filter, so the network sees the mean of the channels.
"""

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from striate.errors import WeightsError
from striate.nets.net import Net, chain
from striate.preprocess import Preprocess
from striate.show.numbers import count

GRAY, COLOUR = 1, 3


def adapted(network: Net, channels: int) -> tuple[Net, str]:
    """A copy for pictures of another number of channels, and how its weights were adapted.

    Parameters
    ----------
    network
        with weights; its preprocess is adapted, too, if it has one
    channels
        1 or 3, and the network's input has the other
    """
    assert network.input
    height, width, have = network.input
    if {have, channels} != {GRAY, COLOUR}:
        raise WeightsError(
            f"weights are adapted from 3 channels to 1, or from 1 to 3, but {network.name} is for {have} and "
            f"{channels} are asked for"
        )
    other = copy.deepcopy(network)
    (path, first), *behind = chain(other, "")
    if not isinstance(first, nn.Conv2d) or first.groups != 1:
        raise WeightsError(
            "weights are adapted where the first layer is a convolution that sees all channels, but that of "
            f"{network.name} is {type(first).__name__} at {path}"
        )
    other.input = (height, width, channels)
    before = network.preprocess
    with torch.no_grad():
        weight = first.weight.double()  # (filters, channels, height, width)
        if channels == COLOUR:
            told = "each channel's filters are a third of the gray ones, so it sees the mean of the channels"
            weight = weight.expand(-1, COLOUR, -1, -1) / COLOUR
            if before:
                other.preprocess = replace(before, channels="RGB", mean=before.mean * 3, std=before.std * 3)
        elif before is None:
            told = "the filters are summed over the channels, as if it saw the gray picture in all three"
            weight = weight.sum(1, keepdim=True)
        else:
            other.preprocess, weight, constant = _gray(before, weight)
            told = (
                "the filters are summed over the channels, each divided by its std, as if it saw the gray picture in "
                f"all three; mean {other.preprocess.mean[0]:.4g}, std {other.preprocess.std[0]:.4g}"
            )
            if len(set(before.mean)) > 1:
                told += _settled(first, behind[0][1] if behind else None, constant)
        first.in_channels = channels
        first.weight = nn.Parameter(weight.to(first.weight.dtype))
    return other, f"{told} ({path}, {count(first.out_channels, 'filter')})"


def _gray(before: Preprocess, weight: Tensor) -> tuple[Preprocess, Tensor, Tensor]:
    """The preprocess and the filters for one channel, and the constant of each filter that these leave."""
    means, stds = (torch.tensor(values, dtype=torch.float64) for values in (before.mean, before.std))
    std = 1 / (1 / stds).mean()
    mean = std * (means / stds).mean()
    constant = (weight.sum((2, 3)) * (mean - means) / stds).sum(1)  # (filters,)
    summed = (weight * (std / stds)[:, None, None]).sum(1, keepdim=True)
    return replace(before, channels="L", mean=(mean.item(),), std=(std.item(),)), summed, constant


def _settled(first: nn.Conv2d, second: nn.Module | None, constant: Tensor) -> str:
    """Put the constants where they belong; says how exact the answers are then."""
    if first.bias is not None:
        first.bias += constant.to(first.bias)
    elif isinstance(second, nn.BatchNorm2d) and second.running_mean is not None:
        second.running_mean -= constant.to(second.running_mean)
    else:
        return "; nearly, as neither a bias nor a batch normalisation takes up that the channels' means differ"
    bordered = first.padding not in (0, (0, 0)) and first.padding_mode == "zeros"
    return "; nearly at borders, where padding stood for another gray in each channel" if bordered else ""
