"""Whom one looks into: a run's network or any other, with what it takes and the names of what it gives."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from striate.engine.quick import quick
from striate.errors import StriateError, UnknownName
from striate.nets.build import net
from striate.nets.net import Net
from striate.preprocess import Preprocess
from striate.show.names import printable
from striate.show.numbers import show_size
from striate.train.run import Run, is_run, open_run


@dataclass(frozen=True, eq=False)
class Subject:
    """A network with all that is needed to show it pictures and to name what it says.

    Parameters
    ----------
    network
        takes (batch, channels, height, width), gives logits (batch, classes); any module
    preprocess
        how a picture becomes its input
    classes
        names in the order of its outputs
    title
        what it is called
    several
        whether a picture may have several labels
    notes
        what a person should know of it
    """

    network: nn.Module
    preprocess: Preprocess
    classes: tuple[str, ...]
    title: str = "the network"
    several: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def input(self) -> tuple[int, int, int]:
        """Channels, height and width of what the network takes."""
        return (1 if self.preprocess.channels == "L" else 3, *self.preprocess.size)

    def place(self, name: str) -> int:
        """Where a class is among the outputs.

        Parameters
        ----------
        name
            of the class
        """
        if name not in self.classes:
            raise UnknownName("class", name, self.classes)
        return self.classes.index(name)

    def probabilities(self, logits: Tensor) -> Tensor:
        """(batch, classes) logits -> how sure the network is of each class."""
        return logits.sigmoid() if self.several else logits.softmax(1)

    def batch(self, inputs: Sequence[Tensor]) -> Tensor:
        """Pictures (1, channels, height, width) together, where the network's weights are and as precise as they are.

        Parameters
        ----------
        inputs
            of the same size
        """
        return torch.cat(list(inputs)).to(next(self.network.parameters(), torch.zeros(())))


def subject(whose: str | Path | Run | nn.Module | Subject, weights: str | Path | None = None) -> Subject:
    """Whom to look into.

    Parameters
    ----------
    whose
        a run or its folder, the name or text of a network, a network, or a `Subject` with any module
    weights
        for a network's name: a file, or a Hugging Face name; without them it has learned nothing yet

    >>> subject("lenet5").classes[:2]
    ('class 0', 'class 1')
    """
    if isinstance(whose, Subject):
        return whose
    if isinstance(whose, Run) or (isinstance(whose, str | Path) and (is_run(whose) or Path(whose).is_dir())):
        if weights is not None:
            raise StriateError(f"a run has weights of its own, but --weights {printable(weights)} are given as well")
        run = whose if isinstance(whose, Run) else open_run(whose)
        return Subject(quick(run.net()), run.preprocess, run.classes, run.name, run.config["data"]["several"])
    notes = []
    if isinstance(whose, str | Path):
        made = quick(net(str(whose), weights=weights))
        title = str(whose)
        if weights is None:
            notes.append("its weights are the first ones: it has learned nothing yet")
    elif isinstance(whose, Net):
        made, title = whose, whose.name
    else:
        raise StriateError(
            "a module that striate did not build needs words: Subject(module, preprocess, classes), but "
            f"{type(whose).__name__} is given alone"
        )
    if made.input is None:
        raise StriateError(f"{title} does not begin with a picture: a part of a network cannot be looked into")
    height, width, channels = made.input
    preprocess = made.preprocess or Preprocess(
        size=(height, width), resize=None, **({"channels": "L", "mean": (0.5,), "std": (0.5,)} if channels == 1 else {})
    )
    with still(made), torch.no_grad():
        outputs = made(torch.zeros(1, channels, height, width)).shape[1:]
    if len(outputs) != 1:
        raise StriateError(
            f"a network says a number for each class, but {title} gives maps, {show_size((*outputs[1:], outputs[0]))}; "
            "end it with fc, or with globalpool and flatten"
        )
    classes = made.classes or tuple(f"class {number}" for number in range(outputs[0]))
    return Subject(made, preprocess, classes, title, notes=notes)


@contextmanager
def still(network: nn.Module) -> Iterator[None]:
    """A network as it is used, whose weights take no gradients; afterwards it is as it was, whatever happens inside.

    Parameters
    ----------
    network
        any module
    """
    modes = [(module, module.training) for module in network.modules()]
    wanted = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    try:
        network.eval()
        for parameter, _ in wanted:
            parameter.requires_grad_(False)
        with torch.enable_grad():  # also where the caller switched gradients off
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, gradients in wanted:
            parameter.requires_grad_(gradients)
