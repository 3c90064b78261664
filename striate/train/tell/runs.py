"""The command `runs`: which trainings there are, how good they are, and in what they differ."""

import fcntl
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any

from striate.errors import StriateError
from striate.show.drawing import write_chart
from striate.show.names import printable
from striate.show.numbers import count, duration, exact, percent, show_size
from striate.show.table import Column, Table
from striate.train.learn.tally import wilson
from striate.train.run import Run, is_run, open_run
from striate.train.tell.course import curves

MARK = "★"
LONGEST = 40  # letters of a cell
CALLED = {"epochs": "epochs planned"}  # beside those that were made
FINGERPRINT = 8  # letters that tell two apart
DAMAGED = (StriateError, LookupError, TypeError, ValueError, AttributeError)  # of what a file of a run may lack


def runs(*where: Path, chart: Path | None = None) -> Table:
    """List runs with what came of them, or compare several.

    Parameters
    ----------
    where
        a folder with runs in it (without one: runs/), or two runs or more, of which the settings that differ are shown
    chart
        a file that ends in .svg or .png, where to draw how the training of a single run went
    """
    if chart is not None and (len(where) != 1 or not is_run(where[0])):
        told = f"{len(where)} are given" if len(where) != 1 else f"{printable(where[0])} is none"
        raise StriateError(
            f"--chart draws one run, but {told}; `striate runs runs/NAME --chart {printable(chart)}` would"
        )
    if len(where) > 1:
        return _compared([_Figures(open_run(folder)) for folder in where])
    folder = Path(where[0]) if where else Path("runs")
    if not folder.is_dir():
        raise StriateError(
            f"runs are kept in a folder, but {printable(folder)} is {'a file' if folder.exists() else 'not there'}; "
            "`striate train` makes one"
        )
    single = is_run(folder)
    inside = [folder] if single else sorted(path for path in folder.iterdir() if _may_be_run(path))
    rows, found, notes = [], [], []
    for path in inside:
        try:
            figures = _Figures(open_run(path))
            rows.append(figures.row)
            found.append(figures)
        except DAMAGED as error:
            told = str(error) if isinstance(error, StriateError) else f"{path}: config.json lacks {error}"
            notes.append(f"damaged: {told}")
    if not inside:
        raise StriateError(f"{printable(folder)} has no runs in it; `striate train` makes one")
    if chart is not None:
        write_chart(chart, curves(folder))
        notes.append(f"written: {printable(chart)}")
    if marked := _best(found):
        for figures, row in zip(found, rows, strict=True):
            row["best"] = figures in marked
        notes.insert(0, f"{MARK} the best validation among the runs on the same pictures")
    if unfinished := [figures.run.folder for figures in found if figures.state == "unfinished"]:
        first = printable(quote(str(unfinished[0])))
        notes.append(f"what is unfinished goes on with --resume, such as `striate train --resume {first}`")
    # a column that says nothing of any run would push out one that does
    columns = [column for column in COLUMNS if column.key not in SPARSE or any(row[column.key] for row in rows)]
    return Table(columns, rows, f"{count(len(rows), 'run')} in {printable(folder)}", notes=notes)


def _brief(value: Any) -> str:
    """A cell; a network may be called by its text."""
    told = f"{value:g}" if isinstance(value, float) else printable(value)
    return f"{told[: LONGEST - 1]}…" if len(told) > LONGEST else told


SPARSE = ("best", "test")  # columns of what not every run has
COLUMNS = [
    Column("run", "name", printable, "left"),
    Column("", "best", lambda best: MARK if best else "", "left"),
    Column("network", "network", _brief, "left", narrow=3),
    Column("data", "data", printable, "left", narrow=7),
    Column("pictures", "pictures", exact, narrow=6),
    Column("epochs", "progress", narrow=2),
    Column("measure", "measure", narrow=5),
    Column("validation", "validation", lambda share: percent(share, 1)),
    Column("95 %", "interval", narrow=1),
    Column("test", "test", lambda share: percent(share, 1), narrow=1),
    Column("time", "seconds", duration, narrow=4),
    Column("begun", "begun", lambda when: when.replace("T", " ")[:16], "left", narrow=8),
    Column("state", "state", align="left"),
]


