"""Agreement: how far two tables of probabilities of the same pictures are apart, and how often they name the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.show.names import listed
from striate.show.numbers import count
from striate.train.learn.tally import wilson
from striate.train.transfer.compare import HALF

# Two classes are equal to within rounding where the network's probabilities of them differ by less than this part of
# the larger one, so their logits by as little: sums in float32 that are added in another order differ by about that.
TIE = 1e-4
WORST = 8  # pictures that are named


@dataclass(frozen=True)
class Agreement:
    """How a file's answers agree with the network's.

    Parameters
    ----------
    pictures
        how many
    largest, mean
        of all differences in probability
    same
        in how many pictures both name the same, ties included
    ties
        in how many of these they name two classes that are equal to within rounding for the network
    low, high
        between which the share of the same answers lies, with 95 % confidence
    worst
        the pictures whose probabilities differ most, with both answers
    """

    pictures: int
    largest: float
    mean: float
    same: int
    ties: int
    low: float
    high: float
    worst: list[dict[str, Any]]

    @property
    def share(self) -> float:
        """Of the same answers."""
        return self.same / self.pictures

    @property
    def told_ties(self) -> list[str]:
        """What there is to say of pictures that may be named either way; nothing where there are none."""
        if not self.ties:
            return []
        return [
            f"in {count(self.ties)} of these the network holds two classes for equally likely, within a "
            "ten-thousandth, and the file names the other one"
        ]


def agreement(
    file: np.ndarray, network: np.ndarray, names: Sequence[str], classes: Sequence[str], several: bool
) -> Agreement:
    """Compare the answers of a file with those of a network.

    Parameters
    ----------
    file, network
        (n, classes) probabilities
    names
        of the pictures
    classes
        names
    several
        whether a picture may have several labels: then what is named are all classes from one half on

    >>> told = agreement(np.eye(2)[[0, 1]], np.array([[0.9, 0.1], [0.8, 0.2]]), ["x", "y"], ["cat", "dog"], False)
    >>> told.same, round(told.largest, 1), told.worst[0]
    (1, 0.8, {'name': 'y', 'difference': 0.8, 'network': 'cat 0.8000', 'file': 'dog 1.0000'})
    """
    differences = np.abs(file.astype(np.float64) - network)  # (n, classes)
    apart = differences.max(1)
    equal = _named(file, several) == _named(network, several)  # (n, …)
    tied = _tied(file, network, several)
    same, alike = ((each if each.ndim == 1 else each.all(1)) for each in (equal | tied, equal))
    number = int(same.sum())
    largest, *others = np.argsort(-np.nan_to_num(apart, nan=np.inf), kind="stable").tolist()
    order = [largest, *sorted(others, key=lambda place: same[place])][:WORST]  # then those that are named otherwise
    worst = [
        {
            "name": names[place],
            "difference": float(apart[place]),
            "network": _told(network[place], classes, several),
            "file": _told(file[place], classes, several),
        }
        for place in order
    ]
    return Agreement(
        pictures=len(file),
        largest=float(apart.max()),
        mean=float(differences.mean()),
        same=number,
        ties=int((same & ~alike).sum()),
        **dict(zip(("low", "high"), wilson(number, len(file)), strict=True)),
        worst=worst,
    )


def _named(probabilities: np.ndarray, several: bool) -> np.ndarray:
    """(n,) the class that is named; of several, (n, classes) which are."""
    return probabilities >= HALF if several else probabilities.argmax(1)


def _tied(file: np.ndarray, network: np.ndarray, several: bool) -> np.ndarray:
    """Where the network could as well have named what the file names: (n,), or of several (n, classes)."""
    if several:  # named or not: both have a probability
        return np.abs(2 * network - 1) < TIE * np.maximum(network, 1 - network)
    place = np.arange(len(file))
    return network.max(1) - network[place, file.argmax(1)] < TIE * network.max(1)


def _told(probabilities: np.ndarray, classes: Sequence[str], several: bool) -> str:
    """An answer in words."""
    named = np.flatnonzero(probabilities >= HALF).tolist() if several else [int(probabilities.argmax())]
    return listed([f"{classes[place]} {probabilities[place]:.4f}" for place in named]) or "none"
