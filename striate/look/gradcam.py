"""Grad-CAM and Grad-CAM++: the maps of a layer, weighted by what they do for a class.

Selvaraju et al., 2017, and Chattopadhay et al., 2018. Up to the layer, nothing is remembered for a backward pass; from
the layer on, one backward pass for each target serves the whole batch.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from striate.look.layers import layer_with_maps, leaf_at
from striate.look.slopes import slopes
from striate.look.subject import still


def gradcam(network: nn.Module, pictures: Tensor, targets: Tensor, *, layer: str | None = None) -> Tensor:
    """Where the maps of a layer speak for a class: (batch, k, rows, columns) of the layer, none below 0.

    A map counts as much as the logit rises with it, on average over its positions.

    Parameters
    ----------
    network
        gives logits; any module
    pictures
        (batch, channels, height, width), normalised
    targets
        (batch, k) places of classes
    layer
        a path; None is the last layer with several positions
    """
    return _weighted(network, pictures, targets, layer, lambda maps, slope: slope.mean((2, 3)))


def gradcam_plus(network: nn.Module, pictures: Tensor, targets: Tensor, *, layer: str | None = None) -> Tensor:
    """The same where only rising slopes count, each position by itself: several things of a class show more evenly.

    The paper's weights g²/(2g² + S·g³)·relu(g), with S the sum of a map, are relu(g)/(2 + S·g): so no small number has
    to keep a division from failing.

    Parameters
    ----------
    network
        gives logits; any module
    pictures
        (batch, channels, height, width), normalised
    targets
        (batch, k) places of classes
    layer
        a path; None is the last layer with several positions
    """

    def weigh(maps: Tensor, slope: Tensor) -> Tensor:
        below = 2 + maps.sum((2, 3), keepdim=True) * slope
        # 0 below only where a map is negative, for which the paper has no answer
        return torch.where(below == 0, 0, slope.relu() / below).sum((2, 3))

    return _weighted(network, pictures, targets, layer, weigh)


def _weighted(
    network: nn.Module,
    pictures: Tensor,
    targets: Tensor,
    layer: str | None,
    weigh: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """The sum of the layer's maps with weights (batch, maps) from maps and slopes (batch, maps, rows, columns)."""
    input = (pictures.shape[1], pictures.shape[2], pictures.shape[3])
    # a layer that is there is looked at in the pass itself: another one would double the time
    path = layer if layer in dict(network.named_modules()) else None
    path = path or layer_with_maps(network, input, layer)
    with still(network):
        with leaf_at(network, path) as leaves:
            logits = network(pictures.detach())
        if not leaves or leaves[0].dim() != 4 or leaves[0].shape[2:].numel() == 1:
            layer_with_maps(network, input, path)  # says what is wrong with it
        (maps,) = leaves
        found = [
            torch.einsum("bc, bcyx -> byx", weigh(maps, slope), maps).relu() for slope in slopes(logits, maps, targets)
        ]
    return torch.stack(found, 1).detach()
