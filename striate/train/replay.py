"""`striate replay`: a training is done once more, to see whether the same numbers come out."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from striate.errors import DataError, StriateError
from striate.show.names import printable
from striate.show.numbers import exact
from striate.show.table import json_text
from striate.train.ensemble import open_trained
from striate.train.keep.sealed import load_sealed
from striate.train.machine import other_machine
from striate.train.run import MODEL, Run, open_run
from striate.train.train import train


@dataclass(frozen=True)
class Replay:
    """What came of doing a training again.

    Parameters
    ----------
    name
        the run
    tensors, numbers
        how many its weights are
    different
        how many of these numbers differ, by tensor
    largest
        the largest difference
    figures
        the validation, before and now
    notes
        why a difference may be
    """

    name: str
    tensors: int
    numbers: int
    different: dict[str, int]
    largest: float
    figures: tuple[dict[str, float], dict[str, float]]
    notes: list[str]

    @property
    def equal(self) -> bool:
        """Whether all weights are the same to the last bit."""
        return not self.different

    def to_json(self) -> str:
        """All of it."""
        return json_text({"equal": self.equal, **vars(self)})

    def __rich__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        if self.equal:
            return f"{self.name} came out again: all {exact(self.numbers)} numbers of its weights are equal, bit by bit"
        before, now = self.figures
        lines = [
            f"{self.name} came out differently: {exact(sum(self.different.values()))} of {exact(self.numbers)} numbers "
            f"of its weights differ, by at most {self.largest:.3g}",
            f"validation was {_shown(before)} and is {_shown(now)}",
        ]
        return "\n".join(lines + self.notes)


def replay(run: Path, *, device: str | None = None, workers: int | None = None, quiet: bool = False) -> Replay:
    """Train a run once more from its settings, and compare the weights bit by bit.

    Parameters
    ----------
    run
        a run's folder
    device
        cpu, cuda, cuda:1, …
    workers
        threads that load pictures: any number gives the same
    quiet
        show only the result
    """
    before = open_trained(run)
    ended = before.result
    if ended is None or "time limit" in ended["stopped"]:
        how = "was cut off by the clock" if ended else "has not ended"
        raise StriateError(f"a training that came to its own end can be replayed, but {printable(run)} {how}")
    parts = before.parts()
    if parts.fingerprint != before.config["data"]["fingerprint"]:
        raise DataError(
            f"a replay needs the same pictures, but {printable(parts.where)} changed since {printable(run)}"
        )
    with TemporaryDirectory(dir=before.folder.parent, prefix=".replay-") as folder:
        train(like=before.folder, output=Path(folder) / before.name, device=device, workers=workers, quiet=quiet)
        return compare(before, open_run(Path(folder) / before.name))


def compare(before: Run, now: Run) -> Replay:
    """The weights of two runs of the same network.

    Parameters
    ----------
    before, now
        the runs
    """
    (theirs, _), (ours, _) = (load_sealed(run.folder / MODEL) for run in (before, now))
    different: dict[str, int] = {}
    largest = 0.0
    for name, tensor in theirs.items():
        # as bytes: two NaN are equal, and 0 is not −0
        unequal = tensor.reshape(-1, 1).view(torch.uint8) != ours[name].reshape(-1, 1).view(torch.uint8)
        if count := int(unequal.any(1).sum()):
            different[name] = count
            largest = max(largest, float((tensor.double() - ours[name].double()).abs().max()))
    figures: Any = tuple(run.figures or {} for run in (before, now))
    notes = other_machine(before.config["machine"], now.config["machine"])
    numbers = sum(tensor.numel() for tensor in theirs.values())
    return Replay(before.name, len(theirs), numbers, different, largest, figures, notes)


def _shown(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
