"""The two sides of a certificate, each a process of its own: a file by ONNX Runtime alone, a trained network.

They are asked by turns over pipes. Both are given what a picture's file holds and nothing else, so neither sees what
the other made of it.
"""

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import striate
from striate.errors import StriateError

KINDS = {"file": "striate.ship.proof.by_file:ByFile", "network": "striate.ship.proof.by_network:ByNetwork"}
TURNS, SECONDS = 6, 2.0  # that are timed in a row, unless they take long
CODE = "from striate.ship.proof.sides import answer; answer()"


class Picture(NamedTuple):
    """A picture as both sides get it.

    Parameters
    ----------
    name
        how messages call it
    content
        its file's bytes; or pixels (height, width, channels) of uint8, where the data has no files
    """

    name: str
    content: bytes | np.ndarray


class Side:
    """One side; it ends with the `with`.

    Parameters
    ----------
    kind
        file: the bytes of an exported file are asked; network: the network of a run
    subject
        these bytes, or the run's folder
    """

    def __init__(self, kind: Literal["file", "network"], subject: bytes | Path):
        source = Path(striate.__file__).parent.parent
        paths = os.pathsep.join([str(source), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.kind = kind
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )
        self._send((kind, subject))

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            try:
                pipe.close()
            except BrokenPipeError:  # what it was not yet told
                continue

    def ask(self, what: str, *about: Any) -> Any:
        """Call a method of the other process.

        Parameters
        ----------
        what
            its name
        about
            its arguments
        """
        self._send((what, about))
        assert self.process.stdout
        try:
            fine, reply = pickle.load(self.process.stdout)
        except (EOFError, pickle.UnpicklingError):
            raise StriateError(self._ended()) from None
        if not fine:
            raise reply
        return reply

    def _send(self, what: Any) -> None:
        assert self.process.stdin
        try:
            pickle.dump(what, self.process.stdin)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise StriateError(self._ended()) from None

    def _ended(self) -> str:
        code = self.process.wait()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"the process that asks the {self.kind} {how}; if memory ran out, fewer programs beside it would help"


def answer() -> None:
    """Be a side: build what the first message says, and call its methods until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks ends this process, too
    threadpool_limits(limits=1, user_api="blas")  # as where pictures are answered in earnest
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no reply
    module = name = kind = ""
    side = subject = None
    while True:
        try:
            if not kind:
                kind, subject = pickle.load(sys.stdin.buffer)
                module, _, name = KINDS[kind].partition(":")
            what, about = pickle.load(sys.stdin.buffer)
        except (EOFError, pickle.UnpicklingError):  # who asks is gone, perhaps in the middle of a question
            return
        try:
            side = side or getattr(import_module(module), name)(subject)
            reply = True, getattr(side, what)(*about)
        except StriateError as mistake:
            reply = False, StriateError(str(mistake))
        except Exception:  # a fault of ours: it is told where it can be seen
            reply = False, RuntimeError(f"on the side of the {kind}:\n{traceback.format_exc()}")
        try:
            pickle.dump(reply, replies)
            replies.flush()
        except BrokenPipeError:
            os._exit(1)  # nobody reads any more: a usual end would try, and complain, once again


def timed(
    decoded: Callable[[], list[np.ndarray]], answered: Callable[[list[np.ndarray]], None]
) -> list[tuple[float, float]]:
    """Seconds that both steps take, some times in a row; before, they run once to warm up.

    Parameters
    ----------
    decoded
        gives upright pixels
    answered
        goes on with them
    """
    found = []
    began = perf_counter()
    for _ in range(1 + TURNS):
        start = perf_counter()
        pixels = decoded()
        middle = perf_counter()
        answered(pixels)
        found.append((middle - start, perf_counter() - middle))
        if found[1:] and perf_counter() - began > SECONDS:
            break
    return found[1:]
