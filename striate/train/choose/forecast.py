"""Forecast: how long a training takes, and how much room, after a trial on this machine."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from time import perf_counter

import torch
from torch import nn

from striate.data.batches import Batches
from striate.errors import StriateError
from striate.nets.net import Net
from striate.show.names import printable
from striate.show.numbers import duration, memory
from striate.train.choose.rehearsal import end_of
from striate.train.choose.room import check_memory
from striate.train.choose.trial import Trial
from striate.train.learn.step import DTYPES
from striate.train.recipe import Recipe

RESERVE = 0.1  # of a time limit, for what nobody foresees
REPORT = 0.5  # seconds that it takes to write a report
CHECKPOINTS = 3  # of which two are kept, and one is being written


@dataclass(frozen=True)
class Forecast:
    """What a training will take.

    Parameters
    ----------
    first, later
        seconds of the first epoch and of each other one, its validation not counted
    first_validation, validation
        seconds of the first validation and of each other one
    epochs
        how many
    memory, free_memory
        bytes of the device
    disk, free_disk
        bytes that checkpoints and weights take, and that are free where the run lies
    kept
        what decoded pictures take and where, as text
    """

    first: float
    later: float
    first_validation: float
    validation: float
    epochs: float
    memory: int
    free_memory: int
    disk: int
    free_disk: int
    kept: str

    @property
    def seconds(self) -> float:
        """Of all."""
        more = max(0.0, self.epochs - 1)
        learning = min(1.0, self.epochs) * self.first + more * self.later
        return learning + self.first_validation + ceil(more) * self.validation

    def lines(self) -> list[str]:
        """The same for people."""
        times = f"about {duration(self.seconds)}"
        if self.epochs > 1:
            first, later = self.first + self.first_validation, self.later + self.validation
            times += f": first epoch {duration(first)}, then {duration(later)} each"
        room = f"memory {memory(self.memory)} of {memory(self.free_memory)} free"
        disk = f"disk {memory(self.disk)} of {memory(self.free_disk)} free"
        kept = f"; decoded pictures take {self.kept}" if self.kept else ""
        return [times, f"{room}; {disk}{kept}"]


def peak(device: torch.device, precision: str) -> float:
    """MACs a second of a product of matrices: what this device can do at best.

    Parameters
    ----------
    device
        where
    precision
        float32, bfloat16, float16 or float64
    """
    side = 4096 if device.type == "cuda" else 1024
    one = torch.ones(side, side, dtype=DTYPES[precision], device=device)
    best, stop = float("inf"), perf_counter() + 0.2
    for turn in range(1000):
        begun = perf_counter()
        torch.matmul(one, one)
        end_of(device)
        if turn:  # the first one warms up
            best = min(best, perf_counter() - begun)
        if turn > 1 and perf_counter() > stop:
            break
    return side**3 / best


def ending(tried: Trial, counts: Mapping[str, int]) -> float:
    """Seconds that follow the last step: a validation, then the best weights are judged by all pictures, and told.

    Parameters
    ----------
    tried
        how fast it goes
    counts
        of the pictures to judge by, `val`, and of those for the end, `test`
    """
    # one process judges in the end; test pictures have not been decoded before
    again = counts["val"] * _judging(tried, tried.load) + counts["test"] * _judging(tried, tried.decode)
    return _times(tried, counts)[3] + again + REPORT


def epochs_for(minutes: float, tried: Trial, counts: Mapping[str, int], recipe: Recipe, gone: float = 0.0) -> float:
    """How many epochs, perhaps with a part of one, fit into a time limit, of which a tenth is kept in reserve.

    Parameters
    ----------
    minutes
        the limit
    tried
        how fast it goes
    counts
        of the pictures to learn from, `train`, and of those to judge by, `val`
    recipe
        how
    gone
        seconds of it that something else takes, before or after
    """
    first, later, first_validation, validation = _times(tried, counts)
    left = 60 * minutes * (1 - RESERVE) - gone - first_validation
    if left < first * recipe.batch_size / counts["train"]:
        least = (gone + first_validation + first * recipe.batch_size / counts["train"]) / (1 - RESERVE)
        raise StriateError(
            "a time limit holds at least a step, a validation and what goes before and after, which take about "
            f"{duration(least)} here, but --minutes is {minutes:g}; {ceil(least / 6) / 10:g} would hold them, and "
            "smaller pictures (--size) or a smaller network take less"
        )
    if left < first:
        return left / first
    left -= first
    whole = int(left // (later + validation))
    rest = left - whole * (later + validation) - validation
    return 1 + whole + max(0.0, min(1.0, rest / later))


def forecast(
    tried: Trial,
    counts: Mapping[str, int],
    recipe: Recipe,
    network: Net,
    batches: Batches,
    folder: Path,
    device: torch.device,
) -> Forecast:
    """What a training will take; refused where memory or disk do not suffice.

    Parameters
    ----------
    tried
        how fast it goes
    counts
        of the pictures to learn from, `train`, and of those to judge by, `val`
    recipe
        how
    network
        what learns
    batches
        of the training
    folder
        where the run lies
    device
        where it learns
    """
    wanted, free = check_memory(network, recipe, device, batches.batch_size)
    disk = disk_needed(network, recipe)
    free_disk = shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.is_dir())).free
    if disk > free_disk:
        raise StriateError(
            f"checkpoints and weights take about {memory(disk)} of the disk, but {printable(folder)} has "
            f"{memory(free_disk)} left; choose another --output, or make room"
        )
    return Forecast(*_times(tried, counts), recipe.epochs, wanted, free, disk, free_disk, batches.kept)


def disk_needed(network: nn.Module, recipe: Recipe) -> int:
    """Bytes of the checkpoints and of the best weights."""
    width = 8 if recipe.precision == "float64" else 4
    values = sum(tensor.numel() for tensor in network.state_dict().values()) * width
    kept = {"sgd": 1, "adamw": 2}[recipe.optimizer] + bool(recipe.ema)
    return values * (1 + CHECKPOINTS * (1 + kept))


def _times(tried: Trial, counts: Mapping[str, int]) -> tuple[float, float, float, float]:
    """Seconds of the first epoch and of later ones, of the first validation and of later ones."""
    learning, judged = (counts[split] / tried.processes for split in ("train", "val"))
    first_validation, validation = (judged * _judging(tried, load) for load in (tried.decode, tried.load))
    return learning * tried.first, learning * tried.later, first_validation, validation


def _judging(tried: Trial, load: float) -> float:
    """Seconds of judging by a picture that takes so long to load."""
    return max(load, tried.judge) if tried.overlaps else load + tried.judge
