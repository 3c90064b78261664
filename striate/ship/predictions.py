"""Answers to pictures as people and programs read them: a table, JSON, CSV, or lines of a file."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from striate.errors import StriateError
from striate.pictures.decode import TURNED
from striate.show.names import listed, printable
from striate.show.numbers import count, percent
from striate.show.table import Column, Lines, Table, json_text

UNKNOWN = "unknown"
STANDARD_INPUT = "standard input"  # what is told of a picture that comes from there


def check_probability(unknown_below: float | None) -> None:
    """Refuse what is no probability."""
    if unknown_below is not None and not 0 <= unknown_below <= 1:
        raise StriateError(f"a probability lies between 0 and 1, but --unknown-below is {unknown_below}")


class Told(NamedTuple):
    """A class and its probability."""

    name: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """What is told of a picture.

    Parameters
    ----------
    picture
        its path, or "standard input"
    told
        classes, the likeliest first; where none is sure enough, "unknown" with the probability of the likeliest
    likeliest
        which that is
    error
        why it cannot be read; then nothing is told
    notes
        what had to be done to read it; and whether it is damaged
    """

    picture: str
    told: tuple[Told, ...] = ()
    likeliest: str | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def unknown(self) -> bool:
        """Whether no class is sure enough."""
        return self.likeliest is not None

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        answers = [{"class": name, "probability": share} for name, share in self.told]
        unknown = {"unknown": self.unknown, "likeliest": self.likeliest}
        return {"picture": self.picture, "answers": answers, **unknown, "error": self.error, "notes": [*self.notes]}

    def rows(self) -> Iterator[dict[str, Any]]:
        """As rows, for CSV: one for each class that is told, or one for the reason why nothing is."""
        empty = {"picture": self.picture, "rank": None, "class": None, "probability": None, "likeliest": self.likeliest}
        empty |= {"error": self.error, "notes": "; ".join(self.notes) or None}
        for rank, (name, share) in enumerate(self.told, 1):
            yield {**empty, "rank": rank, "class": name, "probability": share}
        if not self.told:
            yield empty


ROW = list(next(Prediction("").rows()))  # the columns of CSV


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers to pictures, in their order.

    Parameters
    ----------
    each
        one for each picture
    model
        what answered: the network, the engine, and the sums of its file and of its run's weights
    notes
        what to know of all
    """

    each: list[Prediction]
    model: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each class that is told of a picture."""
        return [row for one in self.each for row in one.rows()]

    @property
    def table(self) -> Table:
        """A row for each picture."""
        rows = []
        for one in self.each:
            first = one.told[0] if one.told else None
            others = ", ".join(f"{printable(name)} {_share(share)}" for name, share in one.told[1:])
            if first and one.likeliest is not None:
                others = f"perhaps {printable(one.likeliest)} {_share(first.probability)}"
            rows.append(
                {
                    "picture": one.picture,
                    "class": first and first.name,
                    "probability": first.probability if first and one.likeliest is None else None,
                    "others": others or None,
                    "error": one.error,
                    "notes": "; ".join(note for note in one.notes if note != TURNED) or None,
                }
            )
        columns = [
            Column("picture", "picture", printable, "left"),
            Column("class", "class", printable, "left"),
            Column("probability", "probability", _share),
            Column("then", "others", align="left"),
            Column("cannot be read", "error", printable, "left"),
            Column("to know", "notes", printable, "left"),
        ]
        always = ("picture", "class", "probability")
        shown = [column for column in columns if column.key in always or any(row[column.key] for row in rows)]
        return Table(shown, rows, notes=self.notes)

    def to_json(self) -> str:
        """What answered, and an object for each picture."""
        return json_text({"model": self.model, "rows": [one.to_dict() for one in self.each], "notes": self.notes})

    def to_csv(self) -> str:
        """A row for each class that is told of a picture."""
        text = io.StringIO()
        _write_rows(text, self.each)
        return text.getvalue()

    def __len__(self) -> int:
        return len(self.each)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.each)

    def __getitem__(self, place: int) -> Prediction:
        return self.each[place]

    def __rich__(self) -> Table:
        return self.table

    def __str__(self) -> str:
        return str(self.table)


@dataclass(frozen=True)
class Kept:
    """Answers that were written to a file, and are not kept in memory.

    Parameters
    ----------
    file
        which
    model
        what answered
    pictures
        how many there were
    unreadable
        how many of them could not be read
    classes
        how often each was told, the most frequent first
    """

    file: Path
    model: dict[str, Any]
    pictures: int
    unreadable: int
    classes: dict[str, int]

    def to_json(self) -> str:
        """All of it."""
        return json_text(asdict(self) | {"file": str(self.file)})

    def to_csv(self) -> str:
        """A row for each class."""
        return Table([], [{"class": name, "pictures": number} for name, number in self.classes.items()]).to_csv()

    def __rich__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        told = listed([f"{name} {number:,}" for name, number in self.classes.items()], most=10)
        return f"{count(self.pictures - self.unreadable)} answered in {printable(self.file)}: {told}"


def keep(output: BinaryIO, lines: bool, predictions: Iterable[Prediction], model: dict[str, Any]) -> None:
    """Write answers as they come.

    Parameters
    ----------
    output
        an open file
    lines
        as JSON, one on each line, with the sum of what answered; else as CSV
    predictions
        the answers
    model
        what answered
    """
    # a name of bytes that are not UTF-8 is written as these bytes
    text = io.TextIOWrapper(output, "utf-8", "surrogateescape", newline="")
    if lines:
        stamp = {"model": model["sha256"] or model["run"]}
        text.writelines(f"{json_text(one.to_dict() | stamp, indent=None)}\n" for one in predictions)
    else:
        _write_rows(text, predictions)
    text.detach()  # writes all of it, and leaves the file open


def _write_rows(text: Any, predictions: Iterable[Prediction]) -> None:
    writer = csv.DictWriter(Lines(text), ROW)
    writer.writeheader()
    for one in predictions:
        writer.writerows(one.rows())


def _share(probability: float) -> str:
    return percent(probability, 1)
