"""Rehearsal: a copy of a network takes steps that leave no trace, for a trial or the search of a learning rate."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from striate.data.batches import Batches
from striate.data.normalise import normalised
from striate.nets.net import Net
from striate.preprocess import Preprocess
from striate.train.learn.loss import Loss
from striate.train.learn.optimiser import optimiser, set_rate
from striate.train.learn.step import advance, gradient
from striate.train.recipe import Recipe
from striate.train.transfer.feed import FeatureBatches


class Rehearsal:
    """A copy of a network that learns as a training would, but is not compiled.

    Parameters
    ----------
    network
        stays as it is; a part behind a frozen one learns from its features
    preprocess
        its input
    loss
        what is to become small
    recipe
        how
    device
        where
    """

    def __init__(self, network: Net, preprocess: Preprocess, loss: Loss, recipe: Recipe, device: torch.device):
        self.preprocess, self.loss, self.recipe, self.device = preprocess, loss, recipe, device
        self.network = copy.deepcopy(network).to(device)
        self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if recipe.precision == "float64":
            self.network.double()
        self.optimiser = optimiser(self.network, recipe.optimizer, 1.0, recipe.weight_decay)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16")
        self.network.train()

    def step(self, pixels: Tensor, labels: Tensor, rate: float) -> Tensor:
        """One step; the loss before it, a scalar on the device.

        Parameters
        ----------
        pixels
            (n, channels, height, width) of uint8, or features of a frozen part
        labels
            (n,) places in the classes, or (n, classes) of 0 and 1
        rate
            the learning rate
        """
        recipe = self.recipe
        self.optimiser.zero_grad(set_to_none=True)
        set_rate(self.optimiser, rate)
        inputs = self._inputs(pixels)
        value = gradient(self.network, self.loss, self.scaler, inputs, labels, recipe.precision, recipe.accumulate)
        advance(self.network, self.optimiser, self.scaler, recipe.clip)
        return value

    def judge(self, pixels: Tensor) -> None:
        """What validation does with pictures."""
        self.network.eval()
        with torch.inference_mode():
            self.network(self._inputs(pixels))
        self.network.train()

    def _inputs(self, pixels: Tensor) -> Tensor:
        inputs = pixels if pixels.is_floating_point() else normalised(pixels, self.preprocess)
        return inputs.double() if self.recipe.precision == "float64" else inputs


@contextmanager
def rehearsing(batches: Batches | FeatureBatches, device: torch.device, seed: int) -> Iterator[None]:
    """Inside, batches may be used and random numbers drawn; afterwards both go on where they were.

    Parameters
    ----------
    batches
        of the training; what is decoded stays in their cache
    device
        whose random numbers are put back, beside the processor's
    seed
        of the random numbers inside
    """
    state = batches.state()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield
    finally:
        batches.resume(state)


def end_of(device: torch.device) -> None:
    """Wait until a device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
