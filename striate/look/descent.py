"""How gradients flow back through one network: at its first weights, and over a few steps of training."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.data.batches import Batches
from striate.data.dataset import Dataset
from striate.data.normalise import normalised
from striate.errors import DataError
from striate.look.flow import Passed, blocks, flow
from striate.look.jacobian import Stretch, stretch
from striate.look.subject import Subject
from striate.show.names import printable
from striate.show.numbers import count
from striate.show.progress import track

MOMENTUM = 0.9


@dataclass(frozen=True)
class Flow:
    """A network's gradients.

    Parameters
    ----------
    name
        of the network
    loss
        on the batch, before any step
    layers
        those with weights, in order
    blocks
        how much each part stretches small changes of what it gets, by path
    whole
        the same from the picture to the outputs
    steps
        loss, and norms of the gradients on the first and on the last weights, after each step
    """

    name: str
    loss: float
    layers: list[Passed]
    blocks: dict[str, Stretch]
    whole: Stretch
    steps: list[tuple[float, float, float]]


def measured(who: Subject, data: Dataset, batch_size: int, steps: int, lr: float) -> Flow:
    """All that is measured of one network, on a copy of it.

    Parameters
    ----------
    who
        the network
    data
        pictures with one label each
    batch_size
        pictures of the batch on which all is measured
    steps
        of training after that
    lr
        learning rate of these
    """
    if len(who.classes) < len(data.classes):
        raise DataError(
            f"{who.title} has {count(len(who.classes), 'output')}, too few for the {len(data.classes)} classes of "
            f"{printable(data.where)}"
        )
    network = copy.deepcopy(who.network).requires_grad_(True)
    batches = _batches(who, data, batch_size, steps)
    pictures, labels = next(batches)
    with _repeatable():
        network.train()
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = 1.0  # what a Jacobian is measured with are the statistics of this very batch
        loss, layers = flow(network, pictures, labels)
        stretches, whole = _stretches(copy.deepcopy(network).eval(), pictures[:1])
        walked = _walk(network, batches, steps, lr) if steps else []
    return Flow(who.title, loss, layers, stretches, whole, walked)


def _batches(who: Subject, data: Dataset, batch_size: int, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of pictures and labels, the same for every network; after the first one epoch after epoch."""
    order = np.random.Generator(np.random.Philox(0)).permutation(len(data))
    data = replace(data.part(order), splits=np.full(len(data), "test"))
    while True:
        for batch in Batches(data, who.preprocess, batch_size=batch_size, cache="off", workers=1):
            if len(batch) > 1:  # a batch norm needs two
                yield normalised(batch.pixels, who.preprocess).contiguous(), batch.labels


def _stretches(network: nn.Module, picture: Tensor) -> tuple[dict[str, Stretch], Stretch]:
    """How much each block, and the network as a whole, stretches small changes; in numbers of 64 bits."""
    network = network.double().requires_grad_(False)
    inputs: dict[str, Tensor] = {}

    def keep(path: str):
        return lambda _module, given: inputs.__setitem__(path, given[0].detach().clone())

    paths = blocks(network)
    hooks = [network.get_submodule(path).register_forward_pre_hook(keep(path)) for path in paths]
    with torch.no_grad():
        network(picture.double())
    for hook in hooks:
        hook.remove()
    measured = {
        path: stretch(network.get_submodule(path), inputs[path]) for path in track(paths, "measuring the blocks")
    }
    return measured, stretch(network, picture.double())


def _walk(
    network: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], steps: int, lr: float
) -> list[tuple[float, float, float]]:
    """Train a little; after each step the loss on the next batch, and its gradients on the first and last weights."""
    optimiser = torch.optim.SGD(network.parameters(), lr=lr, momentum=MOMENTUM)
    noted = []
    for _ in track(range(steps), "training a little", steps):
        pictures, labels = next(batches)
        said = network(pictures)
        loss = F.cross_entropy(said[0] if isinstance(said, tuple) else said, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss, layers = flow(network, *next(batches))
        noted.append((loss, layers[0].gradient, layers[-1].gradient))
    return noted


@contextmanager
def _repeatable() -> Iterator[None]:
    """Dropout draws the same each time, and random numbers go on afterwards where they were."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    try:
        yield
    finally:
        torch.set_rng_state(state)
