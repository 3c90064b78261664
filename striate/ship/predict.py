"""`striate predict`: what a trained network says of pictures."""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter

from striate.data.dataset import HALF
from striate.errors import PictureError, StriateError, one_of
from striate.files import check_output, write_whole
from striate.look.found import picture_files
from striate.pictures.decode import DAMAGED
from striate.ship.answering import Asked, Said, Source, answered, by_onnx, by_torch
from striate.ship.predictions import (
    STANDARD_INPUT,
    UNKNOWN,
    Kept,
    Prediction,
    Predictions,
    Told,
    check_probability,
    keep,
)
from striate.show.names import listed, printable
from striate.show.numbers import count, memory, percent
from striate.show.progress import say, track

Engine = Literal["onnx", "torch"]
LINES, ROWS = ".jsonl", ".csv"  # how files of answers end
MOST_BYTES = 2**30  # that are taken from standard input: more than any picture that can be read


def predict(
    whose: Annotated[Any, Parameter(accepts_keys=False)],
    *pictures: str | Path,
    top: int | None = None,
    unknown_below: float | None = None,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    engine: Engine = "onnx",
    workers: int | None = None,
) -> Predictions | Kept:
    """Say what pictures show: the classes of a run's network, or of a file that was exported.

    Parameters
    ----------
    whose
        a run's folder, or a file of striate export
    pictures
        files; folders, for the pictures inside, known by their endings; or patterns such as 'photos/*.jpg'; - is one
        picture from standard input
    top
        how many of the most probable classes are told; 1 if nothing is said, or, where a picture may have several,
        all that are sure enough
    unknown_below
        the probability, 0 to 1, below which no class is told: a picture without any is unknown. If nothing is said,
        the most probable class is told in any case, or, where a picture may have several, each from 0.5 on
    output
        a file that gets the answers, however many, and its name when all are there: .csv, or .jsonl with an object on
        each line
    engine
        onnx (ONNX Runtime) or torch (PyTorch, for runs), which say the same
    workers
        threads that read pictures and answer; one per processor if absent
    """
    one_of("--engine", engine, Engine)
    sources = _sources(pictures)
    output = output and Path(output)
    check_output(output, (ROWS, LINES))
    if workers is not None and workers < 1:
        raise StriateError(f"pictures are read by at least 1 thread, but --workers is {workers}")
    check_probability(unknown_below)
    asked = by_onnx(whose) if engine == "onnx" else by_torch(whose)
    many = len(asked.classes)
    if top is not None and not 1 <= top <= many:
        raise StriateError(f"of {count(many, 'class')}, the top 1 to {many} can be told, but --top is {top}")
    said = track(answered(asked, sources, workers), f"answering {count(len(sources))}", len(sources))
    tally = _Tally(len(sources), asked.several)
    each = tally.through(_predictions(asked, said, top, unknown_below))
    if output is None:
        return Predictions(list(each), asked.model, _notes(asked, unknown_below))
    for note in _notes(asked, unknown_below):
        say(note)
    try:
        write_whole(output, lambda file: keep(file, output.suffix.lower() == LINES, each, asked.model))
    except KeyboardInterrupt:
        say(f"interrupted, so {printable(output)} is not written")
        raise
    return Kept(output, asked.model, len(sources), len(tally.names), dict(tally.classes.most_common()))


def _sources(named: Sequence[str | Path]) -> list[Source]:
    """The pictures, each once."""
    sources: dict[str, Source] = {}
    for name in named or picture_files(named):  # which says what is missing
        if not isinstance(name, str | Path) or "://" in str(name):
            raise StriateError(
                f"pictures are paths of files and folders, one by one, but {printable(name, 100)} is given; "
                "nothing is fetched, and striate.open_shipped answers arrays"
            )
        if str(name) in ("-", "/dev/stdin"):
            if "" not in sources:  # as no file is called
                sources[""] = Source(STANDARD_INPUT, _standard_input())
        else:
            sources |= {str(file): Source(str(file), file) for file in picture_files([name], heic=True)}
    return list(sources.values())


def _standard_input() -> bytes:
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise PictureError(f"a picture in standard input has at most {memory(MOST_BYTES)}, but there is more")
    first = os.fsdecode(content[:4096].partition(b"\n")[0])
    if os.path.isfile(first):  # noqa: PTH113 (any bytes at all may stand there)
        raise StriateError(
            f"- is a picture in standard input, but there is a list of names, which begins with {printable(first)}; "
            "| xargs -d '\\n' striate predict FILE hands over its pictures"
        )
    return content


def _predictions(asked: Asked, said: Iterable[Said], top: int | None, least: float | None) -> Iterator[Prediction]:
    """What is told of each picture."""
    most = top or (len(asked.classes) if asked.several else 1)
    sure = least if least is not None else HALF if asked.several else 0.0
    for source, probabilities, error, notes in said:
        if probabilities is None:
            yield Prediction(source.name, error=error)
            continue
        places = np.argsort(-probabilities, kind="stable")[:most]
        told = [Told(asked.classes[place], float(probabilities[place])) for place in places]
        if told[0].probability < sure:
            told, likeliest = [Told(UNKNOWN, told[0].probability)], told[0].name
        else:
            told, likeliest = [each for each in told if not asked.several or each.probability >= sure], None
        yield Prediction(source.name, tuple(told), likeliest, notes=notes)


def _notes(asked: Asked, least: float | None) -> list[str]:
    """What to know of answers."""
    notes = []
    if asked.several:
        notes.append(f"a class is told from {percent(HALF if least is None else least)} on")
    if (asked.several or least is not None) and UNKNOWN in asked.classes:
        notes.append(f"a class of the network is called {UNKNOWN}, too; in JSON, pictures of which none is told say so")
    return notes


class _Tally:
    """How often each class was told, and which pictures could not be read, or are damaged.

    Parameters
    ----------
    count
        how many pictures there are
    several
        whether a picture may have several classes; else only its likeliest counts
    """

    def __init__(self, count: int, several: bool):
        self.count, self.several = count, several
        self.classes: Counter[str] = Counter()
        self.names: list[str] = []
        self.damaged: list[str] = []

    def through(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """The same, counted; at the end it is told how many are no good, or refused where none could be read."""
        first = ""
        for one in predictions:
            self.classes.update(name for name, _ in (one.told if self.several else one.told[:1]))
            if one.error:
                self.names.append(one.picture)
                first = first or one.error
            if DAMAGED in one.notes:
                self.damaged.append(one.picture)
            yield one
        if len(self.names) == self.count:
            raise PictureError(first if self.count == 1 else f"none of {count(self.count)} can be read: {first}")
        if self.names:
            say(f"{len(self.names):,} of {count(self.count)} cannot be read: {listed(self.names)}")
        if self.damaged:
            are = "is" if len(self.damaged) == 1 else "are"
            say(f"{len(self.damaged):,} of {count(self.count)} {are} {DAMAGED}: {listed(self.damaged)}")
