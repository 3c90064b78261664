"""Solve: the best fully connected layer on features, directly instead of by epochs."""

from dataclasses import dataclass, replace

import numpy as np

from striate.errors import DataError
from striate.show.numbers import count
from striate.train.transfer.axes import Axes, Linear, axes_of
from striate.train.transfer.logistic import FINE, logistic
from striate.train.transfer.ridge import Ridge, sureness
from striate.train.transfer.side import side_by_side

MANY = 300  # classes from which on ridge regression stands in
LARGE = 1e9  # and multiplications of a step: choosing a strength takes some 400 steps, then of more than a second each


@dataclass(frozen=True)
class Problem:
    """Which head is looked for.

    Parameters
    ----------
    axes
        features
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1
    classes
        how many there are
    ridge
        whether by ridge regression
    """

    axes: Axes
    labels: np.ndarray
    classes: int
    ridge: bool

    @classmethod
    def of(cls, features: np.ndarray | Axes, labels: np.ndarray, classes: int) -> "Problem":
        """Features with labels; the way to a head follows from their number."""
        axes, labels = axes_of(features), np.asarray(labels)
        if len(labels) != len(axes) or labels.shape[1:] not in ((), (classes,)):
            raise DataError(
                f"labels are ({len(axes)},), or ({len(axes)}, {classes}) of 0 and 1, a row for each of the features', "
                f"but are {labels.shape}"
            )
        if labels.min() < 0 or labels.max() >= (classes if labels.ndim == 1 else 2):
            raise DataError(
                f"labels of {count(classes, 'class')} are places from 0 to {classes - 1}, but {labels.max()} is there"
            )
        return cls(axes, labels, classes, by_ridge(axes, classes))

    @property
    def several(self) -> bool:
        """Whether a picture may have several labels."""
        return self.labels.ndim == 2

    @property
    def targets(self) -> np.ndarray:
        """(n, classes) of 0 and 1."""
        return self.labels.astype(np.float64) if self.several else np.eye(self.classes)[self.labels]

    def part(self, places: np.ndarray) -> "Problem":
        """The same question of some of the pictures, answered in the same way."""
        return replace(self, axes=self.axes.part(places), labels=self.labels[places])

    def zero(self) -> Linear:
        """A head that has no idea."""
        return Linear(np.zeros((self.classes, self.axes.rows.shape[2])), np.zeros(self.classes))

    def logistic(
        self, strength: float, weights: np.ndarray, start: Linear | None = None, slope: float = FINE
    ) -> Linear:
        """The head of least cross-entropy, on coordinates.

        A class that no picture has, or all have, cannot be learned: it gets no weights, and the bias of half a picture.
        """
        targets, start = self.targets, start or self.zero()
        views, width = self.axes.rows.shape[1:]
        total, has = weights.sum(), weights @ targets
        known = (has > 0) & (has < total) if self.several else has > 0
        rows, each = self.axes.rows.reshape(-1, width), np.repeat(weights / views, views)
        found = self.zero()
        if known.sum() > (0 if self.several else 1):
            begin = Linear(start.weight[known], start.bias[known])
            targets = np.repeat(targets[:, known], views, axis=0)
            part = logistic(rows, targets, self.several, strength, each, begin, slope)
            found.weight[known], found.bias[known] = part.weight, part.bias
        if self.several:
            half = np.log((has + 0.5) / (total - has + 0.5))
            found.bias[~known] = half[~known]
        else:  # the scores of the others have the mean of their biases as their mean, so one of them is always above
            found.bias[~known] = found.bias[known].mean() - np.log(2 * total + 1)
        return found


def by_ridge(axes: Axes, classes: int) -> bool:
    """Whether logistic regression would take too long: above 300 classes, or 10⁹ multiplications for a step.

    Parameters
    ----------
    axes
        features
    classes
        how many there are
    """
    return classes > MANY or axes.rows.size * classes > LARGE


def solve(
    features: np.ndarray | Axes,
    labels: np.ndarray,
    classes: int,
    strength: float,
    weights: np.ndarray | None = None,
    start: Linear | None = None,
) -> Linear:
    """The head that fits features best: an ordinary fully connected layer on raw features.

    Multinomial logistic regression (of several labels: one for each class) with a penalty of strength/2 · |weight|² on
    standardised features, none on the bias; scikit-learn's C is 1/strength. Of very many classes (`by_ridge`) it is
    ridge regression on targets −1 and 1, whose scores are then multiplied so that the probabilities of pictures that
    were left out one at a time are as good as can be.

    Parameters
    ----------
    features
        (n, d), or (n, views, d) with the plain view first: each view counts as a share of its picture
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1 where a picture may have several
    classes
        how many there are
    strength
        of the penalty: of the sum over pictures, so that one strength fits few pictures as well as many
    weights
        (n,) what each picture counts, 1 by default
    start
        a head to begin with: that of a similar strength saves time; ridge regression needs none
    """
    problem = Problem.of(features, labels, classes)
    axes, shares = problem.axes, checked(strength, weights, len(labels))
    if not problem.ridge:
        begin = axes.forth(start) if start else None
        (head,) = side_by_side(lambda begin: problem.logistic(strength, shares, begin), [begin])
        return axes.back(head)
    ridge = Ridge(axes.rows, problem.targets, shares)
    factor = sureness(ridge.left_out(strength), problem.targets, problem.several)
    return axes.back(ridge.head(strength).scaled(factor))


def checked(strength: float, weights: np.ndarray | None, number: int) -> np.ndarray:
    """What each picture counts, (n,), unless that or the strength makes no sense.

    Parameters
    ----------
    strength
        of the penalty
    weights
        (n,), or None for 1 each
    number
        of pictures
    """
    if not 0 < strength < np.inf:
        raise DataError(f"the strength of a penalty is above 0, so that there is one best head, but is {strength}")
    shares = np.ones(number) if weights is None else np.asarray(weights, np.float64)
    if shares.shape != (number,) or not np.isfinite(shares).all() or shares.min() < 0 or shares.sum() == 0:
        raise DataError(f"weights are {number} numbers of at least 0, one for each picture and not all 0")
    return shares
