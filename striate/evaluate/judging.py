"""Judging: a run's network says what it sees in pictures, as fast as this machine can."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from striate.data.batches import Batches
from striate.data.dataset import Dataset, OnBad
from striate.data.normalise import normalised
from striate.engine.fastest import fastest
from striate.errors import DataError
from striate.evaluate.crops import Crops
from striate.show.numbers import count
from striate.show.progress import track
from striate.train.run import Run

BATCH = 32
LEAST = 1e-30  # a probability whose logarithm is still a number
SURE = 1e-15  # how near to 0 and to 1 one is whose odds are


@dataclass(frozen=True)
class Judged:
    """What a network says of pictures.

    Parameters
    ----------
    data
        the pictures that could be read, in their own order
    scores
        (n, classes) logits; of several crops, those of the mean probability
    skipped
        why others could not be read
    seconds
        that the network needs for one picture, all its crops together
    told
        about the engine
    """

    data: Dataset
    scores: np.ndarray
    skipped: list[str]
    seconds: float
    told: list[str]


def judged(
    run: Run,
    data: Dataset,
    shown: Crops,
    device: torch.device,
    workers: int | None,
    on_bad: OnBad,
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
        views = [normalised(view, run.preprocess) for view in shown.of(batch.pixels)]
        if engine is None:
            engine = fastest(network, views[0], device, pictures=len(data) * len(shown))
            each = engine.seconds / len(views[0]) * len(shown)
        said = [torch.from_numpy(engine(view)[0].astype(np.float64)) for view in views]
        rows.append(batch.rows)
        scores.append(said[0] if len(said) == 1 else _mean(said, several))
    if engine is None:
        raise DataError("there is nothing to judge: none of the pictures could be read")
    places = {row: place for place, row in enumerate(data.rows.tolist())}
    kept = np.array([places[row] for row in np.concatenate(rows).tolist()])
    reasons = [problem.reason for problem in batches.skipped.values()]
    return Judged(data.part(kept), torch.cat(scores).numpy(), reasons, each, engine.told)


def _mean(said: list[Tensor], several: bool) -> Tensor:
    """The logits of the mean of probabilities, (n, …, classes)."""
    if several:
        return torch.stack([each.sigmoid() for each in said]).mean(0).logit(SURE)
    return torch.stack([each.softmax(-1) for each in said]).mean(0).clamp_min(LEAST).log()
