"""The certificate of an exported file: what was measured, which limits that keeps, and the page that tells it."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from striate.evaluate.figures import Figure
from striate.ship.agreement import Agreement
from striate.ship.record import Record
from striate.show.names import printable
from striate.show.numbers import count, exact, percent
from striate.show.table import Column, Table, json_text
from striate.train.transfer.compare import Comparison

FORMAT = 1  # of what is written
WHO = {"file": "the file", "network": "the network"}


@dataclass(frozen=True)
class Limits:
    """What a file must keep to; None is no limit.

    Parameters
    ----------
    difference
        the largest difference in probability
    agreement
        the smallest share of the same answers, in percent
    drop
        how much of the accuracy may be lost, in points
    """

    difference: float | None = None
    agreement: float | None = None
    drop: float | None = None


@dataclass(frozen=True)
class Check:
    """One limit, and whether it holds.

    Parameters
    ----------
    what
        was measured
    value, limit
        in words
    holds
        whether the one keeps to the other; None where there is no limit
    """

    what: str
    value: str
    limit: str
    holds: bool | None


@dataclass(frozen=True, eq=False)
class Certificate:
    """What was measured of an exported file beside the network that it was made from.

    Parameters
    ----------
    file
        its name, SHA-256, size, and what it says of itself
    data
        which pictures were shown
    limits
        that were set
    alone
        how the answers agree, each picture through the whole graph
    together
        the same where pictures are fitted one by one and answered at once, as a server does
    accuracy
        of both, on these pictures
    lost
        right answers of the file beside those of the network
    drift
        a row for each other decoder and resizer: how far the file's answers move
    times
        a row for each number of pictures at once and each side, in milliseconds a picture
    made_with
        versions and machine
    record
        what the network said
    notes
        what a person should know
    """

    file: dict[str, Any]
    data: dict[str, Any]
    limits: Limits
    alone: Agreement
    together: Agreement
    accuracy: dict[str, Figure | None]
    lost: Comparison
    drift: list[dict[str, Any]]
    times: list[dict[str, Any]]
    made_with: dict[str, str]
    record: Record
    notes: list[str]

    @property
    def checks(self) -> list[Check]:
        """Every limit."""
        return checks(self.limits, self.alone, self.together, self.lost)

    @property
    def reasons(self) -> list[str]:
        """Why it is no certificate: the limits that are missed."""
        return [f"{each.what} is {each.value}, but must be {each.limit}" for each in self.checks if each.holds is False]

    @property
    def holds(self) -> bool:
        """Whether all limits do."""
        return not self.reasons

    @property
    def tables(self) -> dict[str, Table]:
        """What is told, by title."""
        return {
            "Limits": check_table(self.checks, self.alone.told_ties),
            "Accuracy": self._accuracy(),
            "Time": self._times(),
            "Other decoders and resizers": self._drift(),
        }

    def _accuracy(self) -> Table:
        rows = [figure_row(WHO[side], figure) for side, figure in self.accuracy.items()]
        return accuracy_table(rows, f"the file beside the network: {self.lost}")

    def _times(self) -> Table:
        columns = [
            Column("at once", "batch", exact),
            Column("", "side", WHO.__getitem__, "left"),
            Column("ms a picture", "whole", _milliseconds),
            Column("without decoding", "decoded", _milliseconds),
        ]
        turns = " and ".join(f"{row['turns']} turns of {row['batch']}" for row in self.times[::2])
        note = (
            f"from a file's bytes to probabilities, medians of {turns}, both sides by turns; decoding on one thread; "
            f"{self.made_with['machine']}"
        )
        return Table(columns, self.times, notes=[note])

    def _drift(self) -> Table:
        rows = [{**row, "answers": f"{exact(row['changed'])} of {exact(row['pictures'])}"} for row in self.drift]
        columns = [
            Column("instead of the file's own", "pipeline", align="left"),
            Column("answers that change", "answers"),
            Column("largest difference", "largest", probability),
            Column("not readable by it", "unread", exact, narrow=1),
        ]
        note = "no limit: this is what to expect where another program reads or resizes the pictures before the network"
        return Table(columns, rows, notes=[note])

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "format": FORMAT,
            "file": self.file,
            "holds": self.holds,
            "checks": [asdict(each) for each in self.checks],
            "limits": asdict(self.limits),
            "data": self.data,
            "agreement": asdict(self.alone),
            "agreement_in_batches": asdict(self.together),
            "accuracy": {side: figure and asdict(figure) for side, figure in self.accuracy.items()},
            "lost": asdict(self.lost),
            "drift": self.drift,
            "milliseconds": self.times,
            "made_with": self.made_with,
            "notes": self.notes,
            "record": self.record.to_dict(),
        }

    def to_json(self) -> str:
        """All of it."""
        return json_text(self.to_dict())

    def to_csv(self) -> str:
        """A row for each limit."""
        return self.tables["Limits"].to_csv()

    def __rich_console__(self, console, options) -> Iterator[Any]:
        from rich.text import Text

        yield from self.tables.values()
        for note in self.notes:
            yield Text(note)

    def __str__(self) -> str:
        from striate.show.table import plain_text

        return plain_text(self)


def checks(limits: Limits, alone: Agreement, together: Agreement | None, lost: Comparison) -> list[Check]:
    """Each limit beside what was measured.

    Parameters
    ----------
    limits
        what must be kept to
    alone, together
        how the answers agree, each picture alone, and in batches
    lost
        right answers of the file beside those of the network
    """
    found = []
    ways = {"": alone, " in batches": together}
    for how, told in ((how, told) for how, told in ways.items() if told):
        most, least = limits.difference, limits.agreement
        where = f" ({printable(told.worst[0]['name'])})" if told.largest > 0 or math.isnan(told.largest) else ""
        found += [
            Check(
                f"the largest difference in probability{how}",
                f"{probability(told.largest)}{where}",
                "a number" if most is None else f"at most {most:g}",
                # what is not a number keeps to no limit, nor does it where there is none
                None if most is None and math.isfinite(told.largest) else told.largest <= (most or 0),
            ),
            Check(
                f"the share of the same answers{how}",
                f"{_exactly(100 * told.share)} % ({exact(told.same)} of {count(told.pictures)}; 95 %: "
                f"{percent(told.low, 1)} to {percent(told.high, 1)})",
                "" if least is None else f"at least {least:g} %",
                None if least is None else 100 * told.same >= least * told.pictures,
            ),
        ]
    if limits.drop is not None:
        low, high = (-100 * bound for bound in (lost.high, lost.low))
        found.append(
            Check(
                "what is lost of the accuracy",
                f"{-100 * lost.difference:.2f} points (95 %: {low:.2f} to {high:.2f})",
                f"at most {limits.drop:g} points as observed",
                -100 * lost.difference <= limits.drop + 1e-9,
            )
        )
    return found


def check_table(found: list[Check], notes: list[str]) -> Table:
    """Limits as a table.

    Parameters
    ----------
    found
        the limits
    notes
        lines below
    """
    told = {True: "holds", False: "MISSED", None: ""}
    rows = [{"what": each.what, "value": each.value, "limit": each.limit, "holds": told[each.holds]} for each in found]
    titles = {"": "what", "here": "value", "limit": "limit", " ": "holds"}
    return Table([Column(title, key, align="left") for title, key in titles.items()], rows, notes=notes)


def figure_row(name: str, figure: Figure | None) -> dict[str, Any]:
    """A row of `accuracy_table`.

    Parameters
    ----------
    name
        of whom
    figure
        how good it is; None where no class has pictures of both kinds
    """
    if figure is None:
        return {"whose": name, "value": "unknown: no class has pictures with and without it", "interval": ""}
    bounds = [percent(bound, 1) for bound in (figure.low, figure.high) if bound is not None]
    return {"whose": name, "value": f"{percent(figure.value, 1)} {figure.name}", "interval": " to ".join(bounds)}


def accuracy_table(rows: list[dict[str, Any]], *notes: str) -> Table:
    """How good files and networks are.

    Parameters
    ----------
    rows
        of `figure_row`
    notes
        lines below
    """
    titles = {"": "whose", "accuracy": "value", "95 %": "interval"}
    return Table([Column(title, key, align="left") for title, key in titles.items()], rows, notes=list(notes))


def probability(value: float) -> str:
    """A difference in probability.

    >>> probability(0.0000123), probability(0.31), probability(0)
    ('1.2e-05', '0.31', '0')
    """
    return f"{value:.2g}"


def certificate_path(file: Path) -> Path:
    """Where the certificate of a file lies.

    Parameters
    ----------
    file
        such as pets.onnx
    """
    return file.with_suffix(".certificate.json")


def _exactly(value: float) -> str:
    """A percentage that is never rounded up to all of them."""
    return f"{math.floor(100 * value) / 100:g}"


def _milliseconds(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
