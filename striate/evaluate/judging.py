"""Judging: a run's network says what it sees in pictures, as fast as this machine can."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from striate.data.batches import Batch, Batches
from striate.data.dataset import Dataset, OnBad
from striate.data.normalise import normalised
from striate.engine.fastest import FEW, fastest
from striate.errors import DataError
from striate.nets.ensemble import mean_answer
from striate.preprocess import Preprocess
from striate.show.numbers import count
from striate.show.progress import track
from striate.train.run import Run

BATCH = 32


class Shown(Protocol):
    """How often a picture is shown, and how."""

    @property
    def preprocess(self) -> Preprocess:
        """Makes the pictures of which views are made."""
        ...

    def __len__(self) -> int: ...

    def of(self, batch: Batch) -> Iterator[Tensor]:
        """Each view (n, channels, height, width) of uint8 of a batch, so large as the network takes it."""
        ...


@dataclass(frozen=True)
class Judged:
    """What a network says of pictures.

    Parameters
    ----------
    data
        the pictures that could be read, in their own order
    scores
        (n, …): what was kept of the logits; by `mean`, (n, classes) logits, of several views those of the mean
        probability
    skipped
        why others could not be read
    seconds
        that the network needs for one picture, all its views together
    told
        about the engine
    """

    data: Dataset
    scores: np.ndarray
    skipped: list[str]
    seconds: float
    told: list[str]


def mean(said: list[Tensor], several: bool) -> Tensor:
    """The logits of the mean of probabilities, (n, …, classes).

    Parameters
    ----------
    said
        (n, …, classes) logits of each view
    several
        whether a picture may have several labels
    """
    return said[0] if len(said) == 1 else mean_answer(torch.stack(said, 1), several)


def judged(
    run: Run,
    data: Dataset,
    shown: Shown,
    device: torch.device,
    workers: int | None,
    on_bad: OnBad,
    keep: Callable[[list[Tensor], bool], Tensor] = mean,
    network: nn.Module | None = None,
) -> Judged:
    """Show pictures to a run's network.

    Parameters
    ----------
    run
        whose network it is
    data
        of any splits, which do not matter here
    shown
        how often, and which part
    device
        where PyTorch computes
    workers
        threads that load; None is one per processor
    on_bad
        stop at a picture that cannot be read, or skip it
    keep
        what to keep of the logits of a batch's views: (n, …)
    network
        in place of the run's own; logits may be of several answers, (n, …, classes)
    """
    data = replace(data, splits=np.full(len(data), "test"))
    batches = Batches(
        data, shown.preprocess, batch_size=BATCH, cache="off", workers=workers, device=device, on_bad=on_bad
    )
    network, several = network or run.net(), data.several
    engine, each, rows, scores = None, 0.0, [], []
    for batch in track(batches, f"judging {count(len(data))}", len(batches)):
        said = []
        for pixels in shown.of(batch):
            view = normalised(pixels, run.preprocess)
            if engine is None:
                engine = fastest(network, view, device, pictures=len(data) * len(shown))
                each = engine.seconds / len(view[:FEW]) * len(shown)
            said.append(torch.from_numpy(engine(view)[0].astype(np.float64)))
        rows.append(batch.rows)
        scores.append(keep(said, several))
    if engine is None:
        raise DataError("there is nothing to judge: none of the pictures could be read")
    places = {row: place for place, row in enumerate(data.rows.tolist())}
    kept = np.array([places[row] for row in np.concatenate(rows).tolist()])
    reasons = [problem.reason for problem in batches.skipped.values()]
    return Judged(data.part(kept), torch.cat(scores).numpy(), reasons, each, engine.told)
