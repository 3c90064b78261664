"""The report of a run: one page that says what was asked, how it went and what came of it."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from striate.data.dataset import Dataset
from striate.files import write_whole
from striate.measure.shapes import measure
from striate.show.charts import curves
from striate.show.names import listed
from striate.show.numbers import count, duration, exact
from striate.show.page import Section, page, table_html, text
from striate.show.table import Column, Table
from striate.train.recipe import option
from striate.train.run import Run, accuracy
from striate.train.tell.mistakes import Answers, class_rows, confusion, pictures

POINTS = 200  # of a line; more are averaged
LONGEST = 60  # letters of a network's name, which may be its text
SPLITS = {"validation": "val", "test": "test"}


def write_report(run: Run, data: Dataset | None = None) -> Path:
    """Write a run's report.html; returns where it is.

    Parameters
    ----------
    run
        what it is about
    data
        its validation pictures, if they are open already; otherwise they are opened to show some
    """
    path = run.folder / "report.html"
    content = report(run, data).encode("utf-8")
    write_whole(path, lambda file: file.write(content))
    return path


def report(run: Run, data: Dataset | None = None) -> str:
    """The page as HTML.

    Parameters
    ----------
    run
        what it is about
    data
        its validation pictures, if they are open
    """
    answers = Answers.of(run)
    # a head that was solved directly took one step
    sections = [Section("Curves", _curves(run))] if run.config["steps"] > 1 else []
    if answers:
        if not answers.several:
            sections.append(Section("What was taken for what", confusion(answers)))
        sections.append(Section("Classes", class_rows(answers)))
        sections.append(Section("Worst mistakes", pictures(answers, run, data)))
    sections += [Section("Settings", _settings(run)), Section("Network", _network(run))]
    return page(f"Run {run.name}", sections, _lead(run))


def _lead(run: Run) -> str:
    config, ended = run.config, run.result
    lines = []
    if ended is None:
        lines.append("<strong>It has not ended.</strong>")
    elif not ended["validation"] and not ended["test"]:
        lines.append("<strong>There were no pictures to judge it by.</strong>")
    for split, name in SPLITS.items():
        if ended and ended[split]:
            figures = accuracy(ended[split], config["data"]["pictures"][name])
            lines.append(f"<strong>On {split} pictures: {figures}.</strong>")
    if ended and ended["validation"] and not ended["test"]:
        lines.append(
            "The epoch was chosen by the same pictures, so the figure is a little too good; that of a test split would "
            "not be."
        )
    number = config["data"]["pictures"]["train"]
    name = config["network"]["name"]
    name = name if len(name) <= LONGEST else "A network of its own text"
    learned = f"{name} learned from {count(number)} of {count(len(run.classes), 'class')}"
    if ended:
        learned += f" in {duration(ended['seconds'])}; its weights are those after epoch {ended['epoch']:g}"
        if ended["stopped"]:
            learned += f". It stopped early: {ended['stopped']}"
    lines.append(f"{text(learned)}.")
    notes = [line["text"] for line in run.history if line["kind"] == "note"]
    if ended:
        notes += [f"{note}: {count(number)}" for note, number in ended["notes"].items()]
        notes += [f"skipped while training: {listed(ended['skipped'])}"] if ended["skipped"] else []
    faint = "".join(f'<p class="faint">{text(note)}</p>' for note in notes)
    return "".join(f"<p>{line}</p>" for line in lines) + faint


def _curves(run: Run) -> str:
    history, recipe = run.history, run.config["recipe"]
    per_epoch = run.config["steps"] / recipe["epochs"]
    epochs = [line for line in history if line["kind"] == "epoch"]
    steps = [line for line in history if line["kind"] == "step"]
    if not epochs and not steps:
        return "<p>No epoch has ended.</p>"

    def of(part: str, figure: str, factor: float = 1) -> list[tuple[float, float]]:
        return [(line["epoch"], factor * line[part][figure]) for line in epochs if figure in line[part]]

    marks = {"best": run.result["epoch"]} if run.result else {}
    by_step = [(line["step"] / per_epoch, line["loss"]) for line in steps]
    training = _averaged(by_step) if len(steps) > len(epochs) else of("training", "loss")
    losses = {"training": training, "validation": of("validation", "loss")}
    charts = [curves("Loss", losses, "epoch", "loss", marks=marks)]
    right = {"training": of("training", "top1", 100), "validation": of("validation", "top1", 100)}
    right |= {"first five": of("validation", "top5", 100)}
    if any(right.values()):
        charts.append(curves("Right answers", right, "epoch", "%", marks=marks))
    if precision := of("validation", "mean_average_precision"):
        charts.append(curves("Mean average precision", {"validation": precision}, "epoch", "", marks=marks))
    rates = sorted((line["step"] / per_epoch, line["lr"]) for line in [*steps, *epochs])
    charts.append(curves("Learning rate", {"rate": _thinned(rates)}, "epoch", ""))
    harder = [name for name in ("label_smoothing", "mixup", "cutmix", "dropout") if recipe[name]]
    harder += ["distortion"] if recipe["distortion"] != "none" else []
    words = ", ".join(name.replace("_", " ") for name in harder)
    note = f'<p class="faint">Training is harder than validation, by {text(words)}.</p>' if harder else ""
    return f'<div class="charts">{"".join(charts)}</div>{note}'


def _averaged(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means over equally many neighbours, so that a line has few points."""
    size = -(-len(points) // POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Every so manieth point, and the last."""
    return [*points[: -1 : -(-len(points) // POINTS)], points[-1]]


def _settings(run: Run) -> str:
    config = run.config
    asked = [
        {"name": option(name), "value": _plain(value), "why": "asked for"} for name, value in config["asked"].items()
    ]
    chosen = [{"name": name, "value": value, "why": why} for name, value, why in config["chosen"]]
    columns = [Column("setting", "name", align="left"), Column("value", "value", align="left")]
    reasons = Table([*columns, Column("why", "why", align="left")], asked + chosen)
    every = {**config["recipe"], **{f"machine: {name}": value for name, value in config["machine"].items()}}
    rows = [{"name": name.replace("_", " "), "value": _plain(value)} for name, value in every.items()]
    return (
        f"<p>Made by <code>{text(config['command'])}</code>, with striate {text(config['striate'])}. "
        f"<code>striate train --like {text(quote(str(run.folder)))}</code> repeats it.</p>{table_html(reasons)}"
        f"<details><summary>All settings</summary>{table_html(Table(columns, rows))}</details>"
    )


def _network(run: Run) -> str:
    about = run.config["network"]
    ledger = measure(about["text"], tuple(about["input"]), by="stage", classes=len(run.classes))
    table = ledger.table
    totals = ledger.totals
    table.title = f"{exact(totals.parameters)} parameters, {exact(totals.macs)} MACs a picture"
    return (
        f"{table_html(table)}<details><summary>As a text</summary><p><code>{text(about['text'])}</code></p></details>"
    )


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return exact(value)
    if isinstance(value, float):
        return f"{value:g}"
    return "the network's own" if value is None else str(value)
