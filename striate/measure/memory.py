"""How much memory a network needs: to run, and to train."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef

from striate.errors import StriateError, UnknownName
from striate.measure.call import tensors_in, writes
from striate.measure.meta import MetaMode, aten, undisturbed
from striate.measure.observer import Size
from striate.show.numbers import memory as show

PRECISIONS = {"float32": 4, "bfloat16": 2, "float16": 2}
# numbers that an optimiser keeps for each weight
OPTIMISERS = {"SGD with momentum": 1, "AdamW": 2}


@dataclass(frozen=True)
class Memory:
    """Bytes that a network holds, for a batch.

    Parameters
    ----------
    batch
        pictures in a batch
    precision
        type of the numbers
    parameters
        weights and biases, in that precision
    buffers
        the running statistics of batch norm, for example
    activations
        the most that the maps of a forward pass hold at one time
    masters
        weights and biases as training keeps them, in float32, with the copies in half precision if there are any
    gradients
        of the weights that are not frozen, in float32
    saved
        what a forward pass keeps for the backward pass, weights not counted
    passing
        the gradients of activations that are alive together, at the largest layer (an estimate)
    trainable
        weights that are not frozen
    attention
        whether attention is among it, counted as its single products: PyTorch's fused kernels hold less
    """

    batch: int
    precision: str
    parameters: int
    buffers: int
    activations: int
    masters: int
    gradients: int
    saved: int
    passing: int
    trainable: int
    attention: bool

    @property
    def forward(self) -> int:
        """Bytes to run the network."""
        return self.parameters + self.buffers + self.activations

    def training(self, optimiser: str = "SGD with momentum") -> int:
        """Bytes of a step of training."""
        if optimiser not in OPTIMISERS:
            raise UnknownName("optimiser", optimiser, OPTIMISERS)
        kept = OPTIMISERS[optimiser] * 4 * self.trainable
        return self.masters + self.buffers + self.gradients + kept + self.saved + self.passing

    @property
    def numbers(self) -> dict[str, Any]:
        """All numbers by name."""
        return {**vars(self), "forward": self.forward, "training": {name: self.training(name) for name in OPTIMISERS}}

    @property
    def sentences(self) -> list[str]:
        """What a person wants to know of it."""
        batch = "1 picture" if self.batch == 1 else f"{self.batch} pictures"
        forward = f"weights {show(self.parameters + self.buffers)} + live activations at most {show(self.activations)}"
        sgd, adam = (f"{show(self.training(name))} with {name}" for name in OPTIMISERS)
        saved = f"{show(self.saved)} of it kept for the backward pass"
        mixed = "" if self.precision == "float32" else "; weights, gradients and optimiser stay in float32"
        sentences = [
            f"memory to run {batch} in {self.precision}: {show(self.forward)} ({forward})",
            f"memory to train: about {sgd}, {adam} ({saved}{mixed})",
        ]
        if self.attention:
            sentences.append(
                "attention is counted in its parts, as an upper estimate: PyTorch's fused kernels hold less"
            )
        return sentences


class Watch(MetaMode):
    """Counts the memory that activations hold: the peak of one pass, and the largest layer.

    Parameters
    ----------
    module
        the module that will run
    width
        bytes of a floating-point number
    """

    def __init__(self, module: nn.Module, width: int):
        super().__init__(module)
        self.width = width
        self.live: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0
        self.largest = 0
        self.attends = False

    def size(self, tensor: Tensor) -> int:
        """Bytes of the memory behind a tensor."""
        stored = tensor.untyped_storage().nbytes()
        return stored // tensor.element_size() * self.width if tensor.is_floating_point() else stored

    def hold(self, tensor: Tensor) -> None:
        """Count the memory behind a tensor from now on, while anything refers to it."""
        storage = tensor.untyped_storage()
        known = self.live.get(storage._cdata)
        if known is None or known[0].expired():
            self.live[storage._cdata] = (StorageWeakRef(storage), self.size(tensor))

    def see(self, function: Any, given: tuple, args: tuple, kwargs: dict[str, Any], result: Any) -> None:
        if function.is_view or writes(function):
            return
        self.attends |= function is aten._safe_softmax.default  # only attention in its parts has it
        results = [t for t in tensors_in((result,)) if t.is_meta]
        for tensor in results:
            self.hold(tensor)
        self.live = {key: entry for key, entry in self.live.items() if not entry[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.live.values()))
        held = (
            self.live.get(t.untyped_storage()._cdata) for t in [*tensors_in(args), *results] if t.is_floating_point()
        )
        self.largest = max(self.largest, sum(size for _, size in {entry for entry in held if entry}))


def measure_memory(network: nn.Module, input: Size, batch: int = 1, precision: str = "float32") -> Memory:
    """Measure what a network holds in memory, without holding it.

    Parameters
    ----------
    network
        any module
    input
        height, width and channels of a picture
    batch
        pictures in a batch
    precision
        float32, bfloat16 or float16; in training the half ones are mixed with float32

    >>> measure_memory(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), (8, 8, 1)).parameters  # (3·3·1 + 1)·2 numbers
    80
    """
    if precision not in PRECISIONS:
        raise UnknownName("precision", precision, PRECISIONS)
    if batch < 1:
        raise StriateError(f"a batch holds at least 1 picture, but {batch} are asked for")
    width = PRECISIONS[precision]
    tensors = list(network.parameters())
    weights = sum(p.numel() for p in tensors)
    trainable = sum(p.numel() for p in tensors if p.requires_grad)
    with undisturbed(network, training=False):
        peak, attention = forward_peak(network, input, batch, width)
    with undisturbed(network, training=True):
        # batch norm over a single value is an error in training: measure two pictures, and count half
        saved, passing = training_peak(network, input, max(batch, 2), width)
    share = batch / max(batch, 2)
    return Memory(
        batch=batch,
        precision=precision,
        parameters=weights * width,
        buffers=sum(b.numel() * (width if b.is_floating_point() else b.element_size()) for b in network.buffers()),
        activations=peak,
        masters=weights * 4 + (0 if width == 4 else weights * width),
        gradients=trainable * 4,
        saved=round(saved * share),
        passing=round(passing * share),
        trainable=trainable,
        attention=attention,
    )


def picture(network: nn.Module, input: Size, batch: int) -> Tensor:
    """A batch without values, of the network's type. # (batch, channels, height, width)"""
    dtype = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)
    height, width, channels = input
    return torch.empty(batch, channels, height, width, dtype=dtype, device="meta")


def forward_peak(network: nn.Module, input: Size, batch: int, width: int) -> tuple[int, bool]:
    """The most bytes of activations that live together in a forward pass; and whether it has attention."""
    watch = Watch(network, width)
    pictures = picture(network, input, batch)
    watch.hold(pictures)
    with torch.no_grad(), watch:
        network(pictures)
    return max(watch.peak, watch.size(pictures)), watch.attends


def training_peak(network: nn.Module, input: Size, batch: int, width: int) -> tuple[int, int]:
    """Bytes that a forward pass keeps for the backward pass, and of the gradients alive at the largest layer."""
    watch = Watch(network, width)
    kept: dict[int, int] = {}
    weights = {tensor.untyped_storage()._cdata for tensor in watch.own.values()}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = watch.size(tensor)
        return tensor  # stays in the graph, so that its memory is not given to another tensor

    with torch.enable_grad(), saved_tensors_hooks(pack, lambda tensor: tensor), watch:
        output = network(picture(network, input, batch))
    weights |= {double.untyped_storage()._cdata for double in watch.stand_ins.values()}
    del output
    return sum(size for key, size in kept.items() if key not in weights), watch.largest
