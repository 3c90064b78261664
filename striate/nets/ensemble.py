"""Networks side by side, whose probabilities are averaged: one network with the stages `members` and `mean`."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import StriateError
from striate.nets.net import Net
from striate.preprocess import Preprocess
from striate.show.names import printable


class Members(nn.ModuleList):
    """Each network sees the same pictures: (batch, channels, height, width) -> (batch, members, classes)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([member(x) for member in self], dim=1)


class Normalise(nn.Module):
    """Levels from 0 to 255, red first, as a network takes them: the sums of `Preprocess.normalised`.

    Its numbers are no weights: they belong to the preprocess, from which they are made again.
    """

    factor: Tensor
    shift: Tensor

    def __init__(self, preprocess: Preprocess):
        super().__init__()
        factor, shift = (torch.from_numpy(values)[:, None, None] for values in preprocess.factors)
        self.register_buffer("factor", factor, persistent=False)
        self.register_buffer("shift", shift, persistent=False)
        self.blue_first = preprocess.channels == "BGR"

    def forward(self, x: Tensor) -> Tensor:
        return (x.flip(1) if self.blue_first else x) * self.factor + self.shift


class Order(nn.Module):
    """(batch, classes) in the order of another network's classes."""

    places: Tensor

    def __init__(self, places: Sequence[int]):
        super().__init__()
        self.register_buffer("places", torch.tensor(places), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.places]


class Mean(nn.Module):
    """(batch, members, classes) -> (batch, classes): see `mean_answer`."""

    def __init__(self, several: bool):
        super().__init__()
        self.several = several

    def forward(self, x: Tensor) -> Tensor:
        return mean_answer(x, self.several)


def mean_answer(scores: Tensor, several: bool) -> Tensor:
    """(n, answers, …, classes) -> (n, …, classes): scores whose softmax, or sigmoid, is the mean of theirs.

    Computed from logarithms, so that no probability becomes 0.

    Parameters
    ----------
    scores
        logits
    several
        whether a picture may have several labels
    """
    if several:  # of the odds, the number of answers cancels out
        return F.logsigmoid(scores).logsumexp(1) - F.logsigmoid(-scores).logsumexp(1)
    return scores.log_softmax(-1).logsumexp(1) - torch.tensor(float(scores.shape[1])).log()


def ensemble(members: Sequence[Net], several: bool) -> Net:
    """One network that says what several say on average; they are its parts, and no copies.

    Parameters
    ----------
    members
        each with its classes and its preprocess; the classes keep the order of the first
    several
        whether a picture may have several labels
    """
    first, preprocess = members[0], common_input([member.preprocess or Preprocess() for member in members])
    classes = first.classes or ()
    parts = []
    for member in members:
        part = nn.Sequential()
        if member.preprocess != preprocess:
            part.add_module("input", Normalise(member.preprocess or Preprocess()))
        part.add_module("net", member)
        if member.classes != first.classes:
            part.add_module("order", Order([(member.classes or ()).index(name) for name in classes]))
        parts.append(part)
    made = Net({"members": Members(parts), "mean": Mean(several)}, first.input, f"mean of {len(members)}")
    made.classes, made.preprocess = first.classes, preprocess
    return made


def common_input(each: Sequence[Preprocess]) -> Preprocess:
    """How a picture becomes the input of all of several networks.

    Where they differ in nothing but mean, std, scale or the order of colours, each network does that by itself, and
    all share levels from 0 to 255.

    Parameters
    ----------
    each
        the network's own
    """
    if all(one == each[0] for one in each):
        return each[0]
    shared = [_levels(one) for one in each]
    for one in shared:
        told = [
            f"{name} {printable(value)} and {printable(one.to_dict()[name])}"
            for name, value in shared[0].to_dict().items()
            if one.to_dict()[name] != value
        ]
        if told:
            raise StriateError(f"networks are averaged that see the same pixels, but there are {' and '.join(told)}")
    return shared[0]


def _levels(preprocess: Preprocess) -> Preprocess:
    """The same pixels, but as they are: 0 to 255, red first."""
    channels = "L" if preprocess.channels == "L" else "RGB"
    count = len(preprocess.mean)
    return replace(preprocess, channels=channels, scale=255, mean=(0.0,) * count, std=(1.0,) * count)
