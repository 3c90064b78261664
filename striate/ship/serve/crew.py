"""Who answers: threads that take the pictures that wait, in batches.

Threads that answer a picture each are faster than threads that share one, and on processors a batch is no faster than
its pictures one by one; but a picture that is alone is answered sooner when the processors share it. Where batches pay,
a batch is what has piled up while all were busy, and waits to be filled if that is asked for.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from striate.ship.serve.served import Served


class Answer(NamedTuple):
    """What a model says of a picture.

    Parameters
    ----------
    probabilities
        (classes,) of float32
    map
        (rows, columns) of float32, or None
    """

    probabilities: np.ndarray
    map: np.ndarray | None


@dataclass(eq=False, slots=True)
class Waiting:
    """A picture whose turn will come.

    Parameters
    ----------
    fitted
        (channels, rows, columns) of uint8
    answer
        what its request waits for
    since
        when it came
    """

    fitted: np.ndarray
    answer: "asyncio.Future[Answer]"
    since: float


class Crew:
    """The threads of a server, for all of its models.

    Parameters
    ----------
    models
        by name
    threads
        that answer, at once
    batch
        pictures that are answered together, at most
    wait
        seconds that a picture waits for others to join it
    underway
        how many pictures wait, here or to be read, or are being answered
    watch
        is told the model and the length of each batch
    """

    def __init__(
        self,
        models: Sequence[Served],
        threads: int,
        batch: int,
        wait: float,
        underway: Callable[[], int],
        watch: Callable[[Served, int], None],
    ):
        self.models, self.threads, self.batch, self.wait = models, threads, batch, wait
        self.underway, self.watch = underway, watch
        self.pool = ThreadPoolExecutor(threads, "answering", step_back)
        self.busy = 0
        self.shared = False  # whether all processors work on one picture
        self.timer: asyncio.TimerHandle | None = None

    def warm_up(self) -> None:
        """Load what is loaded at the first call, in a thread of the pool: the engine's threads inherit its priority."""
        for model in self.models:
            self.pool.submit(model.warm_up).result()

    async def answers(self, model: Served, fitted: Sequence[np.ndarray]) -> list[Answer]:
        """Answers to fitted pictures, in their order; a caller that is cancelled takes its pictures with it."""
        loop = asyncio.get_running_loop()
        waiting = [Waiting(picture, loop.create_future(), loop.time()) for picture in fitted]
        model.waiting.extend(waiting)
        self._begin()
        try:
            return list(await asyncio.gather(*(each.answer for each in waiting)))
        finally:
            for each in waiting:
                each.answer.cancel()
                if each in model.waiting:
                    model.waiting.remove(each)

    def _begin(self) -> None:
        """Give work to threads that have none."""
        loop = asyncio.get_running_loop()
        while self.busy < self.threads and not self.shared:
            asked = sorted((one for one in self.models if one.waiting), key=lambda one: one.waiting[0].since)
            if not asked:
                return
            due = loop.time() - self.wait
            model = next((one for one in asked if len(one.waiting) >= self.batch or one.waiting[0].since <= due), None)
            if model is None:
                if self.timer is None:
                    self.timer = loop.call_at(asked[0].waiting[0].since + self.wait, self._due)
                return
            only = self.underway() == 1
            # the others come for theirs soon; unless it was waited for so that the batch becomes long
            share = len(model.waiting) if self.wait else -(-len(model.waiting) // self.threads)
            batch = [model.waiting.popleft() for _ in range(min(self.batch, share))]
            self.busy += 1
            self.shared = only
            self.watch(model, len(batch))
            work = loop.run_in_executor(self.pool, _answered, model, only, batch)
            work.add_done_callback(lambda done, batch=batch: self._done(done, batch))

    def _due(self) -> None:
        self.timer = None
        self._begin()

    def _done(self, done: "asyncio.Future[list[Answer]]", batch: list[Waiting]) -> None:
        self.busy -= 1
        self.shared = False
        error = done.exception()
        for place, each in enumerate(batch):
            if each.answer.done():  # its client has gone
                continue
            if error:
                each.answer.set_exception(error)
            else:
                each.answer.set_result(done.result()[place])
        self._begin()


def _answered(model: Served, alone: bool, batch: list[Waiting]) -> list[Answer]:
    shipped = model.alone if alone else model.beside
    probabilities, maps = shipped.answers(np.stack([each.fitted for each in batch]))
    return [Answer(row, None if maps is None else maps[place]) for place, row in enumerate(probabilities)]


def step_back() -> None:
    """Let the thread that talks to clients go first: it has little to do, and others wait for it."""
    if sys.platform == "linux":  # elsewhere a priority belongs to a whole process
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(5, os.getpriority(os.PRIO_PROCESS, thread)))
