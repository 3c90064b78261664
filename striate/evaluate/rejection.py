"""Rejection: saying "don't know" to the pictures of which a network is least sure, and being right on the others."""

from dataclasses import dataclass

import numpy as np

from striate.show.numbers import percent
from striate.train.learn.tally import wilson

WANTED = (0.9, 0.95, 0.98, 0.99, 0.995)  # shares of right answers


@dataclass(frozen=True)
class Rejection:
    """Answering only where the network is sure enough.

    Parameters
    ----------
    wanted
        the share of answers that are to be right
    least
        the probability from which on it answers
    answered
        the share of the pictures that get an answer
    right
        the share of answers that are right
    low, high
        between which that lies, with 95 % confidence
    """

    wanted: float
    least: float
    answered: float
    right: float
    low: float
    high: float

    @property
    def sentence(self) -> str:
        """What it says."""
        return (
            f"it answers {percent(self.answered, 1)} of the pictures with {percent(self.right, 1)} right where it says "
            f'"don\'t know" below a probability of {self.least:.3f}'
        )


def rejection(sure: np.ndarray, right: np.ndarray, wanted: float) -> Rejection | None:
    """The lowest probability from which on so many answers are right; None where no probability is high enough.

    Parameters
    ----------
    sure
        (n,) probabilities of the answers
    right
        (n,) whether they are
    wanted
        the share that is to be right
    """
    least, answered, hits = _steps(sure, right)
    enough = np.flatnonzero(hits >= wanted * answered)
    if not len(enough):
        return None
    last = enough[-1]
    many, good = int(answered[last]), int(hits[last])
    return Rejection(wanted, float(least[last]), many / len(sure), good / many, *wilson(good, many))


def rejections(sure: np.ndarray, right: np.ndarray) -> list[Rejection]:
    """One for each share that is usually wanted; several that come to the same are one.

    Parameters
    ----------
    sure, right
        as for `rejection`
    """
    found = [each for wanted in WANTED if (each := rejection(sure, right, wanted))]
    return list({each.least: each for each in reversed(found)}.values())[::-1]


def coverage(sure: np.ndarray, right: np.ndarray) -> list[tuple[float, float]]:
    """The share of right answers over the share of pictures that get one, in percent, for every probability.

    Parameters
    ----------
    sure, right
        as for `rejection`
    """
    _, answered, hits = _steps(sure, right)
    return [(100 * many / len(sure), 100 * good / many) for many, good in zip(answered, hits, strict=True)]


def _steps(sure: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each probability, from the highest on: how many answers are at least as sure, and how many of them right."""
    order = np.argsort(-sure, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(sure[order]) != 0, True))  # those that are equally sure come together
    return sure[order][ends], ends + 1, np.cumsum(right[order])[ends]
