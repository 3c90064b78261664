"""The certificate of an exported file: what was measured, which limits that keeps, and the page that tells it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from striate.evaluate.figures import Figure
from striate.ship.proof.agreement import Agreement
from striate.ship.proof.limits import Check, Limits, check_table, checks, probability
from striate.ship.proof.record import Record
from striate.show.numbers import exact, percent
from striate.show.table import Column, Table, json_text
from striate.train.transfer.compare import Comparison

FORMAT = 1  # of what is written
WHO = {"file": "the file", "network": "the network"}


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
        """Every limit; each holds, or there would be no certificate."""
        return checks(self.limits, self.alone, self.together, self.lost)

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
            Column("turns", "turns", exact),
        ]
        note = (
            "from a file's bytes to probabilities, medians, both sides by turns; decoding on one thread; "
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
            "holds": all(each.holds is not False for each in self.checks),
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


def _milliseconds(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
