"""In which order the pictures of an epoch come: a function of the seed and the epoch alone."""

import numpy as np

from striate.data.dataset import Dataset
from striate.data.randomness import Purpose, generator
from striate.errors import DataError


def epoch_order(data: Dataset, seed: int, epoch: int, *, shuffle: bool, balanced: bool = False) -> np.ndarray:
    """Places of the pictures of an epoch, in order.

    Parameters
    ----------
    data
        the pictures
    seed, epoch
        what the order depends on
    shuffle
        a permutation; otherwise the order of the data
    balanced
        as many pictures as ever, but drawn with replacement so that every class comes equally often
    """
    if not (shuffle or balanced):
        return np.arange(len(data))
    random = generator(seed, epoch, Purpose.ORDER)
    if balanced:
        weights = class_weights(data)[data.labels]
        return random.choice(len(data), len(data), p=weights / weights.sum())
    return random.permutation(len(data))


def class_weights(data: Dataset) -> np.ndarray:
    """(classes,) inverse to how often a class comes, with a mean of 1 over the pictures; 0 for a class without any."""
    if data.several:
        raise DataError("classes are balanced where a picture has one label, but here it may have several")
    counts = np.bincount(data.labels, minlength=len(data.classes))
    there = counts > 0
    return np.divide(len(data), counts * there.sum(), out=np.zeros(len(counts)), where=there)


def part_of_rank(order: np.ndarray, rank: int, world: int, even: bool) -> np.ndarray:
    """Every world-th place, beginning with rank; even leaves out the last few, so that all ranks have equally many."""
    if not 0 <= rank < world:
        raise DataError(f"a rank is 0 to {world - 1} in a world of {world}, but is {rank}")
    return order[rank : len(order) - len(order) % world if even else None : world]
