"""Batches of features, for the loop that trains on batches of pictures."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from striate.data.batches import Batch
from striate.data.feeds import AGAIN
from striate.data.order import Order
from striate.data.position import ingredients, position
from striate.data.randomness import Purpose, uniforms
from striate.data.rooms import known_device
from striate.errors import StriateError
from striate.train.transfer.features import FEATURES, Features


class FeatureBatches:
    """Batches of features, epoch after epoch, in the order in which `Batches` would give the pictures.

    A batch's `pixels` are features in float32, ready for the rest of the network.

    Parameters
    ----------
    features
        of one split
    batch_size
        pictures in a batch; the last one of an epoch may have fewer, and in learning, fewer than half join the batch
        before
    learning
        in another order in every epoch, each time one view of a picture, drawn; otherwise plain views in their order
    balanced
        draw pictures so that every class comes equally often
    seed
        of every random choice
    device
        where the batches are put
    rank, world
        this process and how many there are; each gets its part
    only
        places of the pictures to go through, where they are not all
    """

    def __init__(
        self,
        features: Features,
        *,
        batch_size: int = 32,
        learning: bool = True,
        balanced: bool = False,
        seed: int = 0,
        device: str | torch.device = "cpu",
        rank: int = 0,
        world: int = 1,
        only: np.ndarray | None = None,
    ):
        if type(batch_size) is not int or batch_size < 1:
            raise StriateError(f"the number of pictures in a batch is a whole one from 1 on, but is {batch_size!r}")
        self.features, self.batch_size, self.learning, self.seed = features, batch_size, learning, seed
        self.only = np.arange(len(features)) if only is None else only
        self.data = features.data if only is None else features.data.part(only)
        self.order = Order(self.data, seed, learning, balanced, rank, world)
        self.device = known_device(device)
        self.skipped, self.notes, self.kept = features.skipped, dict[str, int](), ""  # as `Batches` has them
        self.epoch = self.number = 0
        settings = {
            "features": features.key,
            "batch size": batch_size,
            "learning": learning,
            "balanced": balanced,
            "seed": seed,
            "rank": rank,
            "world": world,
        }
        self._made_of = ingredients(self.data, settings)

    def __len__(self) -> int:
        """Batches in an epoch."""
        full, left = divmod(len(self.order), self.batch_size)
        return max(1, full + (2 * left >= self.batch_size)) if self.learning else full + (left > 0)

    def __iter__(self) -> Iterator[Batch]:
        """What is left of the epoch; then the next epoch can be gone through."""
        places, before = self.order.places(self.epoch)
        rows, epoch, last = self.data.rows, self.epoch, len(self)
        views = np.zeros(len(places), int)
        if self.learning and self.features.views > 1:
            addresses = (rows[places] | before << AGAIN).tolist()
            drawn = [uniforms(self.seed, epoch, address, Purpose.VIEW, 1)[0] for address in addresses]
            views = (np.array(drawn) * self.features.views).astype(int)
        whole, labels = self.features.arrays[FEATURES], self.data.labels
        for number in range(self.number, last):
            part = slice(number * self.batch_size, None if number + 1 == last else (number + 1) * self.batch_size)
            chosen = places[part]
            features = torch.from_numpy(whole[self.only[chosen], views[part]].astype(np.float32))
            asked = torch.from_numpy(labels[chosen].astype(np.float32 if self.data.several else np.int64))
            self.number = number + 1
            yield Batch(features.to(self.device), asked.to(self.device), rows[chosen], epoch, number)
        self.epoch, self.number = epoch + 1, 0

    def __repr__(self) -> str:
        pictures = f"{len(self.order):,} pictures' features"
        return f"<FeatureBatches of {self.batch_size} from {pictures}, epoch {self.epoch}, batch {self.number}>"

    def state(self) -> dict[str, Any]:
        """Where iterating stands, for `resume`, here or in another process: plain values."""
        return {"epoch": self.epoch, "number": self.number, "made_of": self._made_of}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on after the last batch that was handed out before `state()`."""
        self.epoch, self.number = position(state, self._made_of)
