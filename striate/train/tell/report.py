"""The report of a run: one page that says what was asked, how it went and what came of it."""

from pathlib import Path
from shlex import quote
from typing import Any

from striate.files import write_whole
from striate.measure.shapes import measure
from striate.show.numbers import count, duration, exact
from striate.show.page import Section, page, table_html, text
from striate.show.table import Column, Table
from striate.train.parts import Parts
from striate.train.recipe import option
from striate.train.run import Run, accuracy
from striate.train.tell.album import Album
from striate.train.tell.course import course, epochs_of
from striate.train.tell.findings import findings
from striate.train.tell.mistakes import Answers, class_rows, confusion, pictures
from striate.train.tell.telling import left_out

MOST = 20  # names of pictures that were left out
LONGEST = 60  # letters of a network's name, which may be its text
SPLITS = {"validation": "val", "test": "test"}


def write_report(run: Run, parts: Parts | None = None) -> Path:
    """Write a run's report.html; returns where it is.

    Parameters
    ----------
    run
        what it is about
    parts
        its pictures, if they are open already; otherwise they are opened to show some
    """
    path = run.folder / "report.html"
    content = report(run, parts).encode("utf-8")
    write_whole(path, lambda file: file.write(content))
    return path


def report(run: Run, parts: Parts | None = None) -> str:
    """The page as HTML.

    Parameters
    ----------
    run
        what it is about
    parts
        its pictures, if they are open
    """
    answers, album, history = Answers.of(run), Album(run, parts), run.history
    drawn = course(run, history)
    sections = [Section("Curves", drawn)] if drawn else []
    if answers:
        if not answers.several:
            sections.append(Section("What was taken for what", confusion(answers)))
        sections.append(Section("Classes", class_rows(answers)))
        sections.append(Section("Worst mistakes", pictures(answers, album)))
    sections += findings(run, album)
    sections += [Section("Settings", settings(run, history)), Section("Network", _network(run))]
    return page(f"Run {run.name}", sections, lead(run, history))


def _solved(history: list[dict[str, Any]]) -> bool:
    """Whether the head was found directly, at no learning rate, which no step has."""
    epochs = epochs_of(history)
    return bool(epochs) and all(line["lr"] == 0 for line in epochs)


def lead(run: Run, history: list[dict[str, Any]]) -> str:
    """What came of it, and what one should know, before all else.

    Parameters
    ----------
    run
        what it is about
    history
        its own
    """
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
    if ended and ended["validation"] and not ended["test"] and len(epochs_of(history)) > 1:
        lines.append(
            "The epoch was chosen by the same pictures, so the figure is a little too good; that of a test split would "
            "not be."
        )
    number = config["data"]["pictures"]["train"]
    name = config["network"]["name"]
    name = name if len(name) <= LONGEST else "A network of its own text"
    learned = f"{name} learned from {count(number)} of {count(len(run.classes), 'class')}"
    if ended:
        learned += f" in {duration(ended['seconds'])}"
        if not _solved(history):
            learned += f"; its weights are those after epoch {ended['epoch']:g}"
        if ended["stopped"]:
            learned += f". It stopped early: {ended['stopped']}"
    lines.append(f"{text(learned)}.")
    if _solved(history):
        lines.append(_how_solved(run))
    notes = [line["text"] for line in history if line["kind"] == "note"]
    if ended:
        notes += [f"{note}: {count(number)}" for note, number in ended["notes"].items()]
        notes += left_out(ended["skipped"], MOST)
    faint = "".join(f'<p class="faint">{text(note)}</p>' for note in notes)
    return "".join(f"<p>{line}</p>" for line in lines) + faint


def _how_solved(run: Run) -> str:
    recipe = run.config["recipe"]
    told = "All but its head stayed as it was. The head that fits best was solved directly, without steps, from "
    told += f"{count(recipe['views'], 'view')} of each picture"
    if recipe["members"] > 1:
        told += f"; it is the mean of {recipe['members']} heads"
    return f"{told}."


def settings(run: Run, history: list[dict[str, Any]]) -> str:
    """What was asked for and what was chosen, with the command that repeats it.

    Parameters
    ----------
    run
        what it is about
    history
        its own
    """
    config = run.config
    asked = [
        {"name": option(name), "value": _plain(value), "why": "asked for"} for name, value in config["asked"].items()
    ]
    chosen = [{"name": name, "value": value, "why": why} for name, value, why in config["chosen"]]
    columns = [Column("setting", "name", align="left"), Column("value", "value", align="left")]
    reasons = Table([*columns, Column("why", "why", align="left")], asked + chosen)
    every = {**config["recipe"], **{f"machine: {name}": value for name, value in config["machine"].items()}}
    rows = [{"name": name.replace("_", " "), "value": _plain(value)} for name, value in every.items()]
    unused = '<p class="faint">What concerns steps had no effect: a head that is solved takes none.</p>'
    return (
        f"<p>Made by <code>{text(config['command'])}</code>, with striate {text(config['striate'])}. "
        f"<code>striate train --like {text(quote(str(run.folder)))}</code> repeats it.</p>{table_html(reasons)}"
        f"<details><summary>All settings</summary>{unused if _solved(history) else ''}"
        f"{table_html(Table(columns, rows))}</details>"
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
