"""`striate evaluate`: how good a run's network is, with intervals, and how sure it may be of itself."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
from scipy.special import expit, softmax

from striate.data.dataset import Dataset, OnBad
from striate.errors import one_of
from striate.evaluate.calibration import Calibration, answers, calibration
from striate.evaluate.crops import crops as read_crops
from striate.evaluate.disagreement import disagreements
from striate.evaluate.figures import Figure, headline
from striate.evaluate.judging import Judged, judged
from striate.evaluate.lists import class_table, mistakes
from striate.evaluate.pictures import Split, pictures_for
from striate.evaluate.rejection import Rejection, coverage, rejections
from striate.files import write_text
from striate.nets.ensemble import mean_answer
from striate.show.charts import curves
from striate.show.drawing import write_charts
from striate.show.names import listed, printable
from striate.show.numbers import count, percent
from striate.show.table import Column, Table, json_text
from striate.train.ensemble import PURPOSE
from striate.train.machine import pick_device
from striate.train.run import Run, open_run, own_folder
from striate.train.train import NO_KEYS
from striate.train.transfer.doubts import doubts

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good a network is on pictures.

    Parameters
    ----------
    figures
        the main ones, with intervals
    classes
        a row for each class
    mistakes
        a row for each wrong answer, the most confident first
    doubts
        a row for each label that is worth a look, the most doubtful first
    disagreements
        of an ensemble: a row for each picture that its members name differently, the most different first
    calibration
        how sure it is, beside how sure it should be
    rejections
        how many pictures get an answer, where so many of these are to be right
    coverage
        the same for all shares, in percent
    said
        what was judged, and what the network said of it
    notes
        what was judged, and how
    """

    figures: list[Figure]
    classes: Table
    mistakes: Table
    doubts: Table
    disagreements: Table | None
    calibration: Calibration
    rejections: list[Rejection]
    coverage: list[tuple[float, float]]
    said: Judged
    notes: list[str] = field(default_factory=list)

    @property
    def table(self) -> Table:
        """The main figures."""
        rows = []
        for figure in self.figures:
            value = f"{figure.value:.4f}" if figure.name == "loss" else percent(figure.value, 1)
            both = [percent(bound, 1) for bound in (figure.low, figure.high) if bound is not None]
            rows.append({"name": figure.name, "value": value, "interval": " … ".join(both) or None})
        return Table([Column("", "name", align="left"), Column("", "value"), Column("95 %", "interval")], rows)

    @property
    def sentences(self) -> list[str]:
        """How sure it may be."""
        # of all pictures as many are right as the first figure says
        told = [self.calibration.sentence, *(each.sentence for each in self.rejections if each.answered < 1)]
        if doubtful := self.doubts.rows:
            first = listed([row["name"] for row in doubtful])
            told.append(f"{count(len(doubtful), 'label')} may be worth a look: {first}")
        return told if self.disagreements is None else [*told, *self.disagreements.notes]

    @property
    def lists(self) -> dict[str, Table]:
        """By the names of their files."""
        every = {name: getattr(self, name) for name in ("classes", "mistakes", "doubts", "disagreements")}
        return {name: table for name, table in every.items() if table is not None}

    def charts(self) -> "dict[str, alt.LayerChart]":
        """Charts by name: how sure it is beside how often it is right, and what saying "don't know" brings."""
        bins = [(100 * each.sure, 100 * each.right) for each in self.calibration.bins]
        ends = [bins[0][0], bins[-1][0]] if bins else []
        fair = [(end, end) for end in ends]
        return {
            "calibration": curves("How sure, and how right", {"now": bins, "fair": fair}, "how sure, %", "right, %"),
            "rejection": curves("Answering fewer pictures", {"right": self.coverage}, "answered, %", "right, %"),
        }

    def save(self, folder: Path) -> None:
        """Write it all down: evaluation.json, a CSV file of each list, and the charts.

        Parameters
        ----------
        folder
            made if it is not there
        """
        write_charts(folder, self.charts())
        for name, table in self.lists.items():
            write_text(folder / f"{name}.csv", table.to_csv())
        write_text(folder / "evaluation.json", self.to_json())

    def to_json(self) -> str:
        """All of it but the lists of pictures."""
        return json_text(
            {
                "figures": [asdict(figure) for figure in self.figures],
                "classes": self.classes.rows,
                "calibration": asdict(self.calibration),
                "rejections": [asdict(each) for each in self.rejections],
                "notes": self.notes,
            }
        )

    def to_csv(self) -> str:
        """A row for each class."""
        return self.classes.to_csv()

    def __rich_console__(self, console, options):
        from rich.text import Text

        yield self.table
        yield self.classes
        for line in (*self.sentences, *self.notes):
            yield Text(line)

    def __str__(self) -> str:
        from striate.show.table import plain_text

        return plain_text(self)


