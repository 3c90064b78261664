"""Members: several heads from the same features, whose probabilities are averaged."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from striate.errors import DataError, StriateError
from striate.train.transfer.axes import Axes, Linear, axes_of
from striate.train.transfer.folds import kin
from striate.train.transfer.logistic import probabilities
from striate.train.transfer.side import side_by_side
from striate.train.transfer.solve import solve


def members(
    features: np.ndarray | Axes,
    labels: np.ndarray,
    classes: int,
    strength: float,
    number: int,
    groups: np.ndarray,
    seed: int = 0,
) -> list[Linear]:
    """Heads that differ as if each had learned from another sample of pictures.

    Each weighs the pictures by random numbers of mean 1 (exponential ones: Rubin's bootstrap of 1981). Drawing
    pictures with replacement varies as much, but leaves a third of them out, and may leave out all of a rare class;
    folds left out would give every head less to learn from. In each class the weights sum to its number of pictures,
    so that all heads find the classes equally frequent. Pictures of a group share a weight. The head of one member
    weighs all alike.

    Parameters
    ----------
    features, labels, classes, strength
        as for `solve`
    number
        of heads
    groups
        (n,) as for `fold`
    seed
        another one, other heads
    """
    if number < 1:
        raise DataError(f"there is at least 1 member, but {number} were asked for")
    axes = axes_of(features)
    first = solve(axes, labels, classes, strength)
    if number == 1:
        return [first]
    each, draw = kin(groups), np.random.default_rng(seed)
    every = []
    for _ in range(number):
        weights = draw.exponential(size=each.max() + 1)[each]
        if labels.ndim == 1:
            there = np.bincount(labels, minlength=classes)
            weights *= (there / np.maximum(np.bincount(labels, weights, classes), 1e-300))[labels]
        else:
            weights *= len(labels) / weights.sum()
        every.append(weights)
    return list(side_by_side(lambda weights: solve(axes, labels, classes, strength, weights, first), every))


def averaged(heads: Sequence[Linear], features: np.ndarray, several: bool) -> np.ndarray:
    """(n, classes): the mean of the heads' probabilities.

    Parameters
    ----------
    heads
        of `members`
    features
        (n, d)
    several
        whether a picture may have several labels
    """
    return np.mean([probabilities(head.scores(features), several) for head in heads], axis=0)


def fill(layer: nn.Linear | nn.Conv2d, heads: Sequence[Linear]) -> None:
    """Put the mean of heads into a layer: their mean scores are its scores.

    Parameters
    ----------
    layer
        fully connected, or a 1×1 convolution
    heads
        of `members`
    """
    with torch.no_grad():
        for parameter, values in (
            (layer.weight, np.mean([head.weight for head in heads], axis=0)),
            (layer.bias, np.mean([head.bias for head in heads], axis=0)),
        ):
            if parameter is None:
                raise StriateError("a head that is solved has a bias, but the last layer of this network has none")
            parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))
