"""The models of a server by name: files, or runs, of which a file is made first."""

import os
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.errors import StriateError
from striate.ship.opening import shipped
from striate.ship.shipped import Shipped
from striate.show.names import printable

if TYPE_CHECKING:
    from striate.ship.serve.crew import Waiting


@dataclass(eq=False)
class Served:
    """A model, opened twice: where one picture is all there is to do, the processors share it, else each has its own.

    Parameters
    ----------
    name
        in addresses
    alone
        answers on all processors
    beside
        answers on one
    waiting
        pictures, the oldest first
    map_size
        rows and columns of its maps, if it has any; known when it is warm
    """

    name: str
    alone: Shipped
    beside: Shipped
    waiting: "deque[Waiting]" = field(default_factory=deque)
    map_size: tuple[int, ...] | None = None

    def warm_up(self) -> None:
        """Load what is loaded at the first call."""
        about = self.beside.about
        fitted = self.beside.fit(np.zeros((*about.preprocess.size, 3), np.uint8))
        for opened in {self.alone, self.beside}:
            maps = opened.answers(fitted[None]).maps
            self.map_size = None if maps is None else maps.shape[1:]

    @property
    def has_map(self) -> bool:
        """Whether it says where the likeliest class is seen."""
        return self.map_size is not None

    @property
    def told(self) -> dict[str, Any]:
        """What it says of itself."""
        about = self.beside.about
        return {
            "name": self.name,
            "network": about.name,
            "classes": list(about.classes),
            "several": about.several,
            "size": list(about.preprocess.size),
            "numbers": about.numbers,
            "licence": about.licence,
            "sum": self.beside.sum,
            "map": self.has_map,
        }


def open_models(words: tuple[str, ...], threads: int) -> dict[str, Served]:
    """The models that the command line names.

    Parameters
    ----------
    words
        files, or folders of runs; NAME=FILE gives it a name, else it is that of the file or folder
    threads
        how many processors there are
    """
    named: dict[str, Path] = {}
    for word in words:
        name, path = _named(word)
        if name in named:
            raise StriateError(
                f"each model has a name of its own, but {printable(named[name])} and {printable(path)} are both "
                f"'{name}'; NAME={printable(path)} gives it another"
            )
        named[name] = path
    return {name: _served(name, path, threads) for name, path in named.items()}


def _named(word: str) -> tuple[str, Path]:
    name, equals, path = word.partition("=")
    if not equals or Path(word).exists() or (os.sep in name and not Path(path).exists()):
        whole = Path.cwd() / word  # a link is called as it is, not as what it points to
        name, path = whole.stem if whole.suffix.lower() == ".onnx" else whole.name, word
    if not name.isprintable() or not name or set(name) & set("/?#%&\\") or name in (".", ".."):
        raise StriateError(
            f"a model's name stands in addresses, without /, ?, #, %, & or \\, but is '{printable(name)}'; "
            f"NAME={printable(path)} gives it another"
        )
    return name, Path(path)


def _served(name: str, path: Path, threads: int) -> Served:
    beside = shipped(path)
    return Served(name, replace(beside, threads=threads) if threads > 1 else beside, beside)
