"""What the threads of batches do: load pictures, distort and normalise them, each in the place where it is wanted."""

import os
import sys
import threading
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

from striate.data.dataset import SKIPPING, OnBad, Problem
from striate.data.distort.distortion import Distortion
from striate.data.distort.warp import warp
from striate.data.feeds import Item
from striate.data.normalise import normalise_into
from striate.data.prepared import shaped
from striate.errors import PictureError
from striate.preprocess import Preprocess

CLOSE = 2**19  # bytes normalised at a time: they stay in the cache of a core, and each call costs a wait for the lock


@dataclass(frozen=True, eq=False)
class Filling:
    """How pictures get into their slots.

    Parameters
    ----------
    preprocess
        the network's input
    distortion
        None shows them as they are
    seed
        of every random choice
    spread
        (3, 3): how the colours of the pictures vary, where that is asked for
    on_bad
        stop at a picture that cannot be read, or skip it
    """

    preprocess: Preprocess
    distortion: Distortion | None
    seed: int
    spread: np.ndarray | None
    on_bad: OnBad

    def __call__(self, items: list[Item], slots: np.ndarray, epoch: int) -> list[Problem | None]:
        """Load and distort pictures into their slots; a problem for each that cannot be read.

        Parameters
        ----------
        items
            the pictures
        slots
            (n, height, width, channels) of uint8
        epoch
            in which they are shown
        """
        problems: list[Problem | None] = [None] * len(items)
        for place, (item, slot) in enumerate(zip(items, slots, strict=True)):
            try:
                pixels = item.read()
            except PictureError as problem:
                if self.on_bad == "stop":
                    raise PictureError(f"{problem}; {SKIPPING}") from problem
                problems[place] = Problem(item.name, str(problem))
                continue
            except Exception as error:
                error.add_note(f"while {item.name} was read")
                raise
            if self.distortion is None:
                slot[:] = pixels
            else:
                address = self.seed, epoch, item.address
                pixels = shaped(pixels, self.preprocess, self.distortion)
                warp(pixels, self.distortion.draw(pixels.shape[:2], slot.shape[:2], *address, self.spread), slot)
        return problems

    def normalised(self, items: list[Item], slots: np.ndarray, epoch: int) -> list[Problem | None]:
        """The same with slots of float32, a few at a time, whose bytes are still close by."""
        few, problems = max(1, CLOSE // slots[0].size), []
        views = np.empty((min(few, len(items)), *slots.shape[1:]), np.uint8)
        for first in range(0, len(items), few):
            part = slots[first : first + few]
            problems += self(items[first : first + few], views[: len(part)], epoch)
            normalise_into(part, views[: len(part)], self.preprocess)
        return problems


def settle(behind: bool) -> None:
    """In a thread: compute in it alone, and behind those that train where they need the same cores.

    PyTorch's threads wait for each other in every layer, so one that has to share its core holds up the others.

    Parameters
    ----------
    behind
        whether they do
    """
    torch.get_num_threads()  # a thread's first question brings PyTorch's own answer, which would take the place of ours
    _libraries().limit(limits=1, user_api="openmp")
    if behind and sys.platform == "linux":  # elsewhere a priority belongs to a whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


@cache
def _libraries() -> ThreadpoolController:
    """Those that start threads of their own; looking for them takes 4 ms."""
    return ThreadpoolController()
