"""How good heads are, and whether one kind is better than another on the same pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from striate.errors import DataError
from striate.train.learn.tally import wilson
from striate.train.transfer.axes import Axes
from striate.train.transfer.folds import FOLDS, fold, out_of_fold

HALF = 0.5  # from which on a class is named, where a picture may have several


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
        return self.low > 0

    @property
    def points(self) -> str:
        """The difference with its interval."""
        return f"{100 * self.difference:+.1f} points ({100 * self.low:+.1f} … {100 * self.high:+.1f})"

    @property
    def verdict(self) -> str:
        """Whether that may be luck."""
        return "no more than chance" if self.low <= 0 <= self.high else "more than chance"

    def __str__(self) -> str:
        return (
            f"{self.points}: right where the other is wrong {self.better:,} times, "
            f"wrong where it is right {self.worse:,} times; {self.verdict}"
        )


def compare(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> Comparison:
    """Compare two tables of probabilities, picture by picture (McNemar's test, exact).

    Answers that are both right or both wrong say nothing about which is better. Of the others, the first is right in k
    of m; were the two equally good, that would be like k heads in m throws of a coin. The chance of so uneven a k and
    the interval of its share come from the binomial distribution, without an approximation that needs many pictures.
    The difference is (2k − m)/n, so its interval follows from that of k/m. Copies of a picture count as pictures.

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
    if not (uneven := better + worse):
        return Comparison(0, 0, 0.0, 0.0, 0.0, 1.0)
    from scipy.special import bdtr, betaincinv  # scipy.stats has the same, but takes most of a second to load

    least = betaincinv(better, worse + 1, 0.025) if better else 0.0  # of k/m, by Clopper and Pearson
    most = betaincinv(better + 1, worse, 0.975) if worse else 1.0
    low, high = (float(2 * bound - 1) * uneven / mine.size for bound in (least, most))
    chance = min(1.0, 2 * float(bdtr(min(better, worse), uneven, 0.5)))
    return Comparison(better, worse, (better - worse) / mine.size, low, high, chance)


def _answers(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    if labels.ndim == 2:
        return (probabilities >= HALF) == (labels > 0)
    return probabilities.argmax(1) == labels
