"""Placing tensors: a file's, in order, into a network's, in order. Everything is compared before anything is copied.

Shapes must be equal; where the numbers of axes differ, outer axes of 1 do not count, and a fully connected layer fits
the convolution that it equals.
"""

import math

import torch
from torch import Tensor, nn

from striate.errors import WeightsError
from striate.nets.first_weights import allocate
from striate.nets.net import Net, chain, last_layer
from striate.nets.weight_files import Stored

COUNTER = "num_batches_tracked"  # how often a batch normalisation was trained: no answer depends on it


def own_tensors(tensors: dict[str, Tensor]) -> list[str]:
    """Names in order, without the optional counters."""
    return [name for name in tensors if name.rpartition(".")[2] != COUNTER]


def counters(ours: list[str], theirs: list[str]) -> dict[str, str]:
    """Our batch normalisations' counters and the publisher's, from two lists of names in one order."""
    return {
        mine.replace("running_mean", COUNTER): name.replace("running_mean", COUNTER)
        for mine, name in zip(ours, theirs, strict=True)
        if mine.endswith("running_mean")
    }


def place(built: Net, stored: Stored, order: list[str], known: str, device: torch.device) -> list[str]:
    """Give a network on the meta device memory and a file's values; returns what should be told.

    Parameters
    ----------
    built
        the network
    stored
        the file
    order
        the file's names in the network's order
    known
        what the file's names are recognised as, for messages
    device
        where the network gets its memory
    """
    compare(built, stored, order, f" ({known})" if known else "")
    ours = own_tensors(built.state_dict())
    for module in built.modules():
        allocate(module, device)
    state = built.state_dict()
    with torch.no_grad():
        for mine, theirs in zip(ours, order, strict=True):
            state[mine].copy_(stored.tensors[theirs].reshape(state[mine].shape))
        for mine, theirs in counters(ours, order).items():
            state[mine].copy_(stored.tensors.get(theirs, torch.zeros((), dtype=torch.long)))
    notes = []
    if kinds := {str(stored.tensors[name].dtype) for name in order} - {str(torch.get_default_dtype())}:
        notes.append(f"the weights were stored as {', '.join(sorted(kinds))} and are now {torch.get_default_dtype()}")
    if skipped := [name for name in own_tensors(stored.tensors) if name not in set(order)]:
        notes.append(f"not loaded, as this network has no use for them: {listed(skipped)}")
    return notes


def compare(built: Net, stored: Stored, order: list[str], known: str) -> None:
    """Stop at the first tensor that does not fit, and where one list is longer than the other."""
    blank = built.state_dict()
    ours = own_tensors(blank)
    for number, (mine, theirs) in enumerate(zip(ours, order, strict=False), 1):
        tensor = stored.tensors[theirs]
        if not tensor.is_floating_point():
            raise WeightsError(
                f"weights are floating-point numbers, but '{theirs}' in {stored.source} is {tensor.dtype}; "
                "nothing was loaded"
            )
        if not fits(tuple(blank[mine].shape), tuple(tensor.shape)):
            raise WeightsError(
                f"weights must fit the network: tensor {number} of {stored.source}{known} is '{theirs}' of shape "
                f"{tuple(tensor.shape)}, where {built.name} has '{mine}' of shape {tuple(blank[mine].shape)}; "
                "nothing was loaded"
            )
    if len(ours) != len(order):
        more = len(order) > len(ours)
        longer, rest = (stored.source + known, order[len(ours) :]) if more else (built.name, ours[len(order) :])
        raise WeightsError(
            f"weights must fit the network: {stored.source} has {len(order)} tensors and {built.name} has {len(ours)}; "
            f"{longer} has {listed(rest)} left over; nothing was loaded"
        )


def fits(ours: tuple[int, ...], theirs: tuple[int, ...]) -> bool:
    """Equal, or with other numbers of axes: up to outer axes of 1, or a fully connected layer and its convolution.

    >>> fits((96,), (96, 1, 1)), fits((4096, 25088), (4096, 512, 7, 7)), fits((8, 3, 1, 7), (8, 3, 7, 1))
    (True, True, False)
    """
    few, many = sorted((ours, theirs), key=len)
    if len(few) == len(many):
        return few == many
    spare = len(many) - len(few)
    padded = [(1,) * before + few + (1,) * (spare - before) for before in range(spare + 1)]
    dense = (len(few), len(many)) == (2, 4) and few == (many[0], math.prod(many[1:]))
    return many in padded or dense


def classes_in(stored: Stored, order: list[str], built: Net) -> int | None:
    """The file's number of classes, where it is not the network's and nothing else of the last layer differs."""
    ours = own_tensors(built.state_dict())
    path, last = last_layer(built)
    if len(ours) != len(order):
        return None
    theirs = stored.tensors[order[ours.index(f"{path}.weight")]].shape
    if not theirs or theirs[0] in (0, last.weight.shape[0]):
        return None
    return theirs[0] if theirs[1:].numel() == last.weight.shape[1:].numel() else None


def channels_in(stored: Stored, order: list[str], built: Net) -> int | None:
    """The file's number of input channels, where its first layer differs from the network's in nothing else."""
    ours = own_tensors(built.state_dict())
    path, first = next(chain(built, ""))
    if len(ours) != len(order) or not isinstance(first, nn.Conv2d) or first.groups != 1:
        return None
    theirs, mine = stored.tensors[order[ours.index(f"{path}.weight")]].shape, first.weight.shape
    alike = len(theirs) == len(mine) and (theirs[0], *theirs[2:]) == (mine[0], *mine[2:])
    return theirs[1] if alike and theirs[1] not in (0, mine[1]) else None


def set_epsilon(built: Net, epsilon: float | None) -> None:
    """Give every batch normalisation this epsilon; None leaves them as they are."""
    for module in built.modules():
        if epsilon is not None and isinstance(module, nn.BatchNorm2d):
            module.eps = epsilon


def listed(names: set[str] | list[str]) -> str:
    """'a', 'b', 'c' and 4 more."""
    names = sorted(names) if isinstance(names, set) else names
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"'{name}'" for name in names[:3]) + more
