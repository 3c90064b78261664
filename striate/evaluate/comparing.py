"""`striate compare`: whether one run is better than another, or only luckier."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from scipy.special import expit

from striate.data.dataset import Dataset
from striate.errors import DataError
from striate.evaluate.crops import crops
from striate.evaluate.judging import judged
from striate.evaluate.pictures import Split, pictures_for
from striate.show.names import listed, printable
from striate.show.numbers import exact, percent
from striate.show.table import json_text
from striate.train.learn.tally import wilson
from striate.train.machine import pick_device
from striate.train.run import Run, open_run
from striate.train.train import NO_KEYS
from striate.train.transfer.compare import Comparison, correct
from striate.train.transfer.compare import compare as compare_answers


@dataclass(frozen=True)
class Compared:
    """Two runs on the same pictures.

    Parameters
    ----------
    names
        of the runs
    right
        the share of right answers of each
    pictures
        how many
    comparison
        of the second with the first
    notes
        what was judged
    """

    names: tuple[str, str]
    right: tuple[float, float]
    pictures: int
    comparison: Comparison
    notes: list[str]

    @property
    def sentence(self) -> str:
        """Which is better, and whether that may be luck."""
        found = self.comparison
        if found.difference == 0:
            return f"{self.names[1]} is as good as {self.names[0]} here; {found}"
        better, other = self.names[::-1] if found.difference > 0 else self.names
        points = f"{100 * abs(found.difference):.1f} points"
        low, high = sorted(np.sign(found.difference) * 100 * np.array((found.low, found.high)))
        if found.low <= 0 <= found.high:
            return (
                f"{better} is better than {other} by {points} ({low:+.1f} … {high:+.1f}), which is noise at this size: "
                f"{exact(found.better + found.worse)} of {exact(self.pictures)} pictures tell them apart"
            )
        return f"{better} is better than {other} by {points} ({low:+.1f} … {high:+.1f}), which is more than chance"

    def to_json(self) -> str:
        """All of it."""
        return json_text({**asdict(self), "sentence": self.sentence})

    def __rich__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        lines = []
        for name, share in zip(self.names, self.right, strict=True):
            low, high = wilson(round(share * self.pictures), self.pictures)
            lines.append(f"{name}: {percent(share, 1)} right (95 %: {percent(low, 1)} to {percent(high, 1)})")
        return "\n".join([*lines, self.sentence, *self.notes])


def compare(
    first: Annotated[Path | Run, NO_KEYS],
    second: Annotated[Path | Run, NO_KEYS],
    data: Annotated[str | Path | Dataset | None, NO_KEYS] = None,
    *,
    split: Split | None = None,
    device: str | None = None,
    workers: int | None = None,
) -> Compared:
    """Show the same pictures to two runs: which is better, and whether that is more than chance (McNemar's test).

    Parameters
    ----------
    first, second
        folders of runs with the same classes
    data
        pictures for both, all of them; those of the first run if absent
    split
        val or test, and no others; of the run's own pictures test if there are any
    device
        cpu, cuda, cuda:1, …
    workers
        threads that load pictures
    """
    runs = [run if isinstance(run, Run) else open_run(run) for run in (first, second)]
    if set(runs[0].classes) != set(runs[1].classes):
        mine, other = (listed(sorted(set(a.classes) - set(b.classes))) for a, b in (runs, runs[::-1]))
        raise DataError(
            f"runs are compared that know the same classes, but {printable(runs[0].folder)} alone knows "
            f"{mine or 'none'}, and {printable(runs[1].folder)} {other or 'none'}"
        )
    pictures, notes = pictures_for(runs[0], data, split, "stop")
    same = runs[0].config["data"]["fingerprint"] == runs[1].config["data"]["fingerprint"]
    if runs[1].may_know(pictures.where, split) if data is not None else not same:
        notes.append(f"ATTENTION, {printable(runs[1].folder)} may have learned from some of these")
    probabilities = []
    for run in runs:
        scores = judged(run, pictures, crops("1", run.preprocess), pick_device(device), workers, "stop").scores
        probabilities.append(scores[:, [run.classes.index(name) for name in runs[0].classes]])
    labels = pictures.labels
    before, after = (_named(scores, pictures.several) for scores in probabilities)
    right = tuple(float(correct(each, labels).mean()) for each in (before, after))
    found = compare_answers(after, before, labels)
    names = (printable(runs[0].folder), printable(runs[1].folder))
    return Compared(names, (right[0], right[1]), len(pictures), found, notes)


def _named(scores: np.ndarray, several: bool) -> np.ndarray:
    """Something that is compared as probabilities are: of several labels, each from one half on."""
    return expit(scores) if several else scores
