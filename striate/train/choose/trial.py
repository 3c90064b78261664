"""Trial: a few steps of a copy of the network on the first pictures, against the clock."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from statistics import median
from time import perf_counter

import torch

from striate.data.batches import Batches
from striate.errors import DataError
from striate.nets.net import Net, last_layer
from striate.preprocess import Preprocess
from striate.train.choose.rehearsal import Rehearsal, end_of, rehearsing
from striate.train.choose.room import check_memory
from striate.train.learn.loss import Loss
from striate.train.recipe import Recipe

WARM = 2  # steps that a device needs to find its fastest ways
STEPS = 3  # that are measured at least
STEADY = 0.7  # seconds of short steps: less may fall into a moment in which something else runs
MOST = 200  # steps
SECONDS = 1.5  # that reading is watched, where it takes no longer to see that many steps
Use = Callable[[torch.Tensor, torch.Tensor], None]


@dataclass(frozen=True)
class Trial:
    """Seconds per picture, on this machine and these pictures.

    Parameters
    ----------
    first
        of learning in the first epoch, when pictures are decoded
    step
        of a step alone
    load
        of making batches alone from what is kept
    judge
        of the forward pass of a validation
    overlaps
        whether batches are made while a step is computed elsewhere: on a GPU
    processes
        that learn side by side
    """

    first: float
    step: float
    load: float
    judge: float
    overlaps: bool
    processes: int = 1

    @property
    def later(self) -> float:
        """Of learning in later epochs, when pictures are decoded already."""
        return min(self.first, max(self.step, self.load) if self.overlaps else self.step + self.load)

    @property
    def decode(self) -> float:
        """Of making a batch in the first epoch."""
        return max(self.load, self.first if self.overlaps else self.first - self.step)


def trial(network: Net, preprocess: Preprocess, batches: Batches, recipe: Recipe, device: torch.device) -> Trial:
    """Measure a few steps of a copy of the network on the first pictures; nothing changes but what is decoded by then.

    Parameters
    ----------
    network
        what will learn
    preprocess
        its input
    batches
        of the training
    recipe
        how
    device
        where
    """
    size = batches.batch_size
    check_memory(network, recipe, device, size)
    several = batches.feed.several
    classes = last_layer(network)[1].weight.shape[0]
    channels = 1 if preprocess.channels == "L" else 3
    pixels = torch.zeros(size, *preprocess.size, channels, dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
    labels = torch.zeros((size, classes) if several else size, device=device).to(None if several else torch.int64)
    with rehearsing(batches, device, recipe.seed):
        rehearsal = Rehearsal(network, preprocess, Loss(several, recipe.label_smoothing), recipe, device)

        def step(pixels: torch.Tensor, labels: torch.Tensor) -> None:
            rehearsal.step(pixels, labels, recipe.lr)

        step_time = _timed(lambda: step(pixels, labels), device) / size
        judge_time = _timed(lambda: rehearsal.judge(pixels), device) / size
        state = batches.state()
        first, seen = _stream(batches, step, device, None)
        batches.resume(state)
        load, _ = _stream(batches, lambda pixels, labels: None, device, seen)
    return Trial(max(first, step_time), step_time, load, judge_time, device.type == "cuda", batches.world)


def _timed(do: Callable[[], None], device: torch.device) -> float:
    """Seconds of doing something: the median of many times, of a few, or one time where it takes long."""
    times: list[float] = []
    while len(times) < WARM + STEPS or (sum(times) < STEADY and len(times) < MOST):
        begun = perf_counter()
        do()
        end_of(device)
        times.append(perf_counter() - begun)
        if len(times) > 1 and sum(times) > 2 * SECONDS:
            break
    return median(times[min(WARM, len(times) - 1) :])


def _stream(batches: Batches, use: Use, device: torch.device, most: int | None) -> tuple[float, int]:
    """Seconds per picture from one batch to the next; and how many batches were seen."""
    begun = perf_counter()
    arrived: list[float] = []
    pictures: list[int] = []
    rest = iter(batches)
    try:
        for batch in islice(rest, most):
            arrived.append(perf_counter())
            pictures.append(len(batch))
            watched = arrived[-1] - arrived[0]
            if most is None and watched > SECONDS and (len(arrived) > STEPS or watched > 2 * SECONDS):
                break
            use(batch.pixels, batch.labels)
            end_of(device)
    finally:
        rest.close()  # pyright: ignore[reportAttributeAccessIssue]  # its threads end before anything else is measured
    if not arrived:
        raise DataError("a training needs pictures that can be read, but an epoch of these has none")
    if len(arrived) == 1:
        return (arrived[0] - begun) / pictures[0], 1
    return (arrived[-1] - arrived[0]) / sum(pictures[1:]), len(arrived)