@dataclass(frozen=True, eq=False)
class _Figures:
    """What a table shows of a run."""

    run: Run

    @cached_property
    def result(self) -> dict[str, Any] | None:
        return self.run.result

    @cached_property
    def validation(self) -> dict[str, float]:
        return (self.result["validation"] if self.result else self.run.figures) or {}

    @property
    def measure(self) -> str:
        return "mAP" if self.run.config["data"]["several"] else "top-1"

    @property
    def score(self) -> float | None:
        return _score(self.validation)

    @property
    def interval(self) -> str | None:
        """Between which shares the accuracy lies; ranks of several labels have no such formula."""
        number = self.run.config["data"]["pictures"]["val"]
        if "top1" not in self.validation or not number:
            return None
        low, high = wilson(round(self.validation["top1"] * number), number)
        return f"{100 * low:.1f}–{100 * high:.1f} %"

    @cached_property
    def epochs(self) -> float:
        return max((line["epoch"] for line in self.run.history if line["kind"] == "epoch"), default=0)

    @property
    def seconds(self) -> float:
        if self.result:
            return self.result["seconds"]
        return max((line["seconds"] for line in self.run.history if "seconds" in line), default=0)

    @property
    def state(self) -> str:
        if _held(self.run.folder / "lock"):
            return "running"
        if self.result is None:
            return "unfinished"
        return "stopped early" if self.result["stopped"] else "finished"

    @property
    def row(self) -> dict[str, Any]:
        config = self.run.config
        planned = config["recipe"].get("epochs")
        return {
            "name": self.run.name,
            "best": False,
            "network": config["network"]["name"],
            "data": Path(config["data"]["where"]).name,
            "pictures": config["data"]["pictures"]["train"],
            "epochs": self.epochs,
            "planned": planned,
            "progress": f"{self.epochs:g}/{planned:g}" if planned else None,  # an ensemble has none of its own
            "measure": self.measure,
            "validation": self.score,
            "interval": self.interval,
            "test": _score(self.result["test"] or {}) if self.result else None,
            "seconds": self.seconds,
            "begun": self.run.config["begun"],
            "state": self.state,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """All that may make a difference."""
        config = self.run.config
        told = {
            "network": config["network"]["name"],
            "layers": config["network"]["text"].replace("\n", " "),
            "input": show_size(tuple(config["network"]["input"])),
            "data": config["data"]["where"],
            "fingerprint of the data": config["data"]["fingerprint"][:FINGERPRINT],
            **{f"{split} pictures": number for split, number in config["data"]["pictures"].items()},
            **{CALLED.get(name, name.replace("_", " ")): value for name, value in config["recipe"].items()},
            **{f"pictures: {name}": value for name, value in self.run.preprocess.to_dict().items() if name != "size"},
            **{f"machine: {name}": value for name, value in config["machine"].items()},
            "striate": config["striate"],
        }
        if "epochs planned" in told:
            told["epochs planned"] = round(told["epochs planned"], 2)
        return {name: _plain(value) for name, value in told.items()}


def _best(found: Iterable[_Figures]) -> list[_Figures]:
    """Of runs on the same pictures the best, which may be several, where there are two or more."""
    groups: dict[tuple[str, str], list[_Figures]] = {}
    for figures in found:
        if figures.score is not None:
            groups.setdefault((figures.run.config["data"]["fingerprint"], figures.measure), []).append(figures)
    best = {key: max(figures.score or 0 for figures in group) for key, group in groups.items() if len(group) > 1}
    return [figures for key, score in best.items() for figures in groups[key] if figures.score == score]


def _compared(found: list[_Figures]) -> Table:
    """The settings that differ, with a column for each run."""
    folders = [figures.run.folder.resolve() for figures in found]
    if len(set(folders)) < len(folders):
        twice = next(folder for folder in folders if folders.count(folder) > 1)
        raise StriateError(f"runs are compared with others, but {printable(twice)} is given twice")
    same = len({figures.run.config["data"]["fingerprint"] for figures in found}) == 1
    best = _best(found) if same else []
    names = [figures.run.name for figures in found]
    if len(set(names)) < len(names):
        names = [str(figures.run.folder) for figures in found]
    every = [figures.settings for figures in found]
    rows = []
    for setting in dict.fromkeys(name for settings in every for name in settings):
        values = [settings.get(setting) for settings in every]
        if any(value != values[0] for value in values):
            rows.append({"setting": setting, **dict(zip(names, values, strict=True))})
    for what, values in {
        "epochs made": [round(figures.epochs, 2) for figures in found],
        "validation, %": [_percent(figures.score) for figures in found],
        "95 % between": [figures.interval for figures in found],
        "test, %": [_percent(figures.row["test"]) for figures in found],
        "seconds": [figures.seconds for figures in found],
        "state": [figures.state for figures in found],
    }.items():
        if any(value is not None for value in values):
            rows.append({"setting": what, **dict(zip(names, values, strict=True))})
    columns = [Column("", "setting", align="left")]
    for name, figures in zip(names, found, strict=True):
        columns.append(Column(f"{printable(name)} {MARK}" if figures in best else printable(name), name, _brief))
    notes = [f"{MARK} the best validation"] if best else []
    if not same:
        notes = ["not all learned from the same pictures, so their figures do not say which is better"]
    return Table(columns, rows, notes=notes)


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return value if value is None or isinstance(value, int | float) else printable(value)


def _score(figures: dict[str, float]) -> float | None:
    return figures.get("top1", figures.get("mean_average_precision"))


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _may_be_run(path: Path) -> bool:
    """Whether somebody trained here; a folder in which the first step is still being prepared is none yet."""
    return path.is_dir() and any(
        (path / name).exists() for name in ("config.json", "history.jsonl", "model.safetensors")
    )


def _held(lock: Path) -> bool:
    """Whether a process writes into a run's folder: the file says who, and the system whether that is true."""
    try:
        if not lock.read_bytes():  # it is emptied at the end
            return False
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
