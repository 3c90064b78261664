"""The optimiser of a network: which weights decay, how its rate is set, and how its state is kept in a file."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from striate.errors import StriateError, WeightsError, one_of
from striate.train.recipe import Optimizer

STATE = {torch.optim.SGD: ("momentum_buffer",), torch.optim.AdamW: ("exp_avg", "exp_avg_sq", "step")}


def optimiser(
    network: nn.Module,
    name: Optimizer,
    rate: float,
    weight_decay: float,
    momentum: float = 0.9,
    rates: Mapping[str, float] | None = None,
) -> torch.optim.Optimizer:
    """An optimiser of the parameters that are not frozen, for a network that is on its device already.

    Decay keeps the weights of sums small. It would only pull biases, and the factors of normalisation, away from what
    they have to be, so these are in a group without.

    Parameters
    ----------
    network
        whose parameters to train
    name
        sgd, with Nesterov's momentum, or adamw
    rate
        the highest learning rate; each group has it as `peak`
    weight_decay
        share of a weight that a step takes away, times the learning rate
    momentum
        of sgd: how much of the last step is in the next
    rates
        the highest learning rate of each stage that has another
    """
    one_of("optimizer", name, Optimizer)
    stages = list(network.named_children()) if rates else [("", network)]
    groups = [
        {"params": parameters, "weight_decay": decay, "peak": (rates or {}).get(stage, rate)}
        for stage, part in stages
        for parameters, decay in zip(split(part), (weight_decay, 0.0), strict=True)
        if parameters
    ]
    if not groups:
        raise StriateError("training changes a network's parameters, but all of this one's are frozen; thaw a stage")
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=rate, fused=True)
    made = torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0, fused=True)
    if momentum:
        # PyTorch would leave this memory unset, also where a first step in float16 is skipped for an overflow: then the
        # next one takes whatever lies there for momentum. From 0 the first step is the same.
        for parameter in (parameter for group in groups for parameter in group["params"]):
            made.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return made


def split(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters to train: those that decay, and those that do not; each once, however often it is used."""
    decaying: dict[nn.Parameter, None] = {}
    others: dict[nn.Parameter, None] = {}
    for module in network.modules():
        whole = isinstance(module, nn.LayerNorm | nn.RMSNorm)  # these may normalise over several dimensions
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad:
                (others if whole or parameter.ndim < 2 else decaying)[parameter] = None
    return list(decaying), list(others)


def set_rate(optimiser: torch.optim.Optimizer, share: float) -> None:
    """Set the learning rate of each group to a share of its peak."""
    for group in optimiser.param_groups:
        group["lr"] = share * group["peak"]


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers, by name, as a safetensors file can hold it.

    Parameters
    ----------
    optimiser
        of `optimiser`; parameters are numbered in the order of its groups
    """
    return {
        f"optimiser.{place}.{kind}": optimiser.state[parameter][kind].detach().contiguous()
        for place, parameter in enumerate(parameters_of(optimiser))
        if parameter in optimiser.state
        for kind in sorted(optimiser.state[parameter])
    }


def load_optimiser_tensors(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimiser_tensors` gave, so that training goes on as if it had never stopped.

    Parameters
    ----------
    optimiser
        made with the same settings for the same network
    tensors
        all of that optimiser's; others, whose names begin otherwise, are not looked at
    """
    kinds = STATE[type(optimiser)]
    wanted = {f"optimiser.{place}": parameter for place, parameter in enumerate(parameters_of(optimiser))}
    tensors = {name: tensor for name, tensor in tensors.items() if name.startswith("optimiser.")}
    unknown = tensors.keys() - {f"{place}.{kind}" for place in wanted for kind in kinds}
    missing = {f"{name.rpartition('.')[0]}.{kind}" for name in tensors for kind in kinds} - tensors.keys()
    if unknown or missing:
        raise WeightsError(
            f"this {type(optimiser).__name__} of {len(wanted)} parameters keeps {', '.join(kinds)} of each, but "
            f"{f'has no use for {min(unknown)}' if unknown else f'{min(missing)} is missing'}; go on with the network "
            "and the settings that the training began with"
        )
    state: dict[Tensor, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        place, _, kind = name.rpartition(".")
        parameter = wanted[place]
        # laid out as the parameter is: the fused kernels walk through the memory of both alike, and check nothing
        room = torch.zeros((), device=parameter.device) if kind == "step" else torch.zeros_like(parameter)
        if tensor.shape != room.shape or tensor.dtype != room.dtype:
            raise WeightsError(
                f"{name} has to be {room.dtype} of shape {tuple(room.shape)}, "
                f"but is {tensor.dtype} of shape {tuple(tensor.shape)}"
            )
        state.setdefault(parameter, {})[kind] = room.copy_(tensor)
    optimiser.state.clear()
    optimiser.state.update(state)


def parameters_of(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    """All parameters, in the order of the groups."""
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
