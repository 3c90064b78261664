"""Probes: how well a linear head tells the classes by what each stage gives, and what each stage costs.

The ledger of layers with accuracy: a stage may cost a third of the time and bring nothing to these pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.errors import StriateError
from striate.show.charts import curves
from striate.show.numbers import exact, percent, short
from striate.show.progress import track
from striate.show.table import Column, Table
from striate.train.transfer.axes import axes_of
from striate.train.transfer.compare import Comparison, compare, repeated
from striate.train.transfer.costs import Cost
from striate.train.transfer.folds import fold
from striate.train.transfer.strength import choose_strength

if TYPE_CHECKING:
    import altair as alt

SURE = 0.05  # chance of taking one that is no better for better


@dataclass(frozen=True)
class Probe:
    """A linear head on what a stage gives.

    Parameters
    ----------
    stage
        its name
    width
        how many features it gives
    cost
        of the stage itself
    strength
        of the head's penalty
    accuracy
        of the head's answers to held-out pictures
    low, high
        between which it lies, with 95 % confidence
    gain
        compared with the stage before; None for the first
    from_last
        compared with the last stage; None for that one
    """

    stage: str
    width: int
    cost: Cost
    strength: float
    accuracy: float
    low: float
    high: float
    gain: Comparison | None = None
    from_last: Comparison | None = None


@dataclass(frozen=True, repr=False)
class Probes:
    """A probe at the end of every stage, in order.

    Parameters
    ----------
    stages
        the probes
    pictures
        how many they were judged by
    several
        whether a picture may have several labels
    notes
        of the folds
    """

    stages: tuple[Probe, ...]
    pictures: int
    several: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Probes":
        """Back from what `dataclasses.asdict` made of it, also if that was kept as JSON."""
        stages = []
        for each in values["stages"]:
            compared = {name: each[name] and Comparison(**each[name]) for name in ("gain", "from_last")}
            stages.append(Probe(**each | compared | {"cost": Cost(**each["cost"])}))
        return cls(tuple(stages), values["pictures"], values["several"], tuple(values["notes"]))

    @cached_property
    def chosen(self) -> Probe:
        """Up to which stage to freeze: the last, unless an earlier one is better beyond chance.

        With more stages there are more chances to be better by luck, so each has to be surer.
        """
        *earlier, last = self.stages
        better = [probe for probe in earlier if probe.from_last and _surely_better(probe.from_last, len(earlier))]
        return max(better, key=lambda probe: probe.accuracy, default=last)

    @property
    def freeze(self) -> str:
        """The same as `cut` takes it."""
        return "all" if self.chosen is self.stages[-1] else self.chosen.stage

    @property
    def why(self) -> str:
        """A sentence for the choice."""
        probe, last = self.chosen, self.stages[-1]
        if probe is last:
            return f"frozen up to {last.stage}: no earlier stage tells the classes better beyond chance"
        return f"frozen up to {probe.stage}, which tells the classes better than {last.stage}: {probe.from_last}"

    @cached_property
    def table(self) -> Table:
        """What each stage costs and brings."""
        macs = sum(probe.cost.macs for probe in self.stages) or 1
        seconds = sum(probe.cost.seconds for probe in self.stages) or 1.0
        rows, notes = [], []
        for probe in self.stages:
            gain, time = probe.gain, probe.cost.seconds / seconds
            rows.append(
                {
                    "stage": probe.stage,
                    "features": probe.width,
                    "macs": probe.cost.macs,
                    "macs_share": probe.cost.macs / macs,
                    "milliseconds": 1000 * probe.cost.seconds,
                    "time_share": time,
                    "accuracy": probe.accuracy,
                    "interval": [probe.low, probe.high],
                    "gain": gain and gain.difference,
                    "gain_interval": gain and [gain.low, gain.high],
                    "strength": probe.strength,
                    "chosen": probe is self.chosen,
                }
            )
            if gain:
                sure = "" if gain.low > 0 or gain.high < 0 else ", no more than chance"
                brings = f"{100 * gain.difference:+.1f} points{sure}"
                notes.append(f"{probe.stage} costs {percent(time)} of the time and brings {brings}")
        what = "labels" if self.several else "pictures"
        notes += [
            self.why,
            f"accuracy of a linear head on {what} held out, {exact(self.pictures)} pictures, with 95 % intervals; "
            "milliseconds of one picture, by PyTorch",
            *self.notes,
        ]
        return Table(COLUMNS, rows, "What each stage knows, and what it costs", notes=notes)

    @property
    def chart(self) -> "alt.LayerChart":
        """Accuracy over the time that it takes."""
        spent = np.cumsum([1000 * probe.cost.seconds for probe in self.stages]).tolist()

        def line(of) -> list[tuple[float, float]]:
            return [(time, 100 * of(probe)) for time, probe in zip(spent, self.stages, strict=True)]

        series = {
            "accuracy": line(lambda probe: probe.accuracy),
            "95 %, low": line(lambda probe: probe.low),
            "95 %, high": line(lambda probe: probe.high),
        }
        marks = {self.chosen.stage: spent[self.stages.index(self.chosen)]}
        return curves("What each stage knows", series, "milliseconds a picture", "accuracy (%)", marks=marks)

    def to_json(self) -> str:
        """The table as JSON."""
        return self.table.to_json()

    def __rich_console__(self, console: Any, options: Any):
        yield self.table

    def __str__(self) -> str:
        return str(self.table)


COLUMNS = [
    Column("stage", "stage", align="left"),
    Column("features", "features", exact, narrow=4),
    Column("MACs", "macs", short, narrow=3),
    Column("ms", "milliseconds", lambda value: f"{value:.2f}", narrow=1),
    Column("of the time", "time_share", percent),
    Column("accuracy", "accuracy", lambda value: percent(value, 1)),
    Column("95 %", "interval", lambda pair: f"{100 * pair[0]:.1f} … {100 * pair[1]:.1f}", narrow=2),
    Column("brings", "gain", lambda value: f"{100 * value:+.1f} points"),
    Column("", "chosen", lambda value: "frozen up to here" if value else "", align="left"),
]


def probe(
    features: Mapping[str, np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    costs: Mapping[str, Cost],
    seed: int = 0,
) -> Probes:
    """Put a linear head at the end of each stage and judge it by cross-validation.

    Parameters
    ----------
    features
        (n, views, d) of each stage by its name, in order
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1
    groups
        (n,) pictures of one group are held out together
    classes
        names
    costs
        of each stage, as `stage_costs` tells them
    seed
        of the folds
    """
    if missing := [stage for stage in features if stage not in costs]:
        raise StriateError(f"each stage needs its costs, but {', '.join(missing)} have none")
    if not features:
        raise StriateError("probes are put at the end of stages, but there are no features of any")
    folds = fold(labels, groups, classes, seed=seed)
    probes: list[Probe] = []
    answers: list[np.ndarray] = []  # (n, classes) each, of pictures held out
    for stage, numbers in track(features.items(), "probes", len(features)):
        axes = axes_of(numbers)
        strength, _ = choose_strength(axes, labels, len(classes), folds)
        cross = repeated(axes, labels, classes, groups, strength, repeats=1, seed=seed)
        figures = cross.accuracy, cross.low, cross.high
        probes.append(Probe(stage, numbers.shape[-1], costs[stage], strength, *figures))
        answers.append(cross.probabilities[0])
    gains = [None, *(compare(after, before, labels) for before, after in pairwise(answers))]
    froms = [*(compare(each, answers[-1], labels) for each in answers[:-1]), None]
    compared = [
        replace(each, gain=gain, from_last=from_last)
        for each, gain, from_last in zip(probes, gains, froms, strict=True)
    ]
    return Probes(tuple(compared), len(labels), labels.ndim == 2, folds.notes)


def _surely_better(comparison: Comparison, tried: int) -> bool:
    """Whether the first is better, also if it is the luckiest of so many."""
    return comparison.difference > 0 and comparison.chance * tried < SURE
