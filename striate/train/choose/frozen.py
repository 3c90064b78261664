"""Up to where a network is frozen, and what goes with that."""

from typing import Any

import torch

from striate.errors import StriateError, UnknownName
from striate.nets.build import net as build
from striate.nets.net import Net
from striate.nets.zoo import find
from striate.train.choose.defaults import Choice
from striate.train.recipe import option


def check_frozen(net: Net | str | None, weights: str | None, asked: dict[str, Any]) -> None:
    """Refuse what does not go with what is frozen, before weights are fetched for it.

    Parameters
    ----------
    net
        a network, its name or its text
    weights
        that it begins with; None, and "none", are from scratch, but for a network that knows its preprocess
    asked
        settings
    """
    freeze, thaw = asked.get("freeze"), bool(asked.get("thaw"))
    if thaw and freeze not in (None, "none"):
        raise StriateError(f"--thaw begins with the head and ends with all: it goes with --freeze none, not {freeze}")
    scratch = weights in (None, "none")
    if (thaw or freeze not in (None, "none")) and scratch and not (isinstance(net, Net) and net.preprocess):
        raise StriateError(
            f"what is frozen has to know something, but {'--thaw' if thaw else f'--freeze {freeze}'} is asked of a "
            "network that begins from scratch; give it --weights"
        )
    lost = sorted(asked.keys() & {"views", "members"})
    if lost and (freeze == "none" or (freeze is None and (thaw or scratch))):
        raise StriateError(f"{' and '.join(map(option, lost))} belong to a frozen part, but nothing is frozen here")
    if freeze is not None and isinstance(net, str) and find(net):
        with torch.device("meta"):
            _check_stage(freeze, build(net))


def frozen(network: Net, asked: dict[str, Any], source: str | None, choices: list[Choice]) -> str:
    """Up to where a network is frozen: all, a stage, none, or auto.

    Parameters
    ----------
    network
        with its weights
    asked
        settings
    source
        where its weights are from; None is from scratch
    choices
        what the user did not say, to which this is added
    """
    freeze = asked.get("freeze")
    if freeze is None:
        if source is None or asked.get("thaw"):
            return "none"
        choices.append(Choice("--freeze", "auto", "a probe at the end of each stage tells what the classes need"))
        return "auto"
    _check_stage(freeze, network)
    return freeze


def _check_stage(freeze: str, network: Net) -> None:
    stages = list(network._modules)[:-1]
    if freeze not in ("all", "none", "auto", *stages):
        raise UnknownName("stage to freeze up to", freeze, ["auto", "all", "none", *stages])
