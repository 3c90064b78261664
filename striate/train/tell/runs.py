"""The command `runs`: which trainings there are, how good they are, and in what they differ."""

from collections.abc import Iterable
from pathlib import Path
from shlex import quote
from typing import Any

from striate.errors import StriateError
from striate.show.drawing import write_chart
from striate.show.names import printable
from striate.show.numbers import count, duration, exact, percent
from striate.show.table import Column, Table
from striate.train.run import is_run, open_run
from striate.train.tell.course import curves
from striate.train.tell.standing import Standing

MARK = "★"
LONGEST = 40  # letters of a cell
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
        return _compared([Standing(open_run(folder)) for folder in where])
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
            figures = Standing(open_run(path))
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


def _best(found: Iterable[Standing]) -> list[Standing]:
    """Of runs on the same pictures the best, which may be several, where there are two or more."""
    groups: dict[tuple[str, str], list[Standing]] = {}
    for figures in found:
        if figures.score is not None:
            groups.setdefault((figures.run.config["data"]["fingerprint"], figures.measure), []).append(figures)
    best = {key: max(figures.score or 0 for figures in group) for key, group in groups.items() if len(group) > 1}
    return [figures for key, score in best.items() for figures in groups[key] if figures.score == score]


def _compared(found: list[Standing]) -> Table:
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


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _may_be_run(path: Path) -> bool:
    """Whether somebody trained here; a folder in which the first step is still being prepared is none yet."""
    return path.is_dir() and any(
        (path / name).exists() for name in ("config.json", "history.jsonl", "model.safetensors")
    )
