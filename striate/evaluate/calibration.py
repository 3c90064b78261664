"""Calibration: whether of pictures of which a network is 80 % sure, 80 % are right; and what makes it so.

Dividing all scores by one number, the temperature, changes no answer, only how sure the network is (Guo et al., 2017).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit, softmax

from striate.show.numbers import percent
from striate.train.learn.tally import wilson

BINS = 10  # of equally many pictures, so that each says as much as any other
COLDEST, HOTTEST = 0.01, 100.0  # temperatures between which the best is looked for


@dataclass(frozen=True)
class Bin:
    """Pictures of which the network is about equally sure.

    Parameters
    ----------
    sure
        its mean probability
    right
        the share that is right
    low, high
        between which that lies, with 95 % confidence
    pictures
        how many
    """

    sure: float
    right: float
    low: float
    high: float
    pictures: int


@dataclass(frozen=True)
class Calibration:
    """How sure a network is, beside how sure it should be.

    Parameters
    ----------
    error
        the expected calibration error: how far both are apart, on average
    temperature
        by which scores had best be divided
    error_after
        the same then, each half of the pictures judged by the temperature of the other
    bins
        pictures by how sure it is
    """

    error: float
    temperature: float
    error_after: float
    bins: list[Bin] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """What it says."""
        kind = "too sure of itself" if self.temperature > 1 else "not sure enough of itself"
        return (
            f"it is {percent(self.error, 1)} off in how sure it is, on average, and {kind}: dividing its scores by "
            f"{self.temperature:.3g} leaves {percent(self.error_after, 1)}"
        )


def calibration(scores: np.ndarray, labels: np.ndarray) -> Calibration:
    """How well a network knows how sure it may be.

    Parameters
    ----------
    scores
        (n, classes) logits
    labels
        (n,) places in the classes; with several labels, (n, classes) of 0 and 1, each of which is an answer
    """
    best = temperature(scores, labels)
    bins, error_after = reliability(*answers(scores, labels)), float("nan")
    half = np.arange(len(scores)) % 2 == 0
    if len(scores) > 1:
        (sure, right), (others_sure, others_right) = (
            answers(scores[part] / temperature(scores[~part], labels[~part]), labels[part]) for part in (half, ~half)
        )
        after = reliability(np.concatenate([sure, others_sure]), np.concatenate([right, others_right]))
        error_after = _error(after)
    return Calibration(_error(bins), best, error_after, bins)


def answers(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How sure each answer is, and whether it is right.

    Parameters
    ----------
    scores, labels
        as for `calibration`
    """
    if labels.ndim == 2:
        return expit(scores).ravel(), (labels > 0).ravel()
    return softmax(scores, axis=1).max(1), scores.argmax(1) == labels


def reliability(sure: np.ndarray, right: np.ndarray, bins: int = BINS) -> list[Bin]:
    """Answers in bins of equally many, from the least sure to the surest.

    Parameters
    ----------
    sure
        (n,) probabilities
    right
        (n,) whether they came true
    bins
        how many, or as many as there are answers
    """
    order = np.argsort(sure, kind="stable")
    found = []
    for part in np.array_split(order, max(1, min(bins, len(order)))):
        if len(part):
            hits = int(right[part].sum())
            found.append(Bin(float(sure[part].mean()), hits / len(part), *wilson(hits, len(part)), len(part)))
    return found


def _error(bins: list[Bin]) -> float:
    total = sum(each.pictures for each in bins)
    return sum(each.pictures * abs(each.sure - each.right) for each in bins) / total if total else float("nan")


def temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The number by which scores are divided for the smallest loss.

    The loss is convex in its inverse, so its slope has one root at most; a set that is all right wants to be as sure as
    can be, and gets the coldest.

    Parameters
    ----------
    scores, labels
        as for `calibration`
    """
    from scipy.optimize import brentq

    slope = _slope(scores.astype(np.float64), labels)
    if slope(1 / COLDEST) <= 0:
        return COLDEST
    if slope(1 / HOTTEST) >= 0:
        return HOTTEST
    return 1 / float(brentq(slope, 1 / HOTTEST, 1 / COLDEST))  # type: ignore[arg-type]


def _slope(scores: np.ndarray, labels: np.ndarray) -> Callable[[float], float]:
    """Of the mean loss, by the inverse of the temperature."""
    if labels.ndim == 2:
        return lambda cold: float((scores * (expit(cold * scores) - labels)).mean())
    scores = scores - scores.max(1, keepdims=True)
    labelled = scores[np.arange(len(scores)), labels]
    return lambda cold: float(((softmax(cold * scores, axis=1) * scores).sum(1) - labelled).mean())
