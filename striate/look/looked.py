"""What looking gives back, a table beside arrays, and what may be named on the way: layers, channels."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from torch import Tensor, nn

from striate.errors import StriateError, UnknownName
from striate.look.subject import Subject
from striate.nets.hooks import hooked
from striate.nets.net import Net
from striate.show.numbers import exact
from striate.show.table import Table
from striate.train.run import Run

Whose = Annotated[str | Path | Run | Net | Subject, Parameter(accepts_keys=False)]
Weights = Annotated[str | Path | None, Parameter(metavar="FILE")]
Channels = Annotated[
    list[int] | None,
    Parameter(name=("--channels", "--channel"), consume_multiple=True, negative="", metavar="NUMBER"),
]
MOST = 24  # rows that are printed: what is more leaves as --json and --csv


@dataclass(frozen=True, eq=False, repr=False)
class Looked:
    """What was found.

    Parameters
    ----------
    table
        a row for each channel, picture or layer
    """

    table: Table

    def to_json(self) -> str:
        """All rows, and the notes."""
        return self.table.to_json()

    def to_csv(self) -> str:
        """All rows."""
        return self.table.to_csv()

    def __rich_console__(self, console, options):
        rows = self.table.rows
        if len(rows) > MOST + 1:
            more = f"and {exact(len(rows) - MOST)} rows more: --csv and --json print all"
            yield replace(self.table, rows=rows[:MOST], notes=[more, *self.table.notes])
        else:
            yield self.table

    def __str__(self) -> str:
        from striate.show.table import plain_text

        return plain_text(self)


def named_layer(known: Mapping[str, object], wanted: str) -> str:
    """A layer's path, if it is one.

    Parameters
    ----------
    known
        by path
    wanted
        what was asked for
    """
    if wanted not in known:
        raise UnknownName("layer of this network", wanted, known)
    return wanted


def named_channels(wanted: Sequence[int] | None, number: int, layer: str) -> list[int] | None:
    """Channels that a layer has, each once, in the order that was asked for.

    Parameters
    ----------
    wanted
        numbers from 0; None is no wish
    number
        of channels
    layer
        whose
    """
    for channel in wanted or ():
        if not 0 <= channel < number:
            raise StriateError(f"{layer} has the channels 0 to {number - 1}, but {channel} is asked for")
    return None if wanted is None else list(dict.fromkeys(wanted))


@contextmanager
def passing(network: nn.Module, *paths: str) -> Iterator[dict[str, Tensor]]:
    """What layers put out in the latest forward pass, by path; with the gradients' way back to the picture.

    Parameters
    ----------
    network
        any module
    paths
        of its layers
    """
    seen: dict[str, Tensor] = {}

    def keep(path: str):
        def hook(_module, _inputs, output: Tensor) -> Tensor:
            seen[path] = output
            return output.clone()  # the next layer may write into what it gets

        return hook

    with hooked(network, paths, keep):
        yield seen
