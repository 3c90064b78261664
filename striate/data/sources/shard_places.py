"""Where tar shards lie: on a disk or on a server, each named or all of them by a pattern with braces."""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

from striate.data.sources.classes import class_list, natural
from striate.data.sources.download import AGENT, TIMEOUT
from striate.errors import DataError
from striate.show.names import listed, printable

MOST = 10**6  # shards
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
BRACES = re.compile(r"\{([^{}]*)\}")


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
