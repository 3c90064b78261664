"""Net: a Sequential of named stages, `stem`, `stage1` … `stageN`, `head`, that can be frozen, cut and tapped."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self

import torch
from torch import Tensor, nn

from striate.errors import StriateError, UnknownName
from striate.nets.hooks import hooked
from striate.nets.modules import Auxiliary
from striate.preprocess import Preprocess


class Net(nn.Sequential):
    """A network as a row of named stages; its forward pass is Sequential's own.

    Parameters
    ----------
    stages
        a module per stage name, in order
    input
        height, width and channels of the pictures that it takes
    name
        the name or text that it was built from
    notes
        remarks about its geometry, such as rows that no window sees

    >>> from striate.nets.build import net
    >>> net("lenet5")[:-1]  # doctest: +ELLIPSIS
    Net(
    ...
    """

    def __init__(
        self,
        stages: Mapping[str, nn.Module],
        input: tuple[int, int, int] | None = None,
        name: str = "",
        notes: list[str] | None = None,
    ):
        super().__init__()
        for stage, module in stages.items():
            self.add_module(stage, module)
        self.side_heads = [module for module in self.modules() if isinstance(module, Auxiliary)]
        self.input = input
        self.name = name
        self.notes = notes or []
        self.classes: tuple[str, ...] | None = None  # names in the order of the outputs, where they are known
        self.preprocess: Preprocess | None = None  # what the loaded weights expect
        self.origin: dict[str, str] | None = None  # whose published weights it began with, where from, their licence
        self.frozen: str | None = None  # the last stage that is frozen

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(batch, channels, height, width) -> logits (batch, classes); in training, a tuple with side heads' too."""
        side: list[Tensor] = []
        heads = self.side_heads if self.training else []
        for head in heads:
            head.collected = side
        try:
            x = input
            for stage in self:
                x = stage(x)
        finally:
            for head in heads:
                head.collected = None
        return (x, *side) if side else x

    def __getitem__(self, index: slice | int | str) -> "nn.Module":
        """A stage by number or name, or a part of the network: `net[:-1]` is the backbone."""
        if isinstance(index, str):
            if index not in self._modules:
                raise UnknownName("stage", index, self._modules)
            return getattr(self, index)
        if isinstance(index, int):
            return super().__getitem__(index)
        every, names = list(self._modules), list(self._modules)[index]
        part = Net({name: getattr(self, name) for name in names}, name=self.name)
        if names[:1] == every[:1]:
            part.input, part.preprocess = self.input, self.preprocess
        if names[-1:] == every[-1:]:
            part.classes = self.classes
        part.training = self.training  # of the part itself: its stages are those of the whole and stay as they are
        part.frozen = next((name for name in reversed(names) if name in self._frozen()), None)
        return part

    def freeze(self, upto: str | None) -> Self:
        """Keep the weights and the batch-norm statistics of all stages up to and with this one still; None thaws all.

        Parameters
        ----------
        upto
            the last stage to freeze
        """
        if upto is not None and upto not in self._modules:
            raise UnknownName("stage", upto, self._modules)
        self.frozen = upto
        frozen = self._frozen()
        for name, stage in self.named_children():
            stage.requires_grad_(name not in frozen)
        return self.train(self.training)

    def _frozen(self) -> list[str]:
        names = list(self._modules)
        return names[: names.index(self.frozen) + 1] if self.frozen is not None else []

    def train(self, mode: bool = True) -> Self:
        """Switch to training (or evaluation); frozen stages stay in evaluation, so no statistic of theirs moves."""
        super().train(mode)
        for name in self._frozen():
            getattr(self, name).eval()
        return self

    def with_head(self, classes: int, seed: int = 0) -> "Net":
        """A copy whose last layer, and that of every side head, has this many outputs and fresh weights.

        Parameters
        ----------
        classes
            the number of outputs
        seed
            with the layer's path, the address of its first weights
        """
        from striate.nets.first_weights import fill

        if classes < 1:
            raise StriateError(f"a head needs at least 1 class, but {classes} are asked for")
        other = copy.deepcopy(self)
        other.classes = None
        heads = [f"{path}.body" for path, module in other.named_modules() if isinstance(module, Auxiliary)]
        for part in (*heads, ""):
            path, last = last_layer(other, part)
            parent, _, name = path.rpartition(".")
            setattr(other.get_submodule(parent), name, renewed := resized(last, classes))
            fill(renewed, last.weight.device, seed, prefix=path)
        return other

    def without_side_heads(self) -> "Net":
        """The network as it is used after training: a copy, or itself where it has none."""
        if not self.side_heads:
            return self
        other = copy.deepcopy(self)
        for module in list(other.modules()):
            if isinstance(module, nn.Sequential):
                kept = [(name, child) for name, child in module.named_children() if not isinstance(child, Auxiliary)]
                if len(kept) < len(module):
                    module._modules = {str(number): child for number, (_, child) in enumerate(kept)}
        other.side_heads = []
        return other

    @contextmanager
    def tap(self, *paths: str) -> Iterator[dict[str, Tensor]]:
        """Collect what modules put out, by path, during the forward passes inside the `with`.

        Parameters
        ----------
        paths
            a stage ('stage2') or any module inside one ('stage2.0.body')

        >>> from striate.nets.build import net
        >>> lenet = net("lenet5")
        >>> with lenet.tap("stage1") as seen:
        ...     _ = lenet(torch.zeros(1, 3, 32, 32))
        >>> seen["stage1"].shape
        torch.Size([1, 8, 14, 14])
        """
        known = dict(self.named_modules())
        for path in paths:
            if path not in known or not path:
                raise UnknownName("module of this network", path, filter(None, known))
        seen: dict[str, Tensor] = {}

        def keep(path: str):
            return lambda _module, _input, output: seen.__setitem__(path, output)

        with hooked(self, paths, keep):
            yield seen

    @property
    def notation(self) -> str:
        """The network as a text in the layer notation, which builds it again."""
        from striate.nets.printing import notation

        return notation(self)


def last_layer(net: nn.Module, part: str = "") -> tuple[str, nn.Linear | nn.Conv2d]:
    """The layer that names classes, with its path: the last one with weights of a network, or of a part of it."""
    for path, module in reversed(list(chain(net.get_submodule(part), part))):
        if isinstance(module, nn.Linear | nn.Conv2d) and getattr(module, "groups", 1) == 1:
            return path, module
        if not isinstance(module, Auxiliary) and any(True for _ in module.parameters()):
            raise StriateError(
                "classes are the outputs of fc, or of conv without groups, but the last weights of this network "
                f"are in {type(module).__name__} at {path}; end it with globalpool and fc"
            )
    raise StriateError("this network has no fully connected or convolution layer whose outputs could be classes")


def chain(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """What runs one after the other, with paths: sequences opened, branches and residual blocks whole."""
    if not isinstance(module, nn.Sequential):
        yield path, module
        return
    for name, child in module.named_children():
        yield from chain(child, f"{path}.{name}" if path else name)


def resized(layer: nn.Linear | nn.Conv2d, outputs: int) -> nn.Linear | nn.Conv2d:
    """A layer like this one with another number of outputs, still without values."""
    other = copy.copy(layer)
    other._parameters = dict(layer._parameters)  # a shallow copy shares the original's
    if isinstance(other, nn.Linear):
        other.out_features = outputs
    else:
        other.out_channels = outputs
    other.weight = nn.Parameter(torch.empty(outputs, *layer.weight.shape[1:], device="meta", dtype=layer.weight.dtype))
    if layer.bias is not None:
        other.bias = nn.Parameter(torch.empty(outputs, device="meta", dtype=layer.weight.dtype))
    return other
