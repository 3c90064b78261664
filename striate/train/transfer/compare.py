"""How good heads are, and whether one kind is better than another on the same pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from striate.data.dataset import HALF
from striate.errors import DataError
from striate.show.numbers import count
from striate.train.learn.tally import wilson
from striate.train.transfer.axes import Axes
from striate.train.transfer.folds import FOLDS, fold, out_of_fold

CHANCE = 0.05  # below which a difference is more than luck


@dataclass(frozen=True)
class Repeated:
    """Cross-validation, several times over.

    Parameters
    ----------
    probabilities
        (repeats, n, classes) of held-out pictures
    right
        (n,) how often each picture was named right, from 0 to 1
    accuracy
        the mean of these
    low, high
        between which the accuracy on new pictures lies, with 95 % confidence
    notes
        of the folds
    """

    probabilities: np.ndarray
    right: np.ndarray
    accuracy: float
    low: float
    high: float
    notes: tuple[str, ...]


def repeated(
    features: np.ndarray | Axes,
    labels: np.ndarray,
    classes: Sequence[str],
    groups: np.ndarray,
    strength: float,
    repeats: int = 5,
    number: int = FOLDS,
    seed: int = 0,
) -> Repeated:
    """Accuracy by cross-validation with other folds each time.

    Repeating takes away the luck of the folds, not that of the pictures: these are the same each time. So the interval
    is Wilson's for n pictures, however many repeats there are.

    Parameters
    ----------
    features, labels, strength
        as for `solve`
    classes
        names
    groups, number, seed
        as for `fold`
    repeats
        how often
    """
    folds = [fold(labels, groups, classes, number, seed + repeat) for repeat in range(repeats)]
    told = np.stack([out_of_fold(features, labels, len(classes), each, strength) for each in folds])
    right = np.mean([correct(each, labels) for each in told], axis=0)  # (n,)
    low, high = wilson(round(right.sum()), len(right))
    return Repeated(told, right, float(right.mean()), low, high, folds[0].notes)


def correct(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,): 1 where the label has the highest probability; of several labels, the share of classes that are right.

    Parameters
    ----------
    probabilities
        (n, classes)
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1
    """
    if labels.ndim == 2:
        return ((probabilities >= HALF) == (labels > 0)).mean(1)
    return (probabilities.argmax(1) == labels).astype(float)


@dataclass(frozen=True)
class Comparison:
    """Two kinds of answers to the same pictures.

    Parameters
    ----------
    better, worse
        answers where the first is right and the second wrong, and the other way round
    difference
        share of right answers of the first minus that of the second
    low, high
        between which it lies, with 95 % confidence
    chance
        of a difference like this, or a larger one, between two that are equally good
    """

    better: int
    worse: int
    difference: float
    low: float
    high: float
    chance: float

    @property
    def significantly_better(self) -> bool:
        """Whether the first is better than the second, beyond chance."""
        return self.difference > 0 and self.chance < CHANCE

    @property
    def points(self) -> str:
        """The difference with its interval."""
        return f"{100 * self.difference:+.1f} points ({100 * self.low:+.1f} … {100 * self.high:+.1f})"

    @property
    def verdict(self) -> str:
        """Whether that may be luck."""
        return "more than chance" if self.chance < CHANCE else "no more than chance"

    def __str__(self) -> str:
        return (
            f"{self.points}: right where the other is wrong {count(self.better, 'time')}, "
            f"wrong where it is right {count(self.worse, 'time')}; {self.verdict}"
        )


def compare(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> Comparison:
    """Compare two tables of probabilities, picture by picture (McNemar's test, exact).

    Answers that are both right or both wrong say nothing about which is better. Of the others, the first is right in k
    of m; were the two equally good, that would be like k heads in m throws of a coin. The chance of so uneven a k comes
    from the binomial distribution, without an approximation that needs many pictures. Copies of a picture count as
    pictures.

    Parameters
    ----------
    first, second
        (n, classes)
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1: then each class of each picture is an answer

    >>> labels = np.array([0, 1, 1, 0])
    >>> found = compare(np.eye(2)[[0, 1, 1, 1]], np.eye(2)[[0, 0, 0, 1]], labels)
    >>> found.better, found.worse, found.chance
    (2, 0, 0.5)
    """
    if not first.shape == second.shape or len(first) != len(labels) or not len(labels):
        raise DataError(f"a comparison needs the same pictures twice, but has {first.shape} and {second.shape}")
    mine, other = (_answers(each, labels) for each in (first, second))
    better, worse = int((mine & ~other).sum()), int((other & ~mine).sum())
    uneven = better + worse
    from scipy.special import bdtr  # scipy.stats has the same, but takes most of a second to load

    chance = min(1.0, 2 * float(bdtr(min(better, worse), uneven, 0.5)))
    return Comparison(better, worse, *difference(mine.ravel(), other.ravel()), chance)


def difference(mine: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """How much larger the first of two shares of the same pictures is, and its interval (Newcombe, 1998, method 10).

    Wilson's intervals of both shares are put together as sides of a triangle whose angle is how far both are right of
    the same pictures. Unlike McNemar's test, it counts that other pictures would tell more or fewer answers apart.

    Parameters
    ----------
    mine, other
        (n,) whether each answer of the first and of the second is right

    >>> [round(each, 4) for each in difference(np.arange(50) < 48, (np.arange(50) < 36) | (np.arange(50) > 47))]
    [0.2, 0.0569, 0.3404]
    """
    count = len(mine)
    both, first, second, neither = (
        int(each.sum()) for each in (mine & other, mine & ~other, ~mine & other, ~mine & ~other)
    )
    shares = (both + first) / count, (both + second) / count
    (low, high), (other_low, other_high) = wilson(both + first, count), wilson(both + second, count)
    even = both * neither - first * second
    if even > 0:
        even = max(even - count / 2, 0)  # Newcombe's correction for few pictures
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    same = even / margins**0.5 if margins else 0.0

    def side(a: float, b: float) -> float:
        return max(a * a - 2 * same * a * b + b * b, 0) ** 0.5

    value = (first - second) / count
    below, above = side(shares[0] - low, other_high - shares[1]), side(high - shares[0], shares[1] - other_low)
    return value, value - below, value + above


def _answers(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    if labels.ndim == 2:
        return (probabilities >= HALF) == (labels > 0)
    return probabilities.argmax(1) == labels
