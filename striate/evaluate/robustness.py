"""`striate robustness`: how good a run's network stays when pictures are moved, turned, blurred, noisy, compressed."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter
from torch import Tensor

from striate.data.dataset import Dataset, OnBad
from striate.data.randomness import Purpose, generator
from striate.errors import DataError, StriateError, UnknownName, one_of
from striate.evaluate.disturbing import KINDS, Disturbances, View
from striate.evaluate.evaluate import Split, own_folder, pictures_for
from striate.evaluate.figures import AREAS, difference, drawn_areas, interval
from striate.evaluate.judging import Judged, judged
from striate.evaluate.specimen import specimen, typical
from striate.files import write_text, writing
from striate.show.charts import curves
from striate.show.drawing import write_chart
from striate.show.names import listed, printable
from striate.show.numbers import count, percent
from striate.show.table import Column, Table, json_text
from striate.train.learn.tally import wilson
from striate.train.machine import pick_device
from striate.train.run import Run, open_run
from striate.train.train import NO_KEYS

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
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "robustness.csv", self.to_csv())
        for name, chart in self.charts().items():
            write_chart(folder / f"{name}.svg", chart)
        write_text(folder / "robustness.json", self.to_json())

    def __rich_console__(self, console, options):
        from rich.text import Text

        yield self.table
        for line in filter(None, (self.sentence, self.begins, *self.notes)):
            yield Text(line)

    def __str__(self) -> str:
        from striate.show.table import plain_text

        return plain_text(self)


def robustness(
    run: Annotated[Path | Run, NO_KEYS],
    data: Annotated[str | Path | Dataset | None, NO_KEYS] = None,
    *,
    split: Split | None = None,
    kinds: Annotated[str | Sequence[str] | None, Parameter(n_tokens=1, accepts_keys=False)] = None,
    pictures: int | None = None,
    seed: int = 0,
    output: Path | None = None,
    device: str | None = None,
    workers: int | None = None,
    on_bad: OnBad = "stop",
) -> Robustness:
    """Disturb pictures more and more: how good a run's network stays, and what hurts it most.

    Parameters
    ----------
    run
        a run's folder
    data
        other pictures with the same classes, all of them; those of the run if absent
    split
        val or test, and no others; of the run's own pictures test if there are any
    kinds
        shift, rotation, scale, blur, noise, jpeg, brightness, contrast, with commas between them; all if absent
    pictures
        only so many, of each class the same share; all if absent
    seed
        of the pictures that are chosen, of the noise, and of where pictures are moved and turned
    output
        a folder for robustness.json, robustness.csv, a chart of each kind, and a sheet of one picture
    device
        cpu, cuda, cuda:1, …
    workers
        threads that load and disturb pictures
    on_bad
        stop at a picture that cannot be read, or skip it
    """
    run = run if isinstance(run, Run) else open_run(run)
    if split is not None:
        one_of("--split", split, Split)
    wanted = read_kinds(kinds)
    if pictures is not None and (not isinstance(pictures, int) or pictures < 1):
        raise StriateError(f"--pictures is a whole number of at least 1, but is {pictures}")
    output = own_folder(output)
    chosen, notes = pictures_for(run, data, split, on_bad)
    if pictures is not None and pictures < len(chosen):
        chosen = sample(chosen, pictures, seed)
        notes.append(f"{count(pictures)} of these, of each class the same share, drawn by seed {seed}")
    with ThreadPoolExecutor(workers, "striate disturbing") as pool:
        shown = Disturbances(run.preprocess, wanted, seed, pool)
        said = judged(run, chosen, shown, pick_device(device), workers, on_bad, answers)
        points = measured(said, shown.views)
        notes.append(
            f"each picture was shown {len(shown)} times, disturbed as pixels of the network's input, "
            f"{1000 * said.seconds / len(shown):.1f} ms each: {said.told[0]}"
        )
        if said.skipped:
            notes.append(f"{count(len(said.skipped))} left out, which cannot be read: {listed(said.skipped)}")
        found = Robustness("mean average precision" if said.data.several else "right", points, notes)
        if output is not None:
            found.save(output)
            place = 0 if said.data.several else typical(said.scores == said.data.labels[:, None])
            specimen(output / "picture.png", run, said.data, place, shown)
            notes.append(f"written to {printable(output)}: robustness.json, robustness.csv, charts, picture.png")
    return found


def read_kinds(kinds: str | Sequence[str] | None) -> list[str]:
    """Kinds of disturbances, in their usual order.

    Parameters
    ----------
    kinds
        names, or a text of them; None is all

    >>> read_kinds("noise, shift")
    ['shift', 'noise']
    """
    if kinds is None:
        return list(KINDS)
    asked = [part.strip() for part in kinds.split(",")] if isinstance(kinds, str) else list(kinds)
    for name in asked or [""]:
        if name not in KINDS:
            raise UnknownName("disturbance", name, KINDS)
    return [name for name in KINDS if name in asked]


def sample(data: Dataset, number: int, seed: int) -> Dataset:
    """Some of the pictures: of each class, or of each set of labels, the same share, to one picture.

    Parameters
    ----------
    data
        the pictures
    number
        how many
    seed
        another one, other pictures
    """
    draw = generator(seed, 0, Purpose.SAMPLE)
    _, labels, counts = np.unique(data.labels, axis=0, return_inverse=True, return_counts=True)
    order = draw.permutation(len(data))
    begin = draw.random(len(counts))  # else all classes would get their last picture at once
    rank = np.empty(len(data))
    for place in range(len(counts)):
        own = order[labels.ravel()[order] == place]
        rank[own] = (np.arange(len(own)) + begin[place]) / len(own)
    return data.part(np.sort(np.argsort(rank, kind="stable")[:number]))


def answers(said: list[Tensor], several: bool) -> Tensor:
    """What figures need of the logits (n, classes) of each view: (n, views) answers; of several labels all of them.

    Parameters
    ----------
    said
        the logits
    several
        whether a picture may have several labels
    """
    return torch.stack([each.float() if several else each.argmax(1) for each in said], 1)


def measured(said: Judged, views: Sequence[View]) -> list[Point]:
    """Figures of each view, and how they differ from those of the first, picture by picture.

    Parameters
    ----------
    said
        `answers` to all views
    views
        their kinds and strengths, the first undisturbed
    """
    labels, points = said.data.labels, []
    names = [(view.kind, view.strength) if view.kind else ("undisturbed", None) for view in views]
    if not said.data.several:
        right = said.scores == labels[:, None]  # (n, views)
        for name, each in zip(names, right.T, strict=True):
            bounds = wilson(int(each.sum()), len(each))
            change = difference(each, right[:, 0]) if points else (0.0, 0.0, 0.0)
            points.append(Point(*name, float(each.mean()), *bounds, *change))
        return points
    plain = None
    for place, name in enumerate(names):
        areas = drawn_areas(said.scores[:, place], labels)
        if not len(areas):
            raise DataError(f"{AREAS[0]} needs pictures with a label and some without it, but no class has both")
        drawn = areas[0]  # (1 + times,)
        plain = drawn if plain is None else plain
        bounds = [
            interval(float(each[0]), each[1:]) if len(each) > 1 else (None, None) for each in (drawn, drawn - plain)
        ]
        points.append(Point(*name, float(drawn[0]), *bounds[0], float(drawn[0] - plain[0]), *bounds[1]))
    return points
