"""Job: what a training is about, beside the learner that it changes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from striate.data.batches import Batches
from striate.preprocess import Preprocess
from striate.train.keep.checkpoints import Checkpoints
from striate.train.keep.history import History
from striate.train.learn.loss import Loss
from striate.train.ranks import Ranks
from striate.train.recipe import Recipe
from striate.train.tell.events import Events
from striate.train.transfer.feed import FeatureBatches


@dataclass
class Job:
    """What a training is about, beside the learner that it changes.

    Parameters
    ----------
    recipe
        how
    steps, per_epoch
        how many in all, and in an epoch
    preprocess, classes
        the network's input, and the number of its outputs
    loss
        what is to become small
    validation
        batches to judge it by, if there are any
    names
        what pictures are called, by their rows
    ranks
        the processes that take part
    checkpoints, history
        where it is kept
    events
        where it is told, too, if TensorBoard is there
    weights, save_best
        gives a copy of the whole network's weights, and is given it when they were the best, with when that was
    save_every
        seconds between two checkpoints within an epoch
    until
        when it stops early, by the clock of `perf_counter`
    adapt
        whether a batch that the memory does not hold may be computed in more parts
    thaw
        up to which stage the network is frozen in each epoch, if that changes
    """

    recipe: Recipe
    steps: int
    per_epoch: int
    preprocess: Preprocess
    classes: int
    loss: Loss
    validation: Batches | FeatureBatches | None
    names: Callable[[np.ndarray], list[str]]
    ranks: Ranks
    checkpoints: Checkpoints
    history: History
    events: Events | None
    weights: Callable[[], dict[str, Tensor]]
    save_best: Callable[[dict[str, Tensor], dict[str, Any]], object]
    save_every: float
    until: float
    adapt: bool
    thaw: list[str | None]

    def note(self, line: dict[str, Any]) -> None:
        """Write a line of history."""
        self.history.add(**line)
        if self.events:
            self.events.add(line)
