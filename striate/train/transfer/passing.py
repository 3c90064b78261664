"""One pass of a front over pictures: threads decode and resize while the engine computes, and each row is kept."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from math import sqrt
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from striate.data.dataset import SKIPPING, OnBad, Problem
from striate.data.normalise import normalised
from striate.engine.fastest import Engine
from striate.errors import PictureError, StriateError
from striate.show.names import printable
from striate.show.progress import track
from striate.train.transfer.kept import Kept
from striate.train.transfer.views import Viewed

BATCH = 32  # views that the engine takes at a time
AHEAD = 3  # batches that are being made while one is computed
SAMPLED = 256  # pictures by which half precision is judged


class TooLargeForHalf(Exception):
    """Features that 16 bits cannot hold."""


class Ready(NamedTuple):
    """A batch for the engine.

    Parameters
    ----------
    places
        of its pictures
    views
        (pictures · views, channels, height, width), as the front takes them; None where no picture could be read
    problems
        of those that could not
    """

    places: list[int]
    views: Tensor | None
    problems: list[Problem]


@dataclass
class Pass:
    """Goes through the pictures whose features are missing.

    Parameters
    ----------
    front
        what computes them
    seen
        the views of each picture
    kept
        where they are kept
    shapes
        of what the front gives, by name; the first are the features themselves
    on_bad
        stop at a picture that cannot be read, or skip it
    make
        makes the engine, of the front and the first batch
    tell
        is told what the engine tells
    """

    front: nn.Module
    seen: Viewed
    kept: Kept
    shapes: dict[str, tuple[int, ...]]
    on_bad: OnBad
    make: Callable[[nn.Module, Tensor], Engine]
    tell: Callable[[str], None]

    def through(self, places: list[int], workers: int) -> tuple[dict[str, Problem], "Rounding"]:
        """Compute and keep the features of these pictures; those that cannot be read, and what rounding did."""
        each = max(1, BATCH // self.seen.views.count)
        groups = [places[first : first + each] for first in range(0, len(places), each)]
        skipped: dict[str, Problem] = {}
        rounding, engine = Rounding(), None
        for ready in track(self._ahead(groups, workers), "features", len(groups)):
            skipped |= {problem.name: problem for problem in ready.problems}
            if ready.views is None:
                continue
            if engine is None:
                engine = self.make(self.front, ready.views)
                for line in engine.told or [engine.name]:
                    self.tell(line)
            rows = self._rows(engine(ready.views), ready.places, rounding)
            for number, place in enumerate(ready.places):
                self.kept.put(place, rows[number : number + 1])
        return skipped, rounding

    def _ahead(self, groups: list[list[int]], workers: int) -> Iterator[Ready]:
        """What the threads made ready, in order."""
        left = iter(groups)
        with ThreadPoolExecutor(workers, "striate") as pool:
            try:
                waiting: deque[Future[Ready]] = deque(pool.submit(self._ready, group) for group in islice(left, AHEAD))
                while waiting:
                    ready = waiting.popleft().result()
                    waiting.extend(pool.submit(self._ready, group) for group in islice(left, 1))
                    yield ready
            finally:
                pool.shutdown(cancel_futures=True)

    def _ready(self, places: list[int]) -> Ready:
        """In a thread: read pictures, see each in all views."""
        good, pixels, problems = [], [], []
        for place in places:
            try:
                pixels.append(self.seen[place])
                good.append(place)
            except PictureError as problem:
                if self.on_bad == "stop":
                    raise PictureError(f"{problem}; {SKIPPING}") from problem
                problems.append(Problem(self._name(place), str(problem)))
        if not good:
            return Ready([], None, problems)
        views = torch.from_numpy(np.concatenate(pixels)).permute(0, 3, 1, 2)
        return Ready(good, normalised(views, self.seen.pictures.preprocess), problems)

    def _rows(self, outputs: tuple[np.ndarray, ...], places: list[int], rounding: "Rounding") -> np.ndarray:
        """What the engine gave, as rows to keep."""
        rows = np.zeros(len(places), self.kept.type)
        for number, ((name, shape), output) in enumerate(zip(self.shapes.items(), outputs, strict=True)):
            values = output.reshape(len(places), self.seen.views.count, *shape)
            with np.errstate(over="ignore"):
                rows[name] = values
            if not all(fine := _finite(values)):
                raise StriateError(
                    f"features are finite numbers, but those of {self._name(places[fine.index(False)])} after {name} "
                    "are not; these weights may be damaged, or another preprocess belongs to them"
                )
            if not all(fine := _finite(rows[name])):
                raise TooLargeForHalf(
                    f"half precision holds numbers up to 65,504, but a feature of "
                    f"{self._name(places[fine.index(False)])} after {name} is {np.abs(values).max():,.0f}"
                )
            if number == 0:
                rounding.add(values, rows[name])
        return rows

    def _name(self, place: int) -> str:
        return printable(self.seen.pictures.data.names[place])


class Rounding:
    """What rounding did to the features of the first pictures."""

    def __init__(self) -> None:
        self.pictures = self.count = 0
        self.total = self.squares = self.moved = self.largest = 0.0

    def add(self, before: np.ndarray, after: np.ndarray) -> None:
        """Count the features of some pictures."""
        if self.pictures >= SAMPLED:
            return
        before = before.astype(np.float64)
        off = after - before
        self.pictures, self.count = self.pictures + len(before), self.count + before.size
        self.total, self.squares = self.total + float(before.sum()), self.squares + float(np.square(before).sum())
        self.moved, self.largest = self.moved + float(np.square(off).sum()), max(self.largest, float(np.abs(off).max()))

    @property
    def shares(self) -> dict[str, float]:
        """How far a feature moved, typically and at most, as shares of the standard deviation of all."""
        spread = sqrt(max(0.0, self.squares / self.count - (self.total / self.count) ** 2)) or 1.0
        return {"typical": sqrt(self.moved / self.count) / spread, "largest": self.largest / spread}


def _finite(values: np.ndarray) -> list[bool]:
    """Whether all numbers of a picture are finite, for each."""
    return [bool(np.isfinite(each).all()) for each in values]
