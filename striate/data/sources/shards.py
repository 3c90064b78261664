"""Tar shards in WebDataset's format: pictures for which a disk is too small, read as a stream from disks or servers."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

import numpy as np

from striate.data.dataset import OnBad, Problem
from striate.data.randomness import Purpose, generator
from striate.data.sources.classes import class_list, natural
from striate.data.sources.download import AGENT, TIMEOUT
from striate.data.sources.tar_stream import Sample, read_samples
from striate.errors import DataError
from striate.show.names import listed, printable

MOST = 10**6  # shards
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
BRACES = re.compile(r"\{([^{}]*)\}")


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

    def __init__(
        self,
        where: str,
        places: Sequence[str],
        classes: Sequence[str],
        several: bool = False,
        on_bad: OnBad = "stop",
    ):
        self.where = where
        self.places = tuple(places)
        self.classes = tuple(classes)
        self.several = several
        self.on_bad = on_bad
        self._problems: dict[str, Problem] = {}

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
    where: str | Path,
    *,
    classes: Sequence[str] | None = None,
    several: bool = False,
    on_bad: OnBad = "stop",
) -> Shards:
    """Find the shards and the names of their classes; nothing else is read.

    Parameters
    ----------
    where
        a tar file, a folder of them, or paths or addresses with braces: train-{000..010}.tar
    classes
        names of all classes, in order; without it, they are read from classes.txt beside the shards, one per line
    several
        whether a picture may have several labels, or none; otherwise each has one
    on_bad
        stop at what cannot be used, naming it, or skip it and count it
    """
    places = find_shards(str(where))
    twice = [name for name, count in Counter(map(base, places)).items() if count > 1]
    if twice:
        raise DataError(f"each shard has a name of its own, but {listed(twice)} comes twice in {printable(where)}")
    return Shards(str(where), places, classes_beside(places[0]) if classes is None else classes, several, on_bad)


def find_shards(where: str) -> list[str]:
    """Paths or addresses of all shards, in order."""
    if not is_remote(where) and "://" in where:
        raise DataError(f"shards are files, or addresses that begin with http:// or https://, but this is {where}")
    if not is_remote(where) and Path(where).is_dir():
        tars = [path for path in Path(where).iterdir() if path.name.lower().endswith(TARS)]
        if not tars:
            raise DataError(
                f"a folder of shards has files that end in {', '.join(TARS)}, but {printable(where)} has none"
            )
        return [str(path) for path in sorted(tars, key=lambda path: natural(path.name))]
    places = expanded(where)
    missing = [] if is_remote(where) else [place for place in places if not Path(place).is_file()]
    if missing:
        raise DataError(f"shards must be files, but {len(missing)} of {len(places)} are not: {listed(missing)}")
    return places


def expanded(pattern: str) -> list[str]:
    """Every text that a pattern with braces stands for.

    Parameters
    ----------
    pattern
        {08..10} counts, with zeros as in its first number; {cat,dog} lists

    >>> expanded("{cat,dog}-{08..10}.tar")
    ['cat-08.tar', 'cat-09.tar', 'cat-10.tar', 'dog-08.tar', 'dog-09.tar', 'dog-10.tar']
    """
    braces = BRACES.search(pattern)
    if not braces:
        return [pattern]
    inside = braces[1]
    first, dots, last = inside.partition("..")
    if "," in inside:
        values: Sequence[str] = inside.split(",")
    elif dots and first.isdecimal() and last.isdecimal() and int(first) <= int(last) < int(first) + MOST:
        values = [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    else:
        raise DataError(
            f"braces hold numbers such as {{000..010}}, at most {MOST:,}, or words such as {{a,b}}, but in "
            f"{printable(pattern)} they hold {printable(inside) or 'nothing'}"
        )
    rest = expanded(pattern[braces.end() :])
    if len(values) * len(rest) > MOST:
        raise DataError(
            f"there may be {MOST:,} shards, but {printable(pattern)} stands for {len(values) * len(rest):,}"
        )
    return [f"{pattern[: braces.start()]}{value}{after}" for value in values for after in rest]


def classes_beside(place: str) -> list[str]:
    """The names in classes.txt beside a shard."""
    if is_remote(place):
        parts = urlsplit(place)
        beside = urlunsplit(parts._replace(path=f"{parts.path.rpartition('/')[0]}/classes.txt"))
    else:
        beside = str(Path(place).with_name("classes.txt"))
    try:
        with connect(beside) as file:
            return class_list(file.read(), beside)
    except OSError as error:
        raise DataError(
            "shards are read as a stream, so the names of their classes must be known before: one per line in "
            f"classes.txt beside them, or in a file of classes, but {printable(beside)} cannot be read: {error}"
        ) from error


def connect(place: str) -> AbstractContextManager[IO[bytes]]:
    """A shard's bytes from the first on, from a disk or a server."""
    if is_remote(place):
        try:
            return urlopen(Request(place, headers=AGENT), timeout=TIMEOUT)
        except HTTPError as error:
            error.close()
            raise
    return Path(place).open("rb")


def is_remote(place: str) -> bool:
    """Whether it is an address."""
    return place.startswith(("http://", "https://"))


def base(place: str) -> str:
    """A shard's name: the last part of its path or address."""
    return (urlsplit(place).path if is_remote(place) else place).rpartition("/")[2]
