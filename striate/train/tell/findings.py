"""What a training found out beside its weights, as parts of a page."""

import csv
from pathlib import Path
from xml.etree import ElementTree

from striate.errors import StriateError
from striate.show.drawing import for_page
from striate.show.names import printable
from striate.show.numbers import count, percent
from striate.show.page import Section, table_html, text
from striate.show.table import Table
from striate.train.run import Run, read_json
from striate.train.tell.album import SHOWN, Album
from striate.train.transfer.probe import COLUMNS

FIRST = ("stage", "accuracy", "interval", "gain")  # columns of the stages that a phone shows without scrolling


def findings(run: Run, album: Album) -> list[Section]:
    """A section for each finding that a run has.

    Parameters
    ----------
    run
        what it is about
    album
        its pictures
    """
    found = {
        "Labels worth a look": _doubts(run, album),
        "Stages": _stages(run),
        "More pictures": _more(run),
        "Learning rate": _rate(run),
    }
    return [Section(title, body) for title, body in found.items() if body]


def _doubts(run: Run, album: Album) -> str:
    path = run.folder / "doubts.csv"
    if not path.exists():
        return ""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = list(csv.DictReader(file))
        wanted = [
            (
                row["name"],
                (
                    f"labelled {row['label']}",
                    f"looks like {row['suggested']}",
                    f"{percent(float(row['given']))} against {percent(float(row['other']))}",
                ),
            )
            for row in rows
        ]
    except (OSError, csv.Error, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, error) from error
    pictures = count(run.config["data"]["pictures"]["train"])
    if not rows:
        return f"<p>No label of the {pictures} that it learned from is in doubt.</p>"
    whole = f"{count(len(rows), 'label')} of {pictures} that it learned from"
    first = f"; these are the {SHOWN} most doubtful, <code>doubts.csv</code> lists all" if len(rows) > SHOWN else ""
    return (
        f"<p>{whole} may be worth a look{first}. A label here may well be right.</p>"
        '<p class="faint">The probabilities are those of heads that had not seen the picture.</p>'
        f"{album.figures('train', wanted[:SHOWN])}"
    )


def _stages(run: Run) -> str:
    path = run.folder / "stages.json"
    if not path.exists():
        return ""
    told = read_json(path)
    columns = sorted(COLUMNS, key=lambda column: (*FIRST, column.key).index(column.key))
    return _beside(_chart(run, "stages"), told["notes"]) + table_html(Table(columns, told["rows"]))


def _more(run: Run) -> str:
    path = run.folder / "how-many.json"
    return _beside(_chart(run, "how-many"), read_json(path)["notes"] if path.exists() else [])


def _rate(run: Run) -> str:
    if not (chart := _chart(run, "learning-rate")):
        return ""
    why = (
        "Before the training, a copy of the network took steps with a rate that rose. Where its loss had done three "
        f"quarters of its fall, the rate was {run.config['recipe']['lr']:.2g}."
    )
    return _beside(chart, [why])


def _beside(chart: str, notes: list[str]) -> str:
    """A chart and what there is to say, beside it where there is room; "" where there is neither."""
    if not chart and not notes:
        return ""
    lines = "".join(f"<p>{text(note)}</p>" for note in notes)
    return f'<div class="charts">{chart}<div style="flex: 1 1 18rem">{lines}</div></div>'


def _chart(run: Run, name: str) -> str:
    """A chart that was written as a file of its own, in the colours of the page; "" where there is none."""
    path = run.folder / f"{name}.svg"
    if not path.exists():
        return ""
    try:
        return for_page(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> StriateError:
    return StriateError(f"{printable(path)} is part of a run, but cannot be read: {error}")
