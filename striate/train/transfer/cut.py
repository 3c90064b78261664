"""A network cut in two: a frozen front, which is a function of the picture alone, and the rest, which learns."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from striate.errors import StriateError, UnknownName
from striate.nets.modules import Auxiliary, DropPath
from striate.nets.net import Net, chain, last_layer

RANDOM = (_DropoutNd, DropPath, nn.RReLU, nn.FractionalMaxPool2d)
NAMING = (nn.Linear, nn.Conv2d)  # layers that may learn to name classes


@dataclass(frozen=True)
class Cut:
    """A network in two parts that share its modules: rest(front(pictures)) is what the network says of them.

    Parameters
    ----------
    network
        the whole
    front
        pictures -> features; always in evaluation, so that no statistic of it moves
    rest
        features -> logits; to train it, call its `train`, not the network's
    stages
        those of the network that the front holds whole
    notes
        what a person should know
    """

    network: Net
    front: Net
    rest: Net
    stages: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def linear(self) -> nn.Linear | nn.Conv2d | None:
        """The only layer of the rest, if it is fully connected or 1×1; dropout and flattening beside it do not count.

        A 1×1 convolution counts only where nothing but flattening follows, so its features are a single position.
        """
        layers = [layer for _, layer in chain(self.rest, "") if not isinstance(layer, _DropoutNd | nn.Flatten)]
        only = layers[0] if len(layers) == 1 else None
        if isinstance(only, nn.Conv2d) and (only.weight.shape[2:].numel() > 1 or only.groups > 1):
            return None
        return only if isinstance(only, NAMING) else None

    def joined(self) -> Net:
        """The network as an ordinary one, nothing of it frozen; what the rest has learnt is in it."""
        return self.network.freeze(None)


def cut(network: Net, freeze: str) -> Cut:
    """Cut a network behind its frozen part.

    What follows directly and has neither weights nor randomness, such as a pooling layer, joins the front: then fewer
    numbers are kept, and the same ones learn.

    Parameters
    ----------
    network
        the whole; its parts are shared, and what is in the front is frozen
    freeze
        a stage: up to and with it; all: everything before the fully connected layers, or before the last layer with
        weights where the last stage has none

    >>> from striate.nets.build import net
    >>> halves = cut(net("lenet5"), "stage1")
    >>> list(dict(halves.front.named_children())), list(dict(halves.rest.named_children()))
    (['stage1'], ['stage2', 'head'])
    """
    names = list(network._modules)
    if freeze == "none":
        raise StriateError(
            f"a network is cut behind what is frozen, but freeze is none; all, or {', '.join(names[:-1])} would do"
        )
    if freeze != "all" and freeze not in names:
        raise UnknownName("stage to freeze up to", freeze, ["all", *names])
    layers = list(chain(network, ""))
    first = _first_of_all(network, layers) if freeze == "all" else _first_after(names, freeze, layers)
    if not first:
        raise StriateError(
            f"freezing {freeze} leaves a part before what learns, but nothing comes before {layers[0][0]}; "
            "train all of this network"
        )
    front, rest = ({path for path, _ in part} for part in (layers[:first], layers[first:]))
    if not any(_learns(layer) for _, layer in layers[first:]):
        raise StriateError(
            f"something has to learn behind what is frozen, but behind {freeze} are no weights; "
            f"all, or {', '.join(names[: names.index(freeze)])} would do"
        )
    heads = [path for path, layer in layers[:first] if isinstance(layer, Auxiliary)]
    notes = [f"side heads do not learn where what they hang on is frozen: {', '.join(heads)}"] if heads else []
    whole = tuple(takewhile(lambda name: _paths(network, name) <= front, names))
    made = Cut(network, _part(network, front - set(heads)), _part(network, rest), whole, tuple(notes))
    network.freeze(whole[-1] if whole else None)
    made.front.freeze(list(made.front._modules)[-1])
    made.front.input, made.front.preprocess = network.input, network.preprocess
    made.rest.classes = network.classes
    return made


class Pooled(nn.Module):
    """A front that gives, beside its features, what each of its stages with weights gives, averaged over positions.

    Parameters
    ----------
    halves
        the network and where it is cut
    """

    def __init__(self, halves: Cut):
        super().__init__()
        self.front = halves.front
        self.stages = tuple(name for name in halves.stages if _learns(getattr(halves.network, name)))

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """(batch, channels, height, width) -> features, and (batch, channels) of each stage."""
        pooled: list[Tensor] = []
        for name, stage in self.front.named_children():
            pictures = stage(pictures)
            if name in self.stages:
                pooled.append(pictures.mean((2, 3)) if pictures.dim() == 4 else pictures)
        return (pictures, *pooled)


def stage_rates(network: Net, rate: float, decay: float = 0.5) -> dict[str, float]:
    """A learning rate for each stage with something to learn: earlier ones know more that is of use, and move less.

    Parameters
    ----------
    network
        the whole, or a part of it
    rate
        of the last stage with weights
    decay
        what the rate of a stage is times that of the one after it
    """
    if not 0 < decay <= 1:
        raise StriateError(
            f"the rate of an earlier stage is a share of the next one's, above 0 up to 1, but it is {decay}"
        )
    learning = [name for name, stage in network.named_children() if any(p.requires_grad for p in stage.parameters())]
    return {name: rate * decay**back for back, name in reversed(list(enumerate(reversed(learning))))}


def thawing(network: Net, epochs: int) -> list[str | None]:
    """Up to which stage the network is frozen in each epoch: at first all but the last stage with weights, then less.

    Parameters
    ----------
    network
        whose stages thaw
    epochs
        how many there are; where they are fewer than stages, several thaw together

    >>> from striate.nets.build import net
    >>> thawing(net("lenet5"), 4)
    ['stage2', 'stage2', 'stage1', None]
    """
    learning = [name for name, stage in network.named_children() if _learns(stage)]
    frozen = [*reversed(learning[:-1]), None]
    if epochs >= len(frozen):
        return [frozen[epoch * len(frozen) // epochs] for epoch in range(epochs)]
    return [frozen[epoch * (len(frozen) - 1) // max(1, epochs - 1)] for epoch in range(epochs)]


def _first_of_all(network: Net, layers: list[tuple[str, nn.Module]]) -> int:
    """Where the rest begins if all is frozen that names no classes: a number in the row of layers."""
    head = list(network._modules)[-1]
    if not _learns(getattr(network, head)):
        last, _ = last_layer(network)
        return next(place for place, (path, _) in enumerate(layers) if path == last)
    start = next(place for place, (path, _) in enumerate(layers) if path.partition(".")[0] == head)
    # normalisation before the first fully connected layer belongs to what is frozen
    kept = takewhile(lambda item: not any(isinstance(m, (*NAMING, *RANDOM)) for m in _inside(item[1])), layers[start:])
    return start + len(list(kept))


def _first_after(names: list[str], freeze: str, layers: list[tuple[str, nn.Module]]) -> int:
    """Where the rest begins behind a stage."""
    frozen = names[: names.index(freeze) + 1]
    start = sum(path.partition(".")[0] in frozen for path, _ in layers)
    return start + len(list(takewhile(lambda item: _fixed(item[1]), layers[start:])))


def _inside(layer: nn.Module) -> Iterator[nn.Module]:
    """A layer's modules, as they run where pictures are judged: a side head does not."""
    return iter(()) if isinstance(layer, Auxiliary) else layer.modules()


