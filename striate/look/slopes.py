"""Slopes: how much the score of a class changes with each number of a tensor."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from striate.look.subject import still


def slopes(logits: Tensor, leaf: Tensor, targets: Tensor) -> Iterator[Tensor]:
    """For one target of each picture after the other, the gradient of its logit by a leaf, in the leaf's shape.

    Pictures do not reach into each other, so one backward pass serves a whole batch. Passes for several targets at once
    (`is_grads_batched`) were no faster, and keep all of their gradients.

    Parameters
    ----------
    logits
        (batch, classes)
    leaf
        (batch, …), of which they were computed
    targets
        (batch, k) places of classes
    """
    for place in range(targets.shape[1]):
        chosen = logits.gather(1, targets[:, place : place + 1]).sum()
        last = place == targets.shape[1] - 1
        yield torch.autograd.grad(chosen, leaf, retain_graph=not last, materialize_grads=True)[0]


def picture_slopes(network: nn.Module, pictures: Tensor, targets: Tensor) -> Tensor:
    """The slopes by the pictures themselves: (batch, k, channels, height, width).

    Parameters
    ----------
    network
        gives logits; any module
    pictures
        (batch, channels, height, width), normalised
    targets
        (batch, k) places of classes
    """
    leaf = pictures.detach().requires_grad_()
    with still(network):
        logits = network(leaf.clone())  # the first layer may write into what it gets
        return torch.stack(list(slopes(logits, leaf, targets)), 1)
