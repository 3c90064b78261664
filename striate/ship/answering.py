"""Answering many pictures: threads read and answer a few each, side by side, and answers come in order."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from striate.errors import PictureError, StriateError
from striate.pictures.decode import Decoded, decode
from striate.processors import processors
from striate.ship.opening import is_file, shipped
from striate.ship.shipped import Shipped, numbers
from striate.show.names import printable

if TYPE_CHECKING:
    from striate.train.run import Run

AT_ONCE = 4  # pictures in a batch of a thread: with more, answers come no faster and take more memory
AHEAD = 2  # batches for each thread that are begun before they are asked for


class Source(NamedTuple):
    """A picture.

    Parameters
    ----------
    name
        its path, or "standard input"
    content
        its file, or the file's bytes
    """

    name: str
    content: Path | bytes


class Said(NamedTuple):
    """What is said of a picture.

    Parameters
    ----------
    source
        the picture
    probabilities
        (classes,) of float32; None where it cannot be read
    error
        why not
    notes
        what had to be done to read it
    """

    source: Source
    probabilities: np.ndarray | None
    error: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """A network that answers.

    Parameters
    ----------
    classes
        names, in the order of its probabilities
    several
        whether a picture may have several labels
    model
        what it is, so that answers can be traced
    read
        a picture's file or bytes, and its name -> what the network sees of it, as bytes, and what had to be done
    answers
        (n, …) of these -> (n, classes) probabilities; several threads may ask at once
    """

    classes: tuple[str, ...]
    several: bool
    model: dict[str, Any]
    read: Callable[[Path | bytes, str], Decoded]
    answers: Callable[[np.ndarray], np.ndarray]


def by_onnx(whose: "str | Path | Run | Shipped") -> Asked:
    """By ONNX Runtime, for files and runs.

    Parameters
    ----------
    whose
        a run, its folder, or an exported file
    """
    file = shipped(whose)
    about = file.about

    def read(content: Path | bytes, name: str) -> Decoded:
        whole = decode(content, name, background=about.preprocess.background)
        return Decoded(file.fit(whole.pixels), whole.notes)

    model = {"network": about.name, "engine": "onnx", "sha256": file.sum, "run": about.run, "numbers": about.numbers}
    return Asked(file.classes, about.several, model, read, lambda fitted: file.answers(fitted).probabilities)


def by_torch(whose: "str | Path | Run | Shipped") -> Asked:
    """By PyTorch, for runs: on a GPU if there is one.

    Parameters
    ----------
    whose
        a run, or its folder
    """
    if is_file(whose):
        name = printable(whose.path if isinstance(whose, Shipped) else whose)
        raise StriateError(f"PyTorch answers for a run; {name} is none, and answers by ONNX Runtime: --engine onnx")
    import torch

    from striate.train.keep.sealed import stated_sum
    from striate.train.machine import pick_device
    from striate.train.run import MODEL, Run, open_run

    run = whose if isinstance(whose, Run) else open_run(whose)  # type: ignore[arg-type]
    device, preprocess, several = pick_device(None), run.preprocess, run.config["data"]["several"]
    network, turn = run.net().to(device), Lock()

    def answers(pixels: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(np.ascontiguousarray(preprocess.normalised(pixels))).to(device)
        with turn, torch.inference_mode():  # each call has all processors
            logits = network(batch)
            probabilities = logits.sigmoid() if several else logits.softmax(1)
        return numbers(probabilities.cpu().numpy(), run.folder)

    model = {
        "network": run.config["network"]["name"],
        "engine": "torch",
        "sha256": None,
        "run": stated_sum(run.folder / MODEL),
        "numbers": "float32",
    }
    return Asked(run.classes, several, model, preprocess.read, answers)


def answered(asked: Asked, sources: Sequence[Source], workers: int | None) -> Iterator[Said]:
    """What a network says of pictures, in their order. Only a few pictures are in memory at any time.

    Meanwhile each of NumPy's products runs in one thread: those that resize large pictures are narrow, and threads of
    their own would wait for each other by turning in circles.

    Parameters
    ----------
    asked
        the network
    sources
        pictures
    workers
        threads; None is one per processor
    """
    workers = workers or processors()
    size = min(AT_ONCE, -(-len(sources) // workers))
    pieces = (sources[start : start + size] for start in range(0, len(sources), size))
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(workers, "striate answering") as pool:
        try:
            waiting: deque[Future[list[Said]]] = deque()
            waiting.extend(pool.submit(_piece, asked, piece) for piece in islice(pieces, AHEAD * workers))
            while waiting:
                said = waiting.popleft().result()
                waiting.extend(pool.submit(_piece, asked, piece) for piece in islice(pieces, 1))
                yield from said
        finally:
            pool.shutdown(cancel_futures=True)


def _piece(asked: Asked, sources: Sequence[Source]) -> list[Said]:
    """In a thread: read pictures one by one, and answer them together."""
    seen: list[Decoded | str] = []
    for source in sources:
        try:
            seen.append(asked.read(source.content, printable(source.name)))
        except PictureError as problem:
            seen.append(str(problem))
    pixels = [one.pixels for one in seen if isinstance(one, Decoded)]
    probabilities = iter(asked.answers(np.stack(pixels)) if pixels else ())
    return [
        Said(source, None, one) if isinstance(one, str) else Said(source, next(probabilities), None, one.notes)
        for source, one in zip(sources, seen, strict=True)
    ]
