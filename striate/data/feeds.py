"""Where batches get their pictures: a data set in any order, or shards as a stream."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, NamedTuple, Protocol

import numpy as np

from striate.data.distort.colour import colour_spread
from striate.data.distort.distortion import Distortion
from striate.data.order import Order
from striate.data.prepared import Prepared, shrunk, size_from_header
from striate.data.sources.shards import Shards
from striate.data.sources.tar_stream import Sample
from striate.errors import DataError
from striate.pictures.decode import decode
from striate.pictures.opened import opened
from striate.preprocess import Preprocess

SAMPLED = 256  # pictures whose colours stand for those of all


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

    def colour_spread(self) -> np.ndarray:
        """How the colours of the data spread, for distortions along their main axes."""
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
        for place in map(int, self.order.places(epoch)[start:]):
            read = partial(self.prepared.__getitem__, place)
            yield Item(int(data.rows[place]), data.names[place], data.labels[place], read)

    def colour_spread(self) -> np.ndarray:
        places = np.linspace(0, len(self.prepared.data) - 1, min(SAMPLED, len(self.prepared.data)), dtype=int)
        return colour_spread(self.prepared[place] for place in dict.fromkeys(places.tolist()))

    def end(self) -> None:
        if self.prepared.store:
            threading.Thread(target=self.prepared.store.complete, name="striate cache").start()  # waits for the disk


class ShardFeed:
    """A stream of shards: each picture is decoded when its turn comes, and nothing is kept."""

    def __init__(
        self,
        shards: Shards,
        preprocess: Preprocess,
        distortion: Distortion | None,
        *,
        seed: int,
        rank: int,
        world: int,
    ):
        self.shards, self.preprocess, self.distortion = shards, preprocess, distortion
        self._samples = partial(shards.samples, seed, shuffle=distortion is not None, rank=rank, world=world)
        self.channels = 1 if preprocess.channels == "L" else 3
        self.several = shards.several

    def __len__(self) -> int:
        raise TypeError("how many pictures a stream of shards has is not known before all of them were read")

    def items(self, epoch: int, start: int) -> Iterator[Item]:
        places = {name: place for place, name in enumerate(self.shards.classes)}
        for sample in self._samples(epoch, start=start):
            label = np.array([places[name] for name in sample.label])
            if self.several:
                label = np.isin(np.arange(len(places)), label)
            yield Item(sample.address, sample.name, label if self.several else label[0], partial(self._pixels, sample))

    def _pixels(self, sample: Sample) -> np.ndarray:
        if self.distortion is None:
            return self.preprocess.read(sample.content, sample.name).pixels
        with opened(sample.content, sample.name) as image:
            size = size_from_header(image, sample.content)
        least = shrunk(size, self.preprocess.size, self.distortion)
        gray: Literal["RGB", "L"] = "L" if self.channels == 1 else "RGB"
        background = self.preprocess.background
        return decode(sample.content, sample.name, channels=gray, background=background, least=least).pixels

    def colour_spread(self) -> np.ndarray:
        raise DataError("pca needs the colours of the data beforehand, which a stream of shards has not; set pca to 0")

    def end(self) -> None: ...
