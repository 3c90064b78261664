"""Class activation maps in closed form (Zhou et al., 2016): where the logit of a class comes from."""

import torch
from torch import Tensor, nn

from striate.errors import StriateError
from striate.look.layers import layer_with_maps, layers, leaf_at
from striate.look.subject import still

CLOSE = 1e-4  # how far logits may be from what the maps say, beside the largest: sums of float32 in another order


def cam(network: nn.Module, pictures: Tensor, targets: Tensor) -> Tensor:
    """What each position adds to a class: (batch, k, rows, columns), whose mean is the logit less its bias.

    For networks that end in a mean over positions: of class maps (Network in Network, SqueezeNet), or of maps that one
    fully connected layer, or 1×1 convolution, then weighs. Whether a network does is no matter of its modules' names:
    the means of the maps must give its very logits.

    Parameters
    ----------
    network
        gives logits; any module
    pictures
        (batch, channels, height, width), normalised
    targets
        (batch, k) places of classes
    """
    input = (pictures.shape[1], pictures.shape[2], pictures.shape[3])
    last = layer_with_maps(network, input)
    namer = next(
        (part for path in reversed(layers(network, input)) if _names(part := network.get_submodule(path))), None
    )
    with still(network), leaf_at(network, last) as leaves:
        logits = network(pictures.detach()).detach()
    maps = leaves[0].detach()
    means = maps.mean((2, 3))  # (batch, maps)
    if _equal(means, logits):
        return maps.gather(1, targets[:, :, None, None].expand(-1, -1, *maps.shape[2:]))
    if isinstance(namer, nn.Linear | nn.Conv2d):
        weights = namer.weight.detach().flatten(1)  # (classes, maps)
        bias = 0 if namer.bias is None else namer.bias.detach()
        if weights.shape == (logits.shape[1], maps.shape[1]) and _equal(means @ weights.T + bias, logits):
            return torch.einsum("bkc, bcyx -> bkyx", weights[targets], maps)
    raise StriateError(
        "cam needs a network that ends in a mean over positions and at most one fully connected layer, but the logits "
        f"of this one are not what the means of {last} say; gradcam explains every network"
    )


def _names(layer: nn.Module) -> bool:
    """Whether a layer may give a class a weight for each map."""
    one = isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.weight.shape[2:].numel() == 1
    return one or isinstance(layer, nn.Linear)


def _equal(said: Tensor, logits: Tensor) -> bool:
    return said.shape == logits.shape and bool((said - logits).abs().max() <= CLOSE * logits.abs().max())