def _learns(layer: nn.Module) -> bool:
    own = (parameter for module in _inside(layer) for parameter in module.parameters(recurse=False))
    return not isinstance(layer, Auxiliary) and any(True for _ in own)


def _fixed(layer: nn.Module) -> bool:
    """Whether a layer is known to give the same for the same, always."""
    known = all(type(module).__module__.startswith(("torch.nn.", "striate.nets.")) for module in layer.modules())
    random = any(isinstance(module, RANDOM) for module in layer.modules())
    return known and not random and not layer.state_dict()


def _paths(network: Net, stage: str) -> set[str]:
    """Of the layers of a stage."""
    return {path for path, _ in chain(getattr(network, stage), stage)}


def _part(network: Net, paths: set[str]) -> Net:
    """The layers of these paths as a network, with the names that they have in the whole."""
    stages = {name: _kept(stage, name, paths) for name, stage in network.named_children()}
    part = Net({name: stage for name, stage in stages.items() if stage is not None}, name=network.name)
    return part.train(network.training)


def _kept(module: nn.Module, path: str, paths: set[str]) -> nn.Module | None:
    """A module without the layers that are not of these paths; None if nothing is left of it."""
    if not isinstance(module, nn.Sequential):
        return module if path in paths else None
    children = {name: _kept(child, f"{path}.{name}", paths) for name, child in module.named_children()}
    if all(children[name] is child for name, child in module.named_children()):
        return module
    left = nn.Sequential()
    for name, child in children.items():
        if child is not None:
            left.add_module(name, child)
    return left if len(left) else None
