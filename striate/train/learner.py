"""Learner: everything that a step changes, so that a checkpoint of it is a whole one."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from striate.data.batches import Batches
from striate.nets.net import Net
from striate.train.learn.average import Average
from striate.train.learn.optimiser import load_optimiser_tensors, optimiser_tensors
from striate.train.learn.tally import Tally
from striate.train.transfer.feed import FeatureBatches


@dataclass
class Learner:
    """A network that learns.

    Parameters
    ----------
    network
        with its weights
    model
        what a step calls: the network itself, compiled, or in step with those of other processes
    optimiser, average, tally, batches, scaler
        what moves with it: its optimiser, the running average of its weights, the figures of this epoch, where the
        pictures stand, and the scale of losses in float16
    step
        how many are done
    accumulate
        parts in which a batch is computed
    best
        the best validation so far: epoch, step, figures
    waited
        validations since then
    seconds
        that training took, pauses left out
    unsaved
        the best weights, by name, until the next checkpoint: until then they could not be gone on from
    """

    network: Net
    model: nn.Module
    optimiser: Optimizer
    average: Average | None
    tally: Tally
    batches: Batches | FeatureBatches
    scaler: torch.amp.GradScaler
    accumulate: int = 1
    step: int = 0
    best: dict[str, Any] = field(default_factory=dict)
    waited: int = 0
    seconds: float = 0.0
    unsaved: dict[str, Tensor] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""
        parts = {
            "network": self.network.state_dict(),
            "average": self.average.tensors() if self.average else {},
            "tally": self.tally.tensors(),
        }
        named = {f"{part}.{name}": tensor for part, held in parts.items() for name, tensor in held.items()}
        return named | optimiser_tensors(self.optimiser)

    def about(self) -> dict[str, Any]:
        """All that is not a tensor, as plain values."""
        return {
            "step": self.step,
            "accumulate": self.accumulate,
            "best": self.best,
            "waited": self.waited,
            "seconds": self.seconds,
            "batches": self.batches.state(),
            "scaler": self.scaler.state_dict(),
        }

    def load(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Go on from a checkpoint."""

        def part(name: str) -> dict[str, Tensor]:
            return {
                key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")
            }

        self.network.load_state_dict(part("network"))
        if self.average:
            self.average.load(part("average"))
        self.tally.load(part("tally"))
        load_optimiser_tensors(self.optimiser, tensors)
        self.batches.resume(about["batches"])
        self.scaler.load_state_dict(about["scaler"])
        self.step, self.accumulate, self.best = about["step"], about["accumulate"], about["best"]
        self.waited, self.seconds = about["waited"], about["seconds"]
