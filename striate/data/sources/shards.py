"""Tar shards in WebDataset's format: pictures for which a disk is too small, read as a stream from disks or servers."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from os import PathLike
from pathlib import Path

import numpy as np

from striate.data.dataset import OnBad, Problem
from striate.data.randomness import Purpose, generator
from striate.data.sources.shard_places import base, classes_beside, connect, find_shards
from striate.data.sources.tar_stream import Sample, read_samples
from striate.errors import DataError
from striate.show.names import listed, printable


@dataclass(eq=False, repr=False)
class Shards:
    """Samples in tar files, each read from its beginning.

    Parameters
    ----------
    where
        what was opened
    places
        paths or addresses of the shards
    classes
        names of all classes, in order: a stream is read once, so they cannot be collected from it
    several
        whether a picture may have several labels, or none; otherwise each has one
    on_bad
        stop at what cannot be used, or skip it and list it in `problems`
    """

    where: str
    places: tuple[str, ...]
    classes: tuple[str, ...]
    several: bool = False
    on_bad: OnBad = "stop"
    _problems: dict[str, Problem] = field(default_factory=dict, init=False)

    @property
    def fingerprint(self) -> str:
        """The shards and the classes as a short sum; what the shards hold is known only after reading all of them."""
        return hashlib.sha256(
            "\0".join((*self.places, "", *self.classes)).encode("utf-8", "surrogateescape")
        ).hexdigest()[:32]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was left out so far, each once however many epochs there were."""
        return tuple(self._problems.values())

    def samples(
        self,
        seed: int,
        epoch: int,
        *,
        shuffle: bool,
        buffer: int = 1000,
        rank: int = 0,
        world: int = 1,
        start: int = 0,
    ) -> Iterator[Sample]:
        """The samples of an epoch, in an order that is a function of these arguments alone.

        Shards are dealt to the processes, so each process gets every sample of its shards once; processes whose
        shards hold more get more.

        Parameters
        ----------
        seed, epoch
            what a shuffled order depends on
        shuffle
            shards in another order in every epoch, and samples drawn from a buffer; otherwise all in their order
        buffer
            how many samples are held, one of which is drawn
        rank, world
            this process and how many there are
        start
            how many samples of that order were seen before: they are read again, but not handed out
        """
        if not 0 <= rank < world:
            raise DataError(f"a rank is 0 to {world - 1} in a world of {world}, but is {rank}")
        if world > len(self.places):
            raise DataError(f"each of {world} processes needs a shard, but {self.where} has {len(self.places)}")
        numbers = np.arange(len(self.places))
        if not shuffle:
            return islice(self._stream(numbers[rank::world].tolist()), start, None)
        if buffer < 1:
            raise DataError(f"a buffer holds at least one sample, but {buffer} was asked for")
        generator(seed, epoch, Purpose.SHARDS).shuffle(numbers)
        stream = self._stream(numbers[rank::world].tolist())
        # rank 0 must not use the numbers that ordered the shards, so ranks count from 1
        return islice(drawn(stream, buffer, generator(seed, epoch, Purpose.SHARDS, 1 + rank)), start, None)

    def _stream(self, numbers: Sequence[int]) -> Iterator[Sample]:
        for number in numbers:
            place = self.places[number]
            yield from read_samples(base(place), number, partial(connect, place), self.classes, self.several, self._bad)

    def _bad(self, name: str, reason: str) -> None:
        if self.on_bad == "stop":
            raise DataError(reason)
        self._problems[name] = Problem(name, reason)


def drawn(samples: Iterator[Sample], buffer: int, random: np.random.Generator) -> Iterator[Sample]:
    """Samples in another order: each takes the place of one that is drawn from a buffer."""
    held = list(islice(samples, buffer))
    for sample in samples:
        place = int(random.integers(len(held)))
        yield held[place]
        held[place] = sample
    random.shuffle(held)  # type: ignore[arg-type]  # any list will do
    yield from held


def open_shards(
    where: str | Path | Sequence[str | Path],
    *,
    classes: Sequence[str] | None = None,
    several: bool = False,
    on_bad: OnBad = "stop",
) -> Shards:
    """Find the shards and the names of their classes; nothing else is read.

    Parameters
    ----------
    where
        a tar file, a folder of them, paths or addresses with braces, train-{000..010}.tar, or a list of these
    classes
        names of all classes, in order; without it, they are read from classes.txt beside the shards, one per line
    several
        whether a picture may have several labels, or none; otherwise each has one
    on_bad
        stop at what cannot be used, naming it, or skip it and count it
    """
    given = list(where) if isinstance(where, Sequence) and not isinstance(where, str | bytes) else [where]
    wrong = [each for each in given if not isinstance(each, str | PathLike)]
    if wrong or not given:
        raise DataError(
            "shards are given as a path, an address, or a list of these, "
            f"but {f'{printable(repr(wrong[0]))} ({type(wrong[0]).__name__})' if wrong else 'an empty list'} was given"
        )
    found = [find_shards(str(each)) for each in given]
    places = [place for group in found for place in group]
    name = ", ".join(map(str, given))
    twice = [name for name, count in Counter(map(base, places)).items() if count > 1]
    if twice:
        raise DataError(f"each shard has a name of its own, but {listed(twice)} comes twice in {printable(name)}")
    known = _classes_of(found) if classes is None else classes
    return Shards(name, tuple(places), tuple(known), several, on_bad)


def _classes_of(found: Sequence[Sequence[str]]) -> list[str]:
    """The names beside the shards, which must be the same where shards of several folders are given."""
    first, *others = {group[0].rpartition("/")[0]: group[0] for group in found}.values()
    classes = classes_beside(first)
    for other in others:
        if classes_beside(other) != classes:
            raise DataError(
                f"all shards have the same classes in one order, but classes.txt beside {printable(first)} and the "
                f"one beside {printable(other)} differ; give classes"
            )
    return classes
