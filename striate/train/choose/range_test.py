"""Range test: which learning rate is as high as it can be (Smith, 2015).

A copy of the network takes steps with a rate that rises from next to nothing. Where it is too low, the loss stays; then
it falls; then it grows without bound. Just before that, steps are as large as they may be for a moment, which is too
large for long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from math import isfinite
from pathlib import Path

import torch

from striate.data.batches import Batches
from striate.errors import StriateError
from striate.nets.net import Net
from striate.preprocess import Preprocess
from striate.show.charts import curves
from striate.show.drawing import write_chart
from striate.train.choose.rehearsal import Rehearsal, rehearsing
from striate.train.learn.loss import Loss
from striate.train.recipe import Recipe

LOWEST, HIGHEST = 1e-6, 10.0
STEPS = 100
KEEP = 0.8  # of the smoothed loss, a step
TOO_LARGE = 4.0  # times the best smoothed loss, at which it stops
SETTLED = 5  # steps until the average means something; by then the rate is still next to nothing
FALLEN = 0.75  # of the loss's fall: there the rate is
LEAST_FALL = 0.02  # of the loss, below which it is noise


@dataclass(frozen=True)
class RangeTest:
    """What a range test found.

    Parameters
    ----------
    rates
        of each step
    losses
        before each step
    smoothed
        their running average
    chosen
        the highest rate for a training
    why
        by which rule
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    chosen: float
    why: str

    def save(self, path: Path) -> None:
        """Draw the losses over the rates.

        Parameters
        ----------
        path
            an .svg or .png
        """
        lines = {
            name: list(zip(self.rates, values, strict=True))
            for name, values in (("each step", self.losses), ("smoothed", self.smoothed))
        }
        marks = {"chosen": self.chosen}
        write_chart(path, curves("Range test", lines, "learning rate", "loss", marks=marks, log_x=True))


def find_rate(
    network: Net, loss: Loss, batches: Batches, preprocess: Preprocess, recipe: Recipe, device: torch.device
) -> RangeTest:
    """Find the highest learning rate that a training bears; the network and the batches stay as they are.

    Parameters
    ----------
    network
        what will learn
    loss
        what is to become small
    batches
        of the training, from where they stand
    preprocess
        the network's input
    recipe
        how, but for the rate
    device
        where
    """
    rates, losses, smoothed = [], [], []
    average = 0.0
    with rehearsing(batches, device, recipe.seed):
        rehearsal = Rehearsal(network, preprocess, loss, recipe, device)
        every = chain.from_iterable(repeat(batches))  # epoch after epoch
        for step, batch in zip(range(STEPS), every, strict=False):
            rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
            value = float(rehearsal.step(batch.pixels, batch.labels, rate))
            if not isfinite(value):
                break
            average = KEEP * average + (1 - KEEP) * value
            rates.append(rate)
            losses.append(value)
            smoothed.append(average / (1 - KEEP ** (step + 1)))
            if smoothed[-1] > TOO_LARGE * min(smoothed):
                break
    chosen, why = pick(rates, smoothed)
    return RangeTest(tuple(rates), tuple(losses), tuple(smoothed), chosen, why)


def pick(rates: Sequence[float], smoothed: Sequence[float]) -> tuple[float, str]:
    """The rate at which the loss had done three quarters of its fall, and that as a sentence.

    The place where a curve is steepest jumps with its noise, and where it is lowest a training may already diverge. How
    far it has fallen does not jump: it depends on all of the curve, and lies a few times below the lowest place.

    Parameters
    ----------
    rates
        of each step, rising
    smoothed
        the running average of the losses before each step

    >>> pick([10.0**power for power in range(-8, 2)], [3, 3, 3, 3, 3, 3, 2.5, 1.4, 1, 5])[0]
    0.1
    """
    lowest = min(range(len(smoothed)), key=smoothed.__getitem__, default=0)
    start = min(SETTLED, lowest)
    fall = smoothed[start] - smoothed[lowest] if smoothed else 0.0
    if not smoothed or fall <= LEAST_FALL * smoothed[start]:
        raise StriateError(
            f"a range test looks for a rate that lowers the loss, but from {LOWEST:g} to {HIGHEST:g} none did within "
            f"{STEPS} steps; give --lr a number, such as 0.001"
        )
    target = smoothed[lowest] + (1 - FALLEN) * fall
    chosen = next(rate for rate, loss in zip(rates[start:], smoothed[start:], strict=True) if loss <= target)
    sentence = f"where the loss had done three quarters of its fall, which ended at {rates[lowest]:.2g}"
    return float(f"{chosen:.2g}"), sentence
