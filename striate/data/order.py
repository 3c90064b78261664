"""In which order the pictures of an epoch come: a function of the seed and the epoch alone."""

from dataclasses import dataclass

import numpy as np

from striate.data.dataset import Dataset
from striate.data.randomness import Purpose, generator
from striate.errors import DataError


@dataclass(frozen=True)
class Order:
    """The order of every epoch.

    Parameters
    ----------
    data
        the pictures
    seed
        what the order depends on, with the epoch
    shuffle
        another order in every epoch, otherwise that of the data; several processes get equally many pictures, so the
        last few of an epoch are left out where they do not divide
    balanced
        as many pictures as ever, but drawn so that every class comes equally often; implies shuffle
    rank, world
        this process and how many there are: each gets its part
    """

    data: Dataset
    seed: int = 0
    shuffle: bool = True
    balanced: bool = False
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise DataError(f"a rank is 0 to {self.world - 1} in a world of {self.world}, but is {self.rank}")

        if self.shuffle and len(self.data) < self.world:
            raise DataError(f"each of {self.world} processes needs a picture, but there are {len(self.data)}")

    def __len__(self) -> int:
        return len(self._part(range(len(self.data))))

    def places(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the pictures of an epoch, in order; and how often each came before in it, in any process."""
        count = len(self.data)
        random = generator(self.seed, epoch, Purpose.ORDER)
        before = np.zeros(count, np.int64)
        if self.balanced:
            weights = class_weights(self.data)[self.data.labels]
            places = random.choice(count, count, p=weights / weights.sum())
            groups = np.argsort(places, kind="stable")
            starts = np.searchsorted(places[groups], places[groups])
            before[groups] = np.arange(count) - starts
        else:
            places = random.permutation(count) if self.shuffle else np.arange(count)
        return self._part(places), self._part(before)

    def _part(self, places):
        even = self.shuffle or self.balanced
        return places[self.rank : len(places) - len(places) % self.world if even else None : self.world]


def class_weights(data: Dataset) -> np.ndarray:
    """(classes,) inverse to how often a class comes, with a mean of 1 over the pictures; 0 for a class without any."""
    if data.several:
        raise DataError("classes are balanced where a picture has one label, but here it may have several")
    counts = np.bincount(data.labels, minlength=len(data.classes))
    there = counts > 0
    return np.divide(len(data), counts * there.sum(), out=np.zeros(len(counts)), where=there)
