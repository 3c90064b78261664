"""What a recipe is where nobody asked for anything: by the network, the pictures and the device."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from math import log2
from typing import Any

import torch
from torch import nn

from striate.engine.processor import has_bfloat16
from striate.nets.net import Net
from striate.show.numbers import count, exact
from striate.train.choose.seen import Seen
from striate.train.recipe import Precision, Recipe, option

SMALL = 96  # pixels of the shorter side up to which a picture is no photo: an icon, a digit, a thumbnail
LEAST_STEPS = 20  # of an epoch, where there are pictures enough
STEPS = {True: 2000, False: 4000}  # in which a network learns most of what it will: of small pictures, of photos
FEW = 8  # epochs
UNEVEN = 5  # times that the largest class may outnumber the smallest before it is told
WIDE, WIDER = 1024, 8192  # inputs of a neuron from which on steps have to be smaller where nothing normalises


@dataclass(frozen=True)
class Choice:
    """Something that the user did not say.

    Parameters
    ----------
    name
        the option that would have said it, such as --lr
    value
        what was chosen, as text
    why
        the reason, in a few words
    """

    name: str
    value: str
    why: str

    @property
    def line(self) -> str:
        """As it is told."""
        return f"{self.name}: {self.value} — {self.why}"


def settings(
    network: Net, seen: Seen, asked: dict[str, Any], device: torch.device, several: bool
) -> tuple[dict[str, Any], list[Choice]]:
    """Every field of a Recipe, and why those are what they are that nobody asked for.

    Parameters
    ----------
    network
        what learns
    seen
        from what
    asked
        what the user said; None, and "auto", which a trial finds out later, are left to choose
    device
        where
    several
        whether a picture may have several labels
    """
    said = {name: value for name, value in asked.items() if value is not None and value != "auto"}
    found = {field.name: field.default for field in fields(Recipe)}
    choices: list[Choice] = []

    def choose(name: str, value: Any, why: str) -> Any:
        found[name] = said.get(name, value)
        if name not in said:
            choices.append(Choice(option(name), f"{value:g}" if isinstance(value, float) else str(value), why))
        return found[name]

    small = seen.side <= SMALL
    choose("precision", *precision(device))
    batch = choose("batch_size", *batch_size(seen.pictures, small, device))
    per_epoch = max(1, round(seen.pictures / batch))  # a last batch of few pictures joins the one before
    wanted = STEPS[small]
    epochs = min(40, max(5 if small else 10, round(wanted / per_epoch)))
    why = f"{count(per_epoch, 'step')} each; about {exact(wanted)} steps teach most of what can be learned"
    epochs = choose("epochs", epochs, why)
    kind, rate, why = optimizer(network, batch, small, asked.get("optimizer"))
    name = choose("optimizer", kind, why)
    if network.preprocess is not None:
        rate, why = rate / 10, "a tenth of the usual: its weights were trained already"
    choose("lr", float(f"{rate:.2g}"), why)
    choose("schedule", "one-cycle", "the rate rises, then falls to 0: few epochs get far")
    decay = {"sgd": 5e-4, "adamw": 0.05 if has(network, nn.LayerNorm) else 0.01}[name]
    choose("weight_decay", decay, f"what is usual with {name}")
    smooth = 0.1 if not small and not several else 0.0
    choose("label_smoothing", smooth, "photos: a little keeps it from being too sure" if smooth else "none is needed")
    choose("distortion", *distortion(seen, small, epochs))
    if not has(network, Norm):
        choose("clip", 1.0, "nothing normalises inside, so a single step could go too far")
    if seen.uneven > UNEVEN and "balance" not in said:
        told = f"the largest class has {seen.uneven:.0f} times the pictures of the smallest"
        choices.append(Choice("--balance", "none", f"ATTENTION, {told}: weights or sampling would make up for it"))
    return {**found, **{name: value for name, value in said.items() if name in found}}, choices


Norm = nn.modules.batchnorm._NormBase | nn.LayerNorm | nn.GroupNorm


def has(network: nn.Module, kind: Any) -> bool:
    """Whether a network has a module of a kind."""
    return any(isinstance(module, kind) for module in network.modules())


def precision(device: torch.device) -> tuple[Precision, str]:
    """The fastest precision that the hardware has, and why."""
    if has_bfloat16(device):
        return (
            "bfloat16",
            f"{'this GPU' if device.type == 'cuda' else 'this processor'} computes in it, which is faster",
        )
    return "float32", "nothing here computes in bfloat16"


def batch_size(pictures: int, small: bool, device: torch.device) -> tuple[int, str]:
    """Pictures in a step, and why."""
    most = {("cuda", True): 512, ("cuda", False): 128}.get((device.type, small), 128 if small else 32)
    size = min(most, max(16, 2 ** int(log2(max(1, pictures / LEAST_STEPS)))))
    if size < most:
        return (
            size,
            f"few pictures: with {size} in a step, an epoch still has {count(max(1, round(pictures / size)), 'step')}",
        )
    return size, "as many as keep the device busy, and no more, for each step counts"


def optimizer(network: Net, batch: int, small: bool, asked: str | None) -> tuple[str, float, str]:
    """The optimiser, its highest rate, and why."""
    fan_in = max(widths(network), default=1)
    if has(network, nn.modules.batchnorm._NormBase):
        kind, sgd, adamw, why = "sgd", 0.2 if small else 0.1, 2e-3, "batch norm lets steps be large"
    elif has(network, Norm):
        kind, sgd, adamw, why = "adamw", 0.02, 1e-3, "layer norm is trained with adamw"
    else:
        adamw = 1e-3 if fan_in < WIDE else 3e-4 if fan_in < WIDER else 1e-4
        kind, sgd, why = (
            "adamw",
            10 * adamw,
            f"nothing normalises inside, and a neuron has up to {exact(fan_in)} inputs",
        )
    if (asked or kind) == "sgd":
        return kind, sgd * min(1.0, max(0.25, batch / 128)), f"{why}; for steps of {count(batch)}"
    return kind, adamw, why


def widths(network: nn.Module) -> Iterator[int]:
    """How many inputs a neuron of each layer has."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            yield module.weight[0].numel()


def distortion(seen: Seen, small: bool, epochs: float) -> tuple[str, str]:
    """How training views differ from their pictures, and why."""
    if not small:
        return "photo", "photos show the same turned, cut and in another light"
    if epochs < FEW:
        return "none", f"in fewer than {FEW} epochs no picture is seen often enough to be learned by heart"
    if seen.gray:
        return "none, padding 2", "small gray pictures may be signs, and a mirrored sign is another one"
    return "none, padding 2, mirror 0.5", "small pictures in colour show the same mirrored and moved"
