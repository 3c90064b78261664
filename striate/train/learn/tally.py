"""Tally: how good a network's answers are, counted while they come, or over all of them at once."""

from collections.abc import Mapping
from math import sqrt
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor

from striate.errors import DataError, WeightsError
from striate.train.learn.loss import Loss

FIVE = 10  # classes from which on it tells something to have the label among the first five
WAITING = 2**20  # scores that are counted at once: to count each batch takes several percent of a small network's step
PART = 4096  # pictures whose figures are computed at a time


class Tally:
    """Running sums on the device. Only `figures` waits for it; whatever else is called goes on at once.

    Scores are kept until there are many of them, or until somebody asks for the sums, and are then counted together.

    All sums add up: those of several processes give the sums over all pictures.

    Parameters
    ----------
    classes
        how many there are
    several
        whether a picture may have several labels: then the loss alone is counted, for ranks need all pictures at once
    device
        where the scores are
    """

    def __init__(self, classes: int, several: bool, device: torch.device | str):
        self.several = several
        exact = torch.float32 if torch.device(device).type == "mps" else torch.float64  # Apple's GPUs have no float64
        self.loss = torch.zeros((), dtype=exact, device=device)  # summed over pictures
        self.pictures = torch.zeros((), dtype=torch.int64, device=device)
        self.labels = torch.zeros(classes, dtype=torch.int64, device=device)  # how many pictures each class has
        self.first = torch.zeros_like(self.labels)  # in how many of them it has the highest score
        self.five = torch.zeros_like(self.labels)  # in how many it is among the five highest
        self._waiting: list[tuple[Tensor, Tensor]] = []  # scores and labels of batches that are still to be counted
        self._scores = 0  # how many these are

    def add(self, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Count a batch.

        Of equal scores the first is the higher one, as for argmax; a picture with a score that is NaN is wrong.

        Parameters
        ----------
        loss
            scalar, the mean over the batch
        scores
            (n, classes), logits or probabilities; from now on nobody writes into their memory, nor into the labels'
        labels
            (n,) places in the classes; with several labels they are not looked at
        """
        self.add_loss(loss, len(scores))
        if self.several:
            return
        self._waiting.append((scores.detach(), labels))
        self._scores += scores.numel()
        if self._scores >= WAITING:
            self._count()

    def add_loss(self, loss: Tensor, count: int) -> None:
        """Count the loss of a batch alone, where its labels are mixed.

        Parameters
        ----------
        loss
            scalar, the mean over the batch
        count
            pictures in it
        """
        self.loss.add_(loss.detach(), alpha=count)  # in the precision of the sum
        self.pictures += count

    def figures(self) -> dict[str, float]:
        """Means over what was counted; a figure of nothing is left out.

        loss; top1 and, from 10 classes on, top5: the share of pictures whose label has the highest score, or one of the
        five highest; per_class: the mean over the classes, as far as they occur, of their shares in top1.
        """
        self._count()
        told: dict[str, float] = {}
        if pictures := int(self.pictures):
            told["loss"] = float(self.loss) / pictures
        labels, first = self.labels.cpu(), self.first.cpu()
        if count := int(labels.sum()):
            told["top1"] = int(first.sum()) / count
            if len(labels) >= FIVE:
                told["top5"] = int(self.five.sum()) / count
            seen = labels > 0
            told["per_class"] = float((first[seen].double() / labels[seen]).mean())
        return told

    def tensors(self) -> dict[str, Tensor]:
        """The sums by name, as they are now."""
        return {name: value.clone() for name, value in self._sums().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from other sums.

        Parameters
        ----------
        tensors
            of `tensors`
        """
        sums = self._sums()
        expected = {name: (value.shape, value.dtype) for name, value in sums.items()}
        if {name: (value.shape, value.dtype) for name, value in tensors.items()} != expected:
            raise WeightsError(
                f"a tally of {len(self.labels)} classes goes on from {', '.join(sums)} of as many, "
                f"but these are {', '.join(f'{name} of {tuple(value.shape)}' for name, value in tensors.items())}"
            )
        for name, value in sums.items():
            value.copy_(tensors[name])

    def reset(self) -> None:
        """Begin again."""
        for value in self._sums().values():
            value.zero_()

    def _count(self) -> None:
        """Count the scores that wait."""
        if not self._waiting:
            return
        scores, labels = (torch.cat(tensors) for tensors in zip(*self._waiting, strict=True))
        self._waiting, self._scores = [], 0
        label = labels[:, None]  # (n, 1), beside scores (n, classes)
        own = scores.gather(1, label)
        before = torch.arange(scores.shape[1], device=scores.device) < label
        rank = ((scores > own) | ((scores == own) & before)).sum(1)  # (n,): how many classes are ahead of the label
        number = ~scores.isnan().any(1)
        self.labels.index_add_(0, labels, torch.ones_like(labels))
        self.first.index_add_(0, labels, ((rank < 1) & number).to(labels))
        self.five.index_add_(0, labels, ((rank < 5) & number).to(labels))

    def _sums(self) -> dict[str, Tensor]:
        self._count()
        return {name: getattr(self, name) for name in ("loss", "pictures", "labels", "first", "five")}


def figures_of(scores: np.ndarray, labels: np.ndarray, several: bool) -> dict[str, float]:
    """All figures of a whole set of pictures; the loss is without smoothing and class weights.

    Parameters
    ----------
    scores
        (n, classes) logits
    labels
        (n,) places in the classes; with several labels (n, classes) of 0 and 1
    several
        whether a picture may have several labels

    >>> figures_of(np.array([[0.0, 2.0], [1.0, 0.0]]), np.array([1, 1]), several=False)["top1"]
    0.5
    """
    tally, loss = Tally(scores.shape[1], several, "cpu"), Loss(several)
    for start in range(0, len(scores), PART):
        part = torch.tensor(scores[start : start + PART], dtype=torch.float64)
        right = torch.tensor(labels[start : start + PART], dtype=torch.float64 if several else torch.int64)
        tally.add(loss(part, right), part, right)
    told = tally.figures()
    return told | {"mean_average_precision": mean_average_precision(scores, labels)} if several else told


def mean_average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """The mean, over classes with at least one picture, of the area under precision against recall.

    Parameters
    ----------
    scores
        (n, classes) of any scale; one that is not a number counts as wrong as can be
    labels
        (n, classes) of 0 and 1
    """
    from sklearn.metrics import average_precision_score

    there = labels > 0.5  # (n, classes)
    occurring = there.any(axis=0)
    if not occurring.any():
        raise DataError(f"average precision needs a picture with a label, but none of {len(labels):,} has one")
    scores = np.where(np.isnan(scores), np.where(there, -np.inf, np.inf), scores)
    each = []
    for right, column in zip(there.T[occurring], scores.T[occurring], strict=True):
        _, ranks = np.unique(column, return_inverse=True)  # scikit-learn refuses what is infinite
        each.append(average_precision_score(right, ranks))
    return float(np.mean(each))


def wilson(right: int, count: int) -> tuple[float, float]:
    """Between which shares the true accuracy lies, with 95 % confidence (Wilson, 1927).

    Unlike estimate ± 1.96 standard errors, it says something sensible where everything is right, and for few pictures.

    Parameters
    ----------
    right
        pictures with the right answer
    count
        pictures

    >>> [round(bound, 3) for bound in wilson(45, 50)]
    [0.786, 0.957]
    """
    if count == 0:
        return 0.0, 1.0
    z, p = NormalDist().inv_cdf(0.975), right / count
    scale = 1 + z**2 / count
    middle = (p + z**2 / (2 * count)) / scale
    reach = z * sqrt(p * (1 - p) / count + (z / (2 * count)) ** 2) / scale
    # at both ends the formula gives 0 and 1, but for rounding
    return (0.0 if right == 0 else middle - reach), (1.0 if right == count else middle + reach)
