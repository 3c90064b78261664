"""Batches: threads load and distort pictures while the network trains.

Decoding, resizing and warping release Python's lock, so threads run side by side and share one cache. Pixels travel as
bytes and become numbers on the device. The order is fixed beforehand and every random choice has an address, so neither
the number of threads nor the order in which they finish changes anything.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from sys import getrefcount
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.data.dataset import Dataset, OnBad, Problem
from striate.data.distort.distortion import Distortion
from striate.data.distort.distortion import distortion as read_distortion
from striate.data.distort.warp import warp
from striate.data.feeds import Item, ShardFeed, WholeFeed
from striate.data.order import Order
from striate.data.prepared import Cache, FinalPictures, WholePictures
from striate.data.sources.shards import Shards
from striate.errors import DataError, PictureError
from striate.preprocess import Preprocess

AHEAD = 3  # batches that are being made while one is used: enough to hide a slow picture, and memory stays bounded
PIECE = 32  # pictures that a thread takes at most at a time: each piece costs a wait for Python's lock


@dataclass(frozen=True)
class Batch:
    """Pictures for one step.

    Parameters
    ----------
    pixels
        (n, channels, height, width) of uint8 on the device, red, green, blue; laid out channels last
    labels
        (n,) places in the classes, or (n, classes) of 0.0 and 1.0
    addresses
        (n,) which pictures these are: their rows in the source
    epoch, number
        where in the training it comes, counted from 0
    """

    pixels: Tensor
    labels: Tensor
    addresses: np.ndarray
    epoch: int
    number: int

    def __len__(self) -> int:
        return len(self.addresses)


class Batches:
    """Batches of a data set, epoch after epoch: iterating goes on where it stopped, up to the end of the epoch.

    Parameters
    ----------
    data
        pictures with labels, of one split, or shards
    preprocess
        the network's input
    batch_size
        pictures in a batch; the last one of an epoch may have fewer
    distortion
        strengths, or their text such as "photo, rotate 20": shows each picture differently in each epoch, in a new
        order; without it they come in their own order, as `preprocess` makes them
    balanced
        draw pictures so that every class comes equally often
    seed
        of every random choice
    cache
        off: decode in every epoch; ram; disk
    workers
        threads; None is one per processor
    device
        where the batches are put
    rank, world
        this process and how many there are; each gets its part
    on_bad
        stop at a picture that cannot be read, or skip it: then the batch is smaller, and `skipped` has its name

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
        cache: Cache = "disk",
        workers: int | None = None,
        device: str | torch.device = "cpu",
        rank: int = 0,
        world: int = 1,
        on_bad: OnBad = "stop",
    ):
        if batch_size < 1 or (workers is not None and workers < 1):
            raise DataError(f"a batch holds 1 picture or more, made by 1 thread or more, but {batch_size=}, {workers=}")
        if isinstance(data, Shards) and (balanced or cache != "off"):
            raise DataError(
                "a stream of shards is read once from its beginning, so its classes cannot be balanced and its "
                f"pictures cannot be kept: balanced is False and cache is off, but {balanced=}, {cache=}"
            )
        if isinstance(data, Dataset) and not len(data):
            raise DataError(f"batches are made of pictures, but this part of {data.where} has none")
        if isinstance(distortion, str):
            distortion = read_distortion(distortion)
        training = distortion is not None
        if isinstance(data, Shards):
            self.feed = ShardFeed(data, preprocess, distortion, seed=seed, rank=rank, world=world)
        else:
            data = replace(data, gray=preprocess.channels == "L")
            if training:
                prepared = WholePictures(data, preprocess, distortion, cache, on_bad)
            else:
                prepared = FinalPictures(data, preprocess, cache)
            self.feed = WholeFeed(prepared, Order(data, seed, training, balanced, rank, world))
        self._spread = self.feed.colour_spread() if distortion and distortion.pca else None
        self.size = preprocess.size
        self.distortion = distortion
        self.seed = seed
        self.batch_size = batch_size
        self.workers = workers or os.cpu_count() or 1
        self.device = torch.device(device)
        self.on_bad = on_bad
        self.skipped: dict[str, Problem] = {}
        self._arrays: list[np.ndarray] = []  # of earlier batches: fresh memory costs as much as a third of the work
        self.epoch = self.number = 0
        self._made_of = {
            "data": data.fingerprint,
            "preprocess": preprocess.to_dict(),
            "distortion": str(distortion),
            "batch size": batch_size,
            "balanced": balanced,
            "seed": seed,
            "rank": rank,
            "world": world,
        }

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.feed) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """What is left of the epoch; then the next epoch can be gone through."""
        items = self.feed.items(self.epoch, self.number * self.batch_size)
        groups = enumerate(iter(lambda: list(islice(items, self.batch_size)), []), self.number)
        with ThreadPoolExecutor(self.workers, "striate") as pool:
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
        self.epoch, self.number = self.epoch + 1, 0

    def state(self) -> dict[str, Any]:
        """Where iterating stands, for `resume`, here or in another process: plain values."""
        return {"epoch": self.epoch, "number": self.number, "made_of": self._made_of}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on after the last batch that was handed out before `state()`."""
        changed = [what for what, value in self._made_of.items() if state["made_of"][what] != value]
        if changed:
            before, now = ({what: made[what] for what in changed} for made in (state["made_of"], self._made_of))
            raise DataError(f"batches go on with what they began with, but it was {before} and is {now}")
        self.epoch, self.number = state["epoch"], state["number"]

    def _begin(self, pool: ThreadPoolExecutor, number: int, items: list[Item]) -> "_Making":
        """Hand the pictures of a batch to the threads, a few at a time."""
        pixels = self._room(len(items), *self.size, self.feed.channels)
        slots = pixels.numpy()
        piece = min(PIECE, -(-len(items) // self.workers))
        pieces = [
            pool.submit(self._fill, items[first : first + piece], slots[first : first + piece], self.epoch)
            for first in range(0, len(items), piece)
        ]
        return _Making(number, items, pixels, pieces)

    def _room(self, *shape: int) -> Tensor:
        """A tensor of uint8 for a batch: on a processor that of an earlier one which nobody holds any more, if any."""
        if self.device.type == "cuda":  # memory from which a GPU copies while the processor goes on
            return torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        for array in self._arrays:
            # held by the list, by this loop and by the call that counts: tensors would hold it, too
            if array.shape == shape and getrefcount(array) == 3:
                return torch.from_numpy(array)
        self._arrays = [array for array in self._arrays if array.shape == shape][-AHEAD:]
        self._arrays.append(np.empty(shape, np.uint8))
        return torch.from_numpy(self._arrays[-1])

    def _fill(self, items: list[Item], slots: np.ndarray, epoch: int) -> list[Problem | None]:
        """In a thread: load and distort pictures into their slots; a problem for each that cannot be read."""
        problems: list[Problem | None] = [None] * len(items)
        for place, (item, slot) in enumerate(zip(items, slots, strict=True)):
            try:
                pixels = item.read()
            except PictureError as problem:
                if self.on_bad == "stop":
                    raise
                problems[place] = Problem(item.name, str(problem))
                continue
            if self.distortion is None:
                slot[:] = pixels
            else:
                address = self.seed, epoch, item.address
                warp(pixels, self.distortion.draw(pixels.shape[:2], self.size, *address, self._spread), slot)
        return problems

    def _finish(self, making: "_Making") -> Batch:
        """Wait for a batch, leave out what was skipped, and send it to the device."""
        wait(making.pieces)  # wakes this thread once, where asking each piece would take the lock from the workers
        problems = [problem for piece in making.pieces for problem in piece.result()]
        self.skipped.update({problem.name: problem for problem in problems if problem})
        pixels, items = making.pixels, making.items
        if any(problems):
            kept = [place for place, problem in enumerate(problems) if not problem]
            pixels, items = pixels[kept], [items[place] for place in kept]
        kind = np.float32 if self.feed.several else np.int64
        labels = torch.from_numpy(np.array([item.label for item in items], kind))
        return Batch(
            pixels.permute(0, 3, 1, 2).to(self.device, non_blocking=True),
            labels.to(self.device, non_blocking=True),
            np.array([item.address for item in items], np.int64),
            self.epoch,
            making.number,
        )


@dataclass(frozen=True)
class _Making:
    """A batch whose pictures the threads have in hand."""

    number: int
    items: list[Item]
    pixels: Tensor  # (n, height, width, channels)
    pieces: list[Future]


def normalised(pixels: Tensor, preprocess: Preprocess, out: Tensor | None = None) -> Tensor:
    """Bytes as the network's input, float32, on the device where they are.

    Parameters
    ----------
    pixels
        (n, channels, height, width) of uint8
    preprocess
        mean, std, scale and the order of the channels
    out
        a tensor to fill, of an earlier batch: on a processor, fresh memory costs ten times as much as the sums
    """
    if preprocess.channels == "BGR":
        pixels = pixels.flip(1)
    if out is None or out.shape != pixels.shape:
        out = torch.empty_like(pixels, dtype=torch.float32, memory_format=torch.channels_last)
    factor, shift = _factors(preprocess, pixels.shape[1:], pixels.device)
    if pixels.device.type != "cpu":
        return out.copy_(pixels).mul_(factor).add_(shift)
    # Picture by picture each stays in the processor's cache; and PyTorch's own threads would take the loaders' cores
    for picture, numbers in zip(*(tensor.permute(0, 2, 3, 1).numpy() for tensor in (pixels, out)), strict=True):
        numbers[...] = picture
        numbers *= factor.numpy()
        numbers += shift.numpy()
    return out


@lru_cache(maxsize=4)
def _factors(preprocess: Preprocess, shape: torch.Size, device: torch.device) -> tuple[Tensor, Tensor]:
    """What pixels are multiplied by and what is added: spread out as the pixels lie, which is faster."""
    channels, height, width = shape
    mean, std = (torch.tensor(values, device=device) for values in (preprocess.mean, preprocess.std))

    def spread(values: Tensor) -> Tensor:
        whole = values.expand(height, width, channels).contiguous()
        return whole if device.type == "cpu" else whole.permute(2, 0, 1)

    return spread(preprocess.scale / 255 / std), spread(-mean / std)
