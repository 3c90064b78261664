"""Where batches get their pictures: a data set in any order, or shards as a stream."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from queue import Full, Queue
from typing import Literal, NamedTuple, Protocol

import numpy as np

from striate.data.dataset import OnBad
from striate.data.distort.colour import colour_spread
from striate.data.distort.distortion import Distortion
from striate.data.order import Order
from striate.data.prepared import Prepared, shrunk, size_from_header
from striate.data.sources.shards import Shards
from striate.data.sources.tar_stream import Sample
from striate.errors import DataError, PictureError
from striate.pictures.decode import decode
from striate.pictures.opened import opened
from striate.preprocess import Preprocess
from striate.show.names import printable

SAMPLED = 256  # pictures whose colours stand for those of all
READ_AHEAD = 128  # samples of shards that wait for a thread
AGAIN = 40  # the bit of an address from which the times are counted that a picture came before in an epoch


class Item(NamedTuple):
    """One picture of an epoch.

    Parameters
    ----------
    row
        in the source
    address
        for random choices: the row, and how often it came before in this epoch
    name
        how messages call it
    label
        a place in the classes, or (classes,) of 0 and 1
    read
        its pixels
    """

    row: int
    address: int
    name: str
    label: np.ndarray
    read: Callable[[], np.ndarray]


class Feed(Protocol):
    """Items of an epoch, in order."""

    channels: int
    several: bool
    notes: Counter[str]  # what reading the pictures told, and how often

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

    def __init__(self, prepared: Prepared, order: Order, on_bad: OnBad):
        self.prepared, self.order, self.on_bad = prepared, order, on_bad
        self.channels = 1 if prepared.data.gray else 3
        self.several = prepared.data.several
        self.notes = prepared.notes

    def __len__(self) -> int:
        return len(self.order)

    def items(self, epoch: int, start: int) -> Iterator[Item]:
        data = self.prepared.data
        for place, before in zip(*(part[start:].tolist() for part in self.order.places(epoch)), strict=True):
            row, read = int(data.rows[place]), partial(self.prepared.__getitem__, place)
            yield Item(row, row | before << AGAIN, printable(data.names[place]), data.labels[place], read)

    def colour_spread(self) -> np.ndarray:
        count = len(self.prepared.data)
        return colour_spread(self._readable(np.unique(np.linspace(0, count - 1, min(SAMPLED, count), dtype=int))))

    def _readable(self, places: np.ndarray) -> Iterator[np.ndarray]:
        for place in places.tolist():
            try:
                yield self.prepared[place]
            except PictureError:
                if self.on_bad == "stop":
                    raise

    def end(self) -> None:
        if self.prepared.store:
            threading.Thread(target=self.prepared.store.complete, name="striate cache").start()  # waits for the disk


class ShardFeed:
    """A stream of shards: each picture is decoded when its turn comes, and nothing is kept."""

    def __init__(
        self, shards: Shards, preprocess: Preprocess, distortion: Distortion | None, *, seed: int, rank: int, world: int
    ):
        self.shards, self.preprocess, self.distortion = shards, preprocess, distortion
        self._samples = partial(shards.samples, seed, shuffle=distortion is not None, rank=rank, world=world)
        self.channels = 1 if preprocess.channels == "L" else 3
        self.several = shards.several
        self.notes: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        raise TypeError("how many pictures a stream of shards has is not known before all of them were read")

    def items(self, epoch: int, start: int) -> Iterator[Item]:
        places = {name: place for place, name in enumerate(self.shards.classes)}
        for sample in ahead(self._samples(epoch, start=start)):
            label = np.array([places[name] for name in sample.label], int)
            label = np.isin(np.arange(len(places)), label) if self.several else label[0]
            read = partial(self._pixels, sample)
            yield Item(sample.address, sample.address, printable(sample.name), label, read)

    def _pixels(self, sample: Sample) -> np.ndarray:
        name, size = printable(sample.name), self.preprocess.size
        if self.distortion is None:
            picture = self.preprocess.read(sample.content, name)
        else:
            with opened(sample.content, name) as image:
                least = shrunk(size_from_header(image, sample.content), size, self.distortion)
            gray: Literal["RGB", "L"] = "L" if self.channels == 1 else "RGB"
            background = self.preprocess.background
            picture = decode(sample.content, name, channels=gray, background=background, least=least)
        with self._lock:
            self.notes.update(picture.notes)
        return picture.pixels

    def colour_spread(self) -> np.ndarray:
        raise DataError("pca needs the colours of the data beforehand, which a stream of shards has not; set pca to 0")

    def end(self) -> None: ...


def refuse_for_shards(**asked: object) -> None:
    """What a stream cannot do, or what was chosen where it was opened."""
    usual = {"balanced": (False,), "cache": (None, "off"), "on_bad": (None,)}
    wanted = [f"{name}={value!r}" for name, value in asked.items() if value not in usual[name]]
    if wanted:
        raise DataError(
            "a stream of shards is read once from its beginning, so nothing is balanced or kept, and open_shards has "
            f"the policy for bad pictures; but {', '.join(wanted)} was asked for"
        )


def ahead(samples: Iterator[Sample]) -> Iterator[Sample]:
    """The same samples, read in a thread of its own: a disk or a server makes nobody wait who has something to do."""
    waiting: Queue = Queue(READ_AHEAD)
    stopped = threading.Event()

    def hand_over(what: object) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(what, timeout=0.1)
                return True
            except Full:
                continue
        return False

    def read() -> None:
        try:
            for sample in samples:
                if not hand_over(sample):
                    return
            hand_over(None)
        except BaseException as error:  # raised again where the samples are used
            hand_over(error)

    threading.Thread(target=read, name="striate shards", daemon=True).start()
    try:
        while (what := waiting.get()) is not None:
            if isinstance(what, BaseException):
                raise what
            yield what
    finally:
        stopped.set()
