"""Where batches get their pictures: a data set in any order, or shards as a stream."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from striate.data.order import Order
from striate.data.prepared import Prepared


class Item(NamedTuple):
    """One picture of an epoch: its address for random choices, its name, its label, and how to get its pixels."""

    address: int
    name: str
    label: np.ndarray  # a place in the classes, or (classes,) of 0 and 1
    read: Callable[[], np.ndarray]


class Feed(Protocol):
    """Items of an epoch, in order."""

    channels: int
    several: bool

    def __len__(self) -> int: ...

    def items(self, epoch: int, start: int) -> Iterator[Item]:
        """Those from `start` on."""
        ...

    def end(self) -> None:
        """An epoch is over."""
        ...


class WholeFeed:
    """A data set that can be read in any order."""

    def __init__(self, prepared: Prepared, order: Order):
        self.prepared, self.order = prepared, order
        self.channels = 1 if prepared.data.gray else 3
        self.several = prepared.data.several

    def __len__(self) -> int:
        return len(self.order)

    def items(self, epoch: int, start: int) -> Iterator[Item]:
        data = self.prepared.data
        for place in self.order.places(epoch)[start:].tolist():
            read = partial(self.prepared.__getitem__, place)
            yield Item(int(data.rows[place]), data.names[place], data.labels[place], read)

    def end(self) -> None:
        if self.prepared.store:
            self.prepared.store.complete()
