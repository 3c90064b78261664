"""Batches: threads load and distort pictures while the network trains.

Decoding, resizing and warping release Python's lock, so threads run side by side and share one cache. Pixels travel to
a GPU as bytes; on the processor these threads normalise them, too. The order is fixed beforehand and every random
choice has an address, so neither the number of threads nor the order in which they finish changes anything.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.data.dataset import Dataset, OnBad, Problem
from striate.data.distort.distortion import Distortion
from striate.data.distort.distortion import distortion as read_distortion
from striate.data.feeds import Item, ShardFeed, WholeFeed, refuse_for_shards
from striate.data.filling import Filling, settle
from striate.data.normalise import normalised
from striate.data.order import Order
from striate.data.position import ingredients, position
from striate.data.prepared import Cache, FinalPictures, WholePictures
from striate.data.rooms import Rooms, known_device
from striate.data.sources.shards import Shards
from striate.errors import DataError, one_of
from striate.preprocess import Preprocess
from striate.processors import processors
from striate.show.names import printable
from striate.show.numbers import memory

AHEAD = 2  # batches that are being made while one is used: enough to hide a slow picture, and memory stays bounded
MOST = 100_000
PIECE = 16  # pictures that a thread takes at most at a time: each piece costs a wait for Python's lock


@dataclass(frozen=True)
class Batch:
    """Pictures for one step.

    Parameters
    ----------
    pixels
        (n, channels, height, width) on the device, laid out channels last: uint8, red, green, blue; or float32,
        normalised
    labels
        (n,) places in the classes, or (n, classes) of 0.0 and 1.0
    rows
        (n,) which pictures these are: their rows in the source, or their addresses in shards
    epoch, number
        where in the training it comes, counted from 0
    """

    pixels: Tensor
    labels: Tensor
    rows: np.ndarray
    epoch: int
    number: int

    def __len__(self) -> int:
        return len(self.rows)


class Batches:
    """Batches of a data set, epoch after epoch: iterating goes on where it stopped, up to the end of the epoch.

    Parameters
    ----------
    data
        pictures with labels, of one split, or shards
    preprocess
        the network's input
    batch_size
        pictures in a batch; the last one of an epoch may have fewer. With distortion, fewer than half join the batch
        before: a step on very few pictures would count as much as any other
    distortion
        strengths, or their text such as "photo, rotate 20": shows each picture differently in each epoch, in a new
        order; without it they come in their own order, as `preprocess` makes them
    balanced
        draw pictures so that every class comes equally often
    seed
        of every random choice
    cache
        off: decode in every epoch; ram; disk, which is the default; shards are never kept
    workers
        threads; None is one per processor
    device
        where the batches are put
    normalised
        hand over what the network takes, in place of bytes
    rank, world
        this process and how many there are; each gets its part
    on_bad
        stop (the default) at a picture that cannot be read, or skip it: then the batch is smaller, and its name is in
        `skipped`; shards have a policy of their own

    Iterating, `state()` and `resume` are for one thread; the work is done in others.
    """

    def __init__(
        self,
        data: Dataset | Shards,
        preprocess: Preprocess,
        *,
        batch_size: int = 32,
        distortion: Distortion | str | None = None,
        balanced: bool = False,
        seed: int = 0,
        cache: Cache | None = None,
        workers: int | None = None,
        device: str | torch.device = "cpu",
        normalised: bool = False,
        rank: int = 0,
        world: int = 1,
        on_bad: OnBad | None = None,
    ):
        for what, value in (("pictures in a batch", batch_size), ("threads", workers)):
            if value is not None and (not isinstance(value, int) or not 1 <= value <= MOST):
                raise DataError(f"the number of {what} is a whole one from 1 to {MOST:,}, but is {value!r}")
        if not isinstance(preprocess, Preprocess) or not isinstance(data, Dataset | Shards):
            raise DataError(
                "batches are made of Dataset.open(…)['train'] or open_shards(…) with a Preprocess, "
                f"but here of {type(data).__name__} with {type(preprocess).__name__}"
            )
        if distortion is not None:
            distortion = read_distortion(distortion)
        self.preprocess, self.distortion, self.seed, self.world = preprocess, distortion, seed, world
        self.batch_size = batch_size
        self.workers = workers or processors()
        self.device, self.normalised = known_device(device), normalised
        if isinstance(data, Shards):
            refuse_for_shards(balanced=balanced, cache=cache, on_bad=on_bad)
            self.on_bad = data.on_bad
            self.feed = ShardFeed(data, preprocess, distortion, seed=seed, rank=rank, world=world)
        else:
            self.on_bad = one_of("policy for what cannot be read", on_bad or "stop", OnBad)
            where: Cache = one_of("cache", "disk" if cache is None else cache, Cache)
            if not len(data):
                raise DataError(f"batches are made of pictures, but this part of {printable(data.where)} has none")
            if len(splits := sorted(set(data.splits.tolist()))) > 1:
                raise DataError(
                    f"batches are of one split, but this has {' and '.join(splits)}; data['{splits[0]}'] is one"
                )
            data = replace(data, gray=preprocess.channels == "L")
            order = Order(data, seed, distortion is not None, balanced, rank, world)
            if distortion is None:
                prepared = FinalPictures(data, preprocess, where)
            else:
                prepared = WholePictures(data, preprocess, distortion, where, self.on_bad)
            self.feed = WholeFeed(prepared, order, self.on_bad)
        spread = None
        if distortion and distortion.pca:
            spread = self.feed.colour_spread() if self.feed.channels == 3 else np.zeros((3, 3))
        self.filling = Filling(preprocess, distortion, seed, spread, self.on_bad)
        self.skipped: dict[str, Problem] = {}
        self.rooms = Rooms(AHEAD + 3, self.device)
        self.epoch = self.number = 0
        self._made_of = ingredients(
            data,
            {
                "preprocess": preprocess.to_dict(),
                "distortion": str(distortion),
                "batch size": batch_size,
                "balanced": balanced,
                "seed": seed,
                "rank": rank,
                "world": world,
            },
        )

    def __len__(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(len(self.feed), self.batch_size)
        return max(1, full + (2 * rest >= self.batch_size)) if self.distortion else full + (rest > 0)

    def __iter__(self) -> Iterator[Batch]:
        """What is left of the epoch; then the next epoch can be gone through."""
        items = self.feed.items(self.epoch, self.number * self.batch_size)
        groups = enumerate(self._groups(items), self.number)
        with ThreadPoolExecutor(self.workers, "striate", settle, (self.device.type == "cpu",)) as pool:
            try:
                waiting = deque(self._begin(pool, *group) for group in islice(groups, AHEAD))
                while waiting:
                    waiting.extend(self._begin(pool, *group) for group in islice(groups, 1))
                    batch = self._finish(waiting.popleft())
                    self.number = batch.number + 1
                    if len(batch):
                        yield batch
            finally:
                pool.shutdown(cancel_futures=True)
        self.feed.end()
        if isinstance(self.feed, ShardFeed):
            self.skipped.update({problem.name: problem for problem in self.feed.shards.problems})
        self.epoch, self.number = self.epoch + 1, 0

    @property
    def notes(self) -> dict[str, int]:
        """What reading the pictures told, such as that only a first frame is shown, and how often."""
        return dict(self.feed.notes)

    @property
    def kept(self) -> str:
        """How much decoded pictures take when all are there, and of what; "" where they are not kept."""
        store = self.feed.prepared.store if isinstance(self.feed, WholeFeed) else None
        return f"{memory(store.bytes)} {'on the disk' if store.folder else 'in memory'}" if store else ""

    def __repr__(self) -> str:
        pictures = f"{len(self.feed):,} pictures" if isinstance(self.feed, WholeFeed) else "a stream of shards"
        return f"<Batches of {self.batch_size} from {pictures}, epoch {self.epoch}, batch {self.number}>"

    def state(self) -> dict[str, Any]:
        """Where iterating stands, for `resume`, here or in another process: plain values."""
        return {"epoch": self.epoch, "number": self.number, "made_of": self._made_of}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on after the last batch that was handed out before `state()`."""
        self.epoch, self.number = position(state, self._made_of)

    def _groups(self, items: Iterator[Item]) -> Iterator[list[Item]]:
        """The items of each batch."""

        def small(group: list[Item]) -> bool:
            return self.distortion is not None and 2 * len(group) < self.batch_size

        group = list(islice(items, self.batch_size))
        if small(group) and self.number:
            return  # they were in the batch before
        while group:
            following = list(islice(items, self.batch_size))
            if small(following):
                group, following = group + following, []
            yield group
            group = following

    def _begin(self, pool: ThreadPoolExecutor, number: int, items: list[Item]) -> "_Making":
        """Hand the pictures of a batch to the threads, a few at a time."""
        here = self.normalised and self.device.type == "cpu"
        shape = len(items), *self.preprocess.size, self.feed.channels
        kind, fill = (np.float32, self.filling.normalised) if here else (np.uint8, self.filling)
        pixels = self.rooms.take(shape, np.dtype(kind))
        slots = pixels.numpy()
        piece = min(PIECE, -(-len(items) // self.workers))
        pieces = [
            pool.submit(fill, items[first : first + piece], slots[first : first + piece], self.epoch)
            for first in range(0, len(items), piece)
        ]
        return _Making(number, items, pixels, pieces)

    def _finish(self, making: "_Making") -> Batch:
        """Wait for a batch, leave out what was skipped, and send it to the device."""
        wait(making.pieces)  # wakes this thread once, where asking each piece would take the lock from the workers
        problems = [problem for piece in making.pieces for problem in piece.result()]
        self.skipped.update({problem.name: problem for problem in problems if problem})
        pixels, items = making.pixels, making.items
        if all(problems) and self.world > 1:
            raise DataError(f"each process needs a picture in each batch, but all of one are bad: {problems[0].reason}")
        if any(problems):
            kept = [place for place, problem in enumerate(problems) if not problem]
            pixels, items = pixels[kept], [items[place] for place in kept]
        kind = np.float32 if self.feed.several else np.int64
        labels = torch.from_numpy(np.array([item.label for item in items], kind))
        pixels = pixels.permute(0, 3, 1, 2).to(self.device, non_blocking=True)
        return Batch(
            normalised(pixels, self.preprocess) if self.normalised and pixels.dtype == torch.uint8 else pixels,
            labels.to(self.device, non_blocking=True),
            np.array([item.row for item in items], np.int64),
            self.epoch,
            making.number,
        )


@dataclass(frozen=True)
class _Making:
    """A batch whose pictures the threads have in hand."""

    number: int
    items: list[Item]
    pixels: Tensor  # (n, height, width, channels) of uint8, or of float32 where the threads normalise
    pieces: list[Future]
