"""Class activation maps in closed form (Zhou et al., 2016): where the logit of a class comes from."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.errors import StriateError
from striate.look.layers import layer_with_maps, layers, leaf_at
from striate.look.looked import passing
from striate.look.subject import still

CLOSE = 1e-4  # how far logits may be from what the maps say, beside the largest: sums of float32 in another order


@dataclass(frozen=True)
class Closed:
    """How logits follow from the maps of a layer: as means, which each class weighs.

    Parameters
    ----------
    layer
        path of the layer
    weights
        (classes, maps), or None where each class has a map of its own
    """

    layer: str
    weights: Tensor | None


def closed_form(network: nn.Module, pictures: Tensor) -> Closed | None:
    """How logits follow from maps, if they are means of maps, or weighed means; None of any other network.

    Whether they are is no matter of the modules' names: the means of the maps must give the very logits.

    Parameters
    ----------
    network
        gives logits; any module
    pictures
        (batch, channels, height, width), normalised, to compare both
    """
    input = (pictures.shape[1], pictures.shape[2], pictures.shape[3])
    try:
        last = layer_with_maps(network, input)
    except StriateError:
        return None
    namer = next(
        (part for path in reversed(layers(network, input)) if _names(part := network.get_submodule(path))), None
    )
    with still(network), leaf_at(network, last) as leaves:
        logits = network(pictures.detach()).detach()
    means = leaves[0].detach().mean((2, 3))  # (batch, maps)
    if _equal(means, logits):
        return Closed(last, None)
    if isinstance(namer, nn.Linear | nn.Conv2d):
        weights = namer.weight.detach().flatten(1)
        bias = 0 if namer.bias is None else namer.bias.detach()
        if weights.shape == (logits.shape[1], means.shape[1]) and _equal(means @ weights.T + bias, logits):
            return Closed(last, weights)
    return None


def cam(network: nn.Module, pictures: Tensor, targets: Tensor) -> Tensor:
    """What each position adds to a class: (batch, k, rows, columns), whose mean is the logit less its bias.

    For networks that end in a mean over positions: of class maps (Network in Network, SqueezeNet), or of maps that one
    fully connected layer, or 1×1 convolution, then weighs.

    Parameters
    ----------
    network
        gives logits; any module
    pictures
        (batch, channels, height, width), normalised
    targets
        (batch, k) places of classes
    """
    closed = closed_form(network, pictures)
    if closed is None:
        last = layer_with_maps(network, (pictures.shape[1], pictures.shape[2], pictures.shape[3]))
        raise StriateError(
            "cam needs a network that ends in a mean over positions and at most one fully connected layer, but the "
            f"logits of this one are not what the means of {last} say; gradcam explains every network"
        )
    with still(network), torch.no_grad(), passing(network, closed.layer) as seen:
        network(pictures)
    maps = seen[closed.layer]  # (batch, maps, rows, columns)
    if closed.weights is None:
        return maps.gather(1, targets[:, :, None, None].expand(-1, -1, *maps.shape[2:]))
    return torch.einsum("bkc, bcyx -> bkyx", closed.weights[targets], maps)


def _names(layer: nn.Module) -> bool:
    """Whether a layer may give a class a weight for each map."""
    one = isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.weight.shape[2:].numel() == 1
    return one or isinstance(layer, nn.Linear)


def _equal(said: Tensor, logits: Tensor) -> bool:
    return said.shape == logits.shape and bool((said - logits).abs().max() <= CLOSE * logits.abs().max())
