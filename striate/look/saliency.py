"""Saliency: which pixels would change the score of a class at once (Simonyan et al., 2013)."""

from torch import Tensor, nn

from striate.look.slopes import picture_slopes


def saliency(network: nn.Module, pictures: Tensor, targets: Tensor) -> Tensor:
    """How steeply the logit changes with a pixel, up or down, by its steepest channel: (batch, k, height, width).

    Parameters
    ----------
    network
        gives logits; any module
    pictures
        (batch, channels, height, width), normalised
    targets
        (batch, k) places of classes
    """
    return picture_slopes(network, pictures, targets).abs().amax(2)
