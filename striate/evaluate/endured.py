"""How good a network stays under disturbances: a point for each kind and strength, and what they say together."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.evaluate.disturbing import KINDS
from striate.files import write_text
from striate.show.charts import curves
from striate.show.drawing import write_charts
from striate.show.numbers import percent
from striate.show.table import Column, Table, json_text

if TYPE_CHECKING:
    import altair as alt

MOST_NAMED = 3  # kinds that the sentence tells the price of


@dataclass(frozen=True)
class Point:
    """How good a network is under one disturbance.

    Parameters
    ----------
    kind
        of KINDS; "undisturbed"
    strength
        in the kind's unit
    value, low, high
        the share of right answers, or mean average precision; and its interval, with 95 % confidence
    change, change_low, change_high
        the same less that of the same pictures undisturbed
    """

    kind: str
    strength: float | None
    value: float
    low: float | None
    high: float | None
    change: float
    change_low: float | None
    change_high: float | None

    @property
    def amount(self) -> str:
        """The strength with its unit."""
        return "" if self.strength is None else KINDS[self.kind].amount.format(f"{self.strength:g}")

    @property
    def costs(self) -> bool:
        """Whether it is worse than undisturbed, beyond chance."""
        return (self.change if self.change_high is None else self.change_high) < 0


@dataclass(frozen=True, eq=False)
class Robustness:
    """How good a network stays.

    Parameters
    ----------
    measure
        what values are: right, or mean average precision
    points
        undisturbed, then each kind at each strength
    notes
        what was judged, and how
    """

    measure: str
    points: list[Point]
    notes: list[str]

    @property
    def table(self) -> Table:
        """A row for each kind at each strength."""
        rows: list[dict[str, Any]] = []
        for point in self.points:
            both = [percent(bound, 1) for bound in (point.low, point.high) if bound is not None]
            change = f"{100 * point.change:+.1f}"
            if point.change_low is not None and point.change_high is not None:
                change += f" ({100 * point.change_low:+.1f} … {100 * point.change_high:+.1f})"
            rows.append(
                {
                    "kind": point.kind,
                    "strength": point.amount,
                    "value": percent(point.value, 1),
                    "interval": " … ".join(both),
                    "change": None if point.strength is None else change,
                }
            )
        columns = [
            Column("kind", "kind", align="left"),
            Column("strength", "strength"),
            Column(self.measure, "value"),
            Column("95 %", "interval", narrow=1),
            Column("change in points (95 %)", "change"),
        ]
        return Table(columns, rows)

    @property
    def sentence(self) -> str:
        """What hurts most, each kind at its worst."""
        worst: dict[str, Point] = {}
        for point in self.points[1:]:
            worst[point.kind] = min(point, worst.get(point.kind, point), key=lambda each: each.change)
        costly = sorted((each for each in worst.values() if each.costs), key=lambda each: each.change)
        told = [
            f"{KINDS[each.kind].words.format(f'{each.strength:g}')} costs {-100 * each.change:.1f} points"
            for each in costly[:MOST_NAMED]
        ]
        harmless = [kind for kind, each in worst.items() if not each.costs]
        parts = [f"what hurts most: {'; '.join(told)}"] if told else ["nothing that was tried costs more than chance"]
        if told and harmless:
            parts.append(f"no more than chance: {', '.join(harmless)}")
        return "; ".join(parts)

    @property
    def begins(self) -> str:
        """The least of each kind that costs something."""
        first: dict[str, Point] = {}
        for point in filter(lambda each: each.costs, self.points[1:]):
            first[point.kind] = min(
                point, first.get(point.kind, point), key=lambda each: KINDS[each.kind].far(each.strength or 0)
            )
        told = [KINDS[each.kind].words.format(f"{each.strength:g}") for each in first.values()]
        return f"what costs more than chance begins with {', '.join(told)}" if told else ""

    def charts(self) -> "dict[str, alt.LayerChart]":
        """A curve for each kind by its name, with its interval."""
        plain, charts = self.points[0], {}
        for name in dict.fromkeys(point.kind for point in self.points[1:]):
            kind = KINDS[name]
            places = [(point.strength or 0.0, point) for point in self.points if point.kind == name]
            if kind.plain is not None:
                places.append((kind.plain, plain))
            places.sort(key=lambda place: place[0])
            ends = places[0][0], places[-1][0]
            lines = {self.measure: [(at, 100 * point.value) for at, point in places]}
            if plain.low is not None:
                lines["95 % from"] = [(at, 100 * (point.low or 0)) for at, point in places]
                lines["95 % to"] = [(at, 100 * (point.high or 0)) for at, point in places]
            lines["undisturbed"] = [(end, 100 * plain.value) for end in ends]
            charts[name] = curves(
                name.capitalize() if name != "jpeg" else "JPEG", lines, kind.unit, f"{self.measure}, %",
                log_x=kind.plain == 1,
            )  # fmt: skip
        return charts

    def to_json(self) -> str:
        """All of it."""
        points = [asdict(point) for point in self.points]
        return json_text(
            {"measure": self.measure, "points": points, "sentences": [self.sentence, self.begins], "notes": self.notes}
        )

    def to_csv(self) -> str:
        """A row for each kind at each strength."""
        return Table([], [asdict(point) for point in self.points]).to_csv()

    def save(self, folder: Path) -> None:
        """Write robustness.json, robustness.csv and the charts.

        Parameters
        ----------
        folder
            made if it is not there
        """
        write_charts(folder, self.charts())
        write_text(folder / "robustness.csv", self.to_csv())
        write_text(folder / "robustness.json", self.to_json())

    def __rich_console__(self, console, options):
        from rich.text import Text

        yield self.table
        for line in filter(None, (self.sentence, self.begins, *self.notes)):
            yield Text(line)

    def __str__(self) -> str:
        from striate.show.table import plain_text

        return plain_text(self)
