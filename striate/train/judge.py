"""Judge: what a network says of pictures that it did not learn from."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from striate.data.batches import Batch
from striate.data.normalise import normalised
from striate.preprocess import Preprocess
from striate.train.learn.tally import figures_of
from striate.train.ranks import Ranks


@dataclass(frozen=True)
class Judged:
    """Scores of pictures, in the order of their rows.

    Parameters
    ----------
    rows
        (n,) which pictures these are
    scores
        (n, classes) logits
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1
    """

    rows: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    @property
    def several(self) -> bool:
        """Whether a picture may have several labels."""
        return self.labels.ndim == 2

    @property
    def figures(self) -> dict[str, float]:
        """Loss and accuracy."""
        return figures_of(self.scores, self.labels, self.several)

    @property
    def probabilities(self) -> np.ndarray:
        """(n, classes): of each class, which add up to 1 unless a picture may have several."""
        scores = torch.from_numpy(self.scores)
        return (scores.sigmoid() if self.several else scores.softmax(1)).numpy()


def judge(
    network: nn.Module,
    batches: Iterable[Batch],
    preprocess: Preprocess,
    ranks: Ranks,
    done: Callable[[int], object] = id,
) -> Judged:
    """Go through one epoch of batches without learning, in full precision; each process takes its part.

    Parameters
    ----------
    network
        in any mode, in which it stays
    batches
        without distortion
    preprocess
        what the network expects
    ranks
        the processes
    done
        is told how many batches are done
    """
    training, rows, scores, labels = network.training, [], [], []
    dtype = next(network.parameters()).dtype
    network.eval()
    try:
        with torch.inference_mode():
            for number, batch in enumerate(batches, 1):
                rows.append(batch.rows)
                ready = batch.pixels.is_floating_point()  # features of a frozen part
                pixels = batch.pixels if ready else normalised(batch.pixels, preprocess)
                scores.append(network(pixels.to(dtype)).float())
                labels.append(batch.labels)
                done(number)
    finally:
        network.train(training)
    here = [np.concatenate(rows), *(torch.cat(part).cpu().numpy() for part in (scores, labels))] if rows else None
    parts = [part for part in ranks.gather(here) if part]
    every = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(every[0], kind="stable")
    return Judged(*(column[order] for column in every))
