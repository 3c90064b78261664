"""The weights that a network begins with: a function of the seed and of each layer's path, of nothing else."""

import hashlib
import math

import torch
from torch import nn

from striate.errors import StriateError
from striate.nets.modules import Auxiliary, ChannelNorm, Scale
from striate.show.numbers import memory


def allocate(module: nn.Module, device: torch.device) -> None:
    """Give a module's own tensors memory."""
    try:
        # `to_empty` does the same, but on the meta device its kernel imports SymPy, which takes most of a second
        module._apply(lambda own: torch.empty(own.shape, dtype=own.dtype, device=device), recurse=False)
    except RuntimeError as error:
        size = memory(sum(p.numel() * p.element_size() for p in module.parameters(recurse=False)))
        raise StriateError(f"{module} needs {size} for its weights, which {device} does not give") from error


@torch.no_grad()
def fill(network: nn.Module, device: torch.device, seed: int = 0, prefix: str = "") -> None:
    """Give memory and first values to what is on the meta device: each layer draws from a generator of its own.

    He et al. (2015): weights are normal with variance 2 / inputs, which keeps the size of signals through ReLU;
    1 / inputs in the last layer.
    """
    if device.type == "meta":
        return
    heads = [(f"{path}.", module) for path, module in network.named_modules() if isinstance(module, Auxiliary)]
    last = {start + final for start, part in [("", network), *heads] if (final := last_with_weights(part)) is not None}
    for path, module in network.named_modules():
        if not any(p.is_meta for p in (*module.parameters(recurse=False), *module.buffers(recurse=False))):
            continue
        allocate(module, device)
        if isinstance(module, nn.Linear | nn.Conv2d):
            inputs = math.prod(module.weight.shape[1:])
            address = hashlib.sha256(f"{seed}:{prefix}{path}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(address[:8], "little") >> 1)
            # drawn on the processor, so that every device begins with the same weights
            values = torch.empty_like(module.weight, device="cpu")
            values.normal_(0, math.sqrt((1 if path in last else 2) / inputs), generator=generator)
            module.weight.copy_(values)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.modules.batchnorm._BatchNorm | ChannelNorm):
            module.reset_parameters()
        elif isinstance(module, Scale):
            module.weight.fill_(module.initial)
        else:
            raise StriateError(f"no rule gives first values to {type(module).__name__} at {path}")


def last_with_weights(part: nn.Module) -> str | None:
    """The path of a network's last convolution or fully connected layer."""
    paths = [path for path, module in part.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    return paths[-1] if paths else None
