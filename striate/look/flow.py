"""How gradients flow back through a network on one batch: through its weights, its layers, its blocks."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import StriateError

RELUS = (nn.ReLU, nn.ReLU6)


@dataclass
class Passed:
    """A layer with weights on the way of one batch.

    Parameters
    ----------
    path
        of the layer
    weight
        the norm of its weights
    gradient
        the norm of the loss's gradient on them
    output
        the norm of the loss's gradient on what the layer puts out
    units
        channels of the ReLUs that follow it, before the next such layer
    dead
        those that are 0 for every picture, everywhere
    """

    path: str
    weight: float
    gradient: float = 0.0
    output: float = 0.0
    units: int = 0
    dead: int = 0


def flow(network: nn.Module, pictures: Tensor, labels: Tensor) -> tuple[float, list[Passed]]:
    """The loss of a batch and, for each layer with weights, in order, what of it comes back there.

    Parameters
    ----------
    network
        as it trains: its batch normalisation sees this batch, and its running statistics move
    pictures
        (n, channels, height, width)
    labels
        (n,)
    """
    found: list[Passed] = []
    outputs: list[Tensor] = []
    weights: list[Tensor] = []

    def hook(path: str):
        def keep(module: nn.Module, _inputs, output: Tensor) -> Tensor:
            if isinstance(module, RELUS):
                if found:
                    units = output.detach().transpose(0, 1).flatten(1)  # (channels, everything else)
                    found[-1].units += len(units)
                    found[-1].dead += int((~units.any(1)).sum())
                return output
            weight = module.weight
            assert isinstance(weight, Tensor)
            found.append(Passed(path, float(weight.detach().norm())))
            outputs.append(output)
            weights.append(weight)
            return output.clone()  # the next layer may write into what it gets

        return keep

    watched = [
        (path, module) for path, module in network.named_modules() if isinstance(module, RELUS) or has_weights(module)
    ]
    hooks = [module.register_forward_hook(hook(path)) for path, module in watched]
    try:
        with torch.enable_grad():
            said = network(pictures)
            loss = F.cross_entropy(said[0] if isinstance(said, tuple) else said, labels)
            gradients = torch.autograd.grad(loss, [*weights, *outputs], allow_unused=True)
    finally:
        for each in hooks:
            each.remove()
    if not loss.isfinite():
        raise StriateError(
            f"gradients need a loss that is a number, but that of this network is {loss.item()}: its numbers grew too "
            "large; if they did so in --steps, a smaller --lr would do"
        )
    norms = [0.0 if gradient is None else float(gradient.norm()) for gradient in gradients]
    for passed, gradient, output in zip(found, norms[: len(found)], norms[len(found) :], strict=True):
        passed.gradient, passed.output = gradient, output
    return loss.item(), found


def has_weights(module: nn.Module) -> bool:
    """Whether a layer mixes channels or pixels: a convolution or a fully connected layer, not a normalisation."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.dim() > 1 and not module._modules


def blocks(network: nn.Module) -> list[str]:
    """The parts between which a network can be cut: the blocks of a stage, or the stage where it has none."""
    found = []
    for stage, module in network.named_children():
        children = list(module.named_children())
        if isinstance(module, nn.Sequential) and children and all(child._modules for _, child in children):
            found += [f"{stage}.{name}" for name, _ in children]
        else:
            found.append(stage)
    return found
