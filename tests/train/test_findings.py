"""What a training found out stands on its page: doubts with their pictures, and charts in the colours of the page."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from kept import keep
from made import encoded, photo

from striate.errors import StriateError
from striate.files import write_whole
from striate.show.charts import curves
from striate.show.drawing import inline, write_chart
from striate.show.page import text
from striate.train.tell.album import SHOWN, Album
from striate.train.tell.findings import findings
from striate.train.tell.report import report
from striate.train.transfer.costs import Cost
from striate.train.transfer.doubts import doubts
from striate.train.transfer.folds import fold
from striate.train.transfer.probe import probe

CLASSES = ("cat", "dog")


def shown(run) -> dict[str, str]:
    """The sections by their titles."""
    return {section.title: section.body for section in findings(run, Album(run))}


def doubt(folder: Path, rows: list[tuple]) -> None:
    """Write doubts.csv."""
    with (folder / "doubts.csv").open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("name", "label", "suggested", "given", "other"), *rows])


@pytest.fixture
def photos(tmp_path) -> Path:
    for split in ("train", "val"):
        for place, name in enumerate(CLASSES):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(3):
                (folder / f"{number}.png").write_bytes(encoded(photo(10 * place + number)))
    return tmp_path / "photos"


def test_a_run_without_findings_has_no_section(tmp_path):
    assert shown(keep(tmp_path / "run")) == {}


def test_doubts_are_shown_with_pictures_of_the_training_split(tmp_path, photos):
    run = keep(tmp_path / "run", where=str(photos))
    rows = [("train/dog/1.png", "dog", "cat", 0.021, 0.967), ("train/cat/0.png", "cat", "dog", 0.3, 0.6)]
    doubt(run.folder, [*rows, ("val/cat/0.png", "cat", "dog", 0.3, 0.6)])
    body = shown(run)["Labels worth a look"]
    assert re.findall('<img[^>]* alt="([^"]*)"', body) == ["train/dog/1.png", "train/cat/0.png"]
    lines = re.findall('<div class="faint">([^<]*)</div>', body)
    assert lines[:3] == ["labelled dog", "looks like cat", "2 % against 97 %"]
    assert "3 labels of 80 pictures that it learned from may be worth a look." in body
    assert body.count("cannot be shown</div>") == 1  # it is not in that split


def test_the_file_that_a_training_writes_is_read(tmp_path):
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    sure = np.where(random.random(40) < 0.2, 0.05, 0.95)  # for its label
    probabilities = np.where(np.arange(2) == labels[:, None], sure[:, None], 1 - sure[:, None])
    names = [f'a "{number}", b\n\udcff.png' for number in range(40)]
    table = doubts(names, labels, probabilities, CLASSES, fold(labels, np.array([""] * 40), CLASSES))
    run = keep(tmp_path / "run")
    content = table.to_csv().encode("utf-8", "surrogateescape")
    write_whole(run.folder / "doubts.csv", lambda file: file.write(content))
    body = shown(run)["Labels worth a look"]
    told = [name.replace("<wbr>", "") for name in re.findall("<bdi>(.*?)</bdi>", body)]
    assert told == [text(row["name"]) for row in table.rows] != []
    assert "They cannot be shown: " in body


def test_many_doubts_are_counted_and_none_is_told(tmp_path):
    run = keep(tmp_path / "run")
    doubt(run.folder, [(f"{number}.png", "cat", "dog", 0.1, 0.9) for number in range(SHOWN + 5)])
    body = shown(run)["Labels worth a look"]
    assert body.count("<figure>") == SHOWN
    assert f"{SHOWN + 5} labels of 80 pictures" in body
    assert f"these are the {SHOWN} most doubtful, <code>doubts.csv</code> lists all" in body
    (run.folder / "doubts.csv").write_text("\n")  # as a table without rows is written
    assert shown(run)["Labels worth a look"] == "<p>No label of the 80 pictures that it learned from is in doubt.</p>"


def test_stages_have_their_table_chart_and_sentences(tmp_path):
    random = np.random.default_rng(0)
    labels = np.arange(60) % 2
    features = {
        name: random.normal(size=(60, 1, 4)) + far * labels[:, None, None] for name, far in (("a", 1), ("b", 3))
    }
    costs = {"a": Cost(1000, 0.001), "b": Cost(3000, 0.003)}
    probes = probe(features, labels, np.array([""] * 60), CLASSES, costs)
    run = keep(tmp_path / "run")
    (run.folder / "stages.json").write_text(probes.to_json(), encoding="utf-8")
    write_chart(run.folder / "stages.svg", probes.chart)
    body = shown(run)["Stages"]
    rows = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in re.findall("<tr>(.*?)</tr>", body)]
    assert rows[0][:4] == ["stage", "accuracy", "95 %", "brings"]
    table = probes.table
    assert [sorted(row) for row in rows[1:]] == [
        sorted(table.cell(column, row) for column in table.columns) for row in table.rows
    ]
    assert all(text(note) in body for note in table.notes)
    assert inline(probes.chart) in body


def test_a_chart_takes_the_colours_of_the_page(tmp_path):
    run = keep(tmp_path / "run", settings={"lr": 0.0123})
    charts = {
        name: curves(name, {"line": [(1, 1), (10, 2)]}, "x", "y", marks={"here": 3}, log_x=True)
        for name in ("how-many", "learning-rate")
    }
    for name, chart in charts.items():
        write_chart(run.folder / f"{name}.svg", chart)
    (run.folder / "how-many.json").write_text(json.dumps({"rows": [], "notes": ["twice <b>as many"]}))
    sections = shown(run)
    assert list(sections) == ["More pictures", "Learning rate"]
    assert inline(charts["how-many"]) in sections["More pictures"]
    assert "twice &lt;b&gt;as many" in sections["More pictures"]
    assert inline(charts["learning-rate"]) in sections["Learning rate"]
    assert "the rate was 0.012." in sections["Learning rate"]
    content = report(run)
    assert content.count("<style>") == 1
    assert "http" not in content.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("stages.svg", "<svg><path"),
        ("how-many.svg", "<svg><b></svg>"),
        ("learning-rate.svg", b"\xff"),
        ("doubts.csv", "name,label\na,b\n"),
        ("doubts.csv", "name,label,suggested,given,other\na,b,c,much,0.5\n"),
        ("doubts.csv", "name,label,suggested,given,other\na,b\n"),
        ("stages.json", "{"),
    ],
)
def test_a_file_that_is_not_whole_is_named(tmp_path, name, content):
    run = keep(tmp_path / "run")
    (run.folder / "stages.json").write_text('{"rows": [], "notes": []}')
    (run.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(StriateError, match=rf"{name} is part of a run, but cannot be read"):
        shown(run)