def evaluate(
    run: Annotated[Path | Run, NO_KEYS],
    data: Annotated[str | Path | Dataset | None, NO_KEYS] = None,
    *,
    split: Split | None = None,
    crops: str = "1",
    output: Path | None = None,
    device: str | None = None,
    workers: int | None = None,
    on_bad: OnBad = "stop",
) -> Evaluation:
    """Judge a run's network: figures with intervals, classes, how sure it may be.

    Parameters
    ----------
    run
        a run's folder
    data
        other pictures with the same classes, all of them; those of the run if absent
    split
        val or test, and no others; of the run's own pictures test if there are any
    crops
        how often each picture is shown: 1, flip (and mirrored), 5 (corners and middle), 10 (these and mirrored), or a
        grid of 16, 25, …; what it says is averaged
    output
        a folder for evaluation.json, charts, and lists as CSV: classes, mistakes, labels in doubt, and of an ensemble
        what its members disagree on
    device
        cpu, cuda, cuda:1, …
    workers
        threads that load pictures
    on_bad
        stop at a picture that cannot be read, or skip it
    """
    run = run if isinstance(run, Run) else open_run(run)
    if split is not None:
        one_of("--split", split, Split)
    shown = read_crops(str(crops), run.preprocess)
    output = own_folder(output)
    pictures, notes = pictures_for(run, data, split, on_bad)
    network = run.net()["members"] if run.members else None  # what each of them says, of which the mean follows
    said = judged(run, pictures, shown, pick_device(device), workers, on_bad, network=network)
    labels, names, several = said.data.labels, said.data.names, said.data.several
    scores = mean_answer(torch.from_numpy(said.scores), several).numpy() if network else said.scores  # (n, classes)
    probabilities = expit(scores) if several else softmax(scores, axis=1)
    sure, right = answers(scores, labels)
    if len(shown) > 1:
        notes.append(f"each picture was shown {len(shown)} times, at {len(shown)} times the price")
    notes.append(f"the network takes {1000 * said.seconds:.1f} ms a picture here: {said.told[0]}")
    if run.members:
        notes.append(f"it is {count(len(run.members), 'network')} side by side: {PURPOSE}")
    if said.skipped:
        notes.append(f"{count(len(said.skipped))} left out, which cannot be read: {listed(said.skipped)}")
    found = Evaluation(
        figures=headline(scores, labels),
        classes=class_table(run.classes, scores, labels),
        mistakes=mistakes(run.classes, names, scores, labels),
        doubts=doubts(names, labels, probabilities, run.classes),
        disagreements=disagreements(run.members, run.classes, names, said.scores, labels) if run.members else None,
        calibration=calibration(scores, labels),
        rejections=[] if several else rejections(sure, right),
        coverage=[] if several else coverage(sure, right),
        said=replace(said, scores=scores),
        notes=notes,
    )
    if output is not None:
        found.save(output)
        files = ", ".join(f"{name}.csv" for name in found.lists)
        found.notes.append(f"written to {printable(output)}: evaluation.json, {files}, charts")
    return found
