"""The list of runs, and what makes them differ."""

import fcntl
import json
import re
import shutil

import pytest
from kept import history, keep

from striate.errors import StriateError
from striate.show.table import plain_text
from striate.train.learn.tally import wilson
from striate.train.run import open_run
from striate.train.tell.runs import runs


@pytest.fixture
def folder(tmp_path):
    """Three runs: a good one, a better one of another rate, one that has not ended."""
    keep(tmp_path / "runs" / "first", validation={"loss": 0.7, "top1": 0.7}, test={"loss": 1, "top1": 0.6})
    keep(tmp_path / "runs" / "second", validation={"loss": 0.6, "top1": 0.8}, settings={"lr": 0.1, "mixup": 0.2})
    keep(tmp_path / "runs" / "third", ended=False, lines=history(4)[:20], settings={"ema": 0.99})
    return tmp_path / "runs"


def test_the_list(folder):
    rows = {row["name"]: row for row in runs(folder).rows}
    assert list(rows) == ["first", "second", "third"]
    assert [row["validation"] for row in rows.values()] == [0.7, 0.8, 0.5]
    assert [row["test"] for row in rows.values()] == [0.6, None, None]
    assert [row["best"] for row in rows.values()] == [False, True, False]
    assert [row["state"] for row in rows.values()] == ["finished", "finished", "unfinished"]
    assert [row["progress"] for row in rows.values()] == ["4/4", "4/4", "2/4"]
    low, high = wilson(28, 40)
    assert rows["first"]["interval"] == f"{100 * low:.1f}–{100 * high:.1f} %"
    assert [row["seconds"] for row in rows.values()] == [123, 123, 20]


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_list_fits_and_keeps_what_counts(folder, width):
    told = plain_text(runs(folder), width)
    assert all(len(line) <= width for line in told.splitlines())
    for word in ("second", "80.0 %", "★", "unfinished"):
        assert word in told


def test_a_list_at_80_columns_has_network_and_epochs_instead_of_an_empty_column(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    shutil.rmtree(folder / "first")  # the only one with a test
    told = plain_text(runs(), 80)
    assert re.search("run +network +epochs +validation +95 % +state\n", told)
    assert "test" not in told
    assert "such as `striate train --resume runs/third`" in told.replace("\n", " ")


def test_equals_are_both_the_best(folder):
    path = folder / "first" / "result.json"
    result = json.loads(path.read_text())
    result["validation"]["top1"] = 0.8
    path.write_text(json.dumps(result))
    assert [row["best"] for row in runs(folder).rows] == [True, True, False]
    columns = runs(folder / "first", folder / "second").columns
    assert [column.title for column in columns] == ["", "first ★", "second ★"]


def test_a_comparison_has_texts_that_can_be_read(folder):
    path = folder / "second" / "config.json"
    config = json.loads(path.read_text())
    config["data"]["fingerprint"] = "0123456789abcdef"
    config["network"]["text"] = "stem: relu\nhead: fc 2"
    config["recipe"]["epochs"] = 0.898024
    path.write_text(json.dumps(config))
    rows = {row["setting"]: row["second"] for row in runs(folder / "first", folder / "second").rows}
    assert rows["fingerprint of the data"] == "01234567"
    assert rows["layers"] == "stem: relu head: fc 2"
    assert (rows["epochs planned"], rows["epochs made"]) == (0.9, 4)


def test_it_leaves_as_json_and_csv(folder):
    assert json.loads(runs(folder).to_json())["rows"][1]["validation"] == 0.8
    assert runs(folder).to_csv().splitlines()[2].startswith("second,True,small,")


def test_without_words_it_looks_into_runs(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert len(runs().rows) == 3
    assert [row["name"] for row in runs(folder / "first").rows] == ["first"]


def test_a_run_that_is_written_is_running(folder):
    lock = folder / "third" / "lock"
    with lock.open("w") as file:
        file.write("{}")
        file.flush()
        assert runs(folder).rows[2]["state"] == "unfinished"  # of a process that was killed
        fcntl.flock(file, fcntl.LOCK_EX)
        assert runs(folder).rows[2]["state"] == "running"
    assert runs(folder).rows[2]["state"] == "unfinished"


def test_only_runs_on_the_same_pictures_compete(folder):
    path = folder / "second" / "config.json"
    config = json.loads(path.read_text())
    config["data"]["fingerprint"] = "another"
    path.write_text(json.dumps(config))
    table = runs(folder)
    assert [row["best"] for row in table.rows] == [True, False, False]
    told = str(runs(folder / "first", folder / "second"))
    assert "not all learned from the same pictures" in told
    assert "★" not in told


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("config.json", "{", "cannot be read"),
        ("config.json", '{"format": 9}', "format 9"),
        ("config.json", '{"format": 1}', "lacks"),
        ("config.json", "[]", "lacks"),
        ("config.json", None, "has none"),
        ("history.jsonl", "what\n", "line 1"),
        ("result.json", "", "cannot be read"),
    ],
)
def test_a_damaged_run_is_named_and_the_others_are_listed(folder, name, content, sentence):
    path = folder / "second" / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    table = runs(folder)
    assert [row["name"] for row in table.rows] == ["first", "third"]
    (note,) = (note for note in table.notes if note.startswith("damaged"))
    assert sentence in note
    assert "second" in note


def test_no_runs_are_a_sentence(tmp_path):
    with pytest.raises(StriateError, match="is not there"):
        runs(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(StriateError, match="is a file"):
        runs(tmp_path / "file")
    (tmp_path / "empty" / "notes").mkdir(parents=True)
    with pytest.raises(StriateError, match="no runs in it"):
        runs(tmp_path / "empty")


def test_the_comparison_shows_what_differs_and_nothing_else(folder):
    table = runs(folder / "first", folder / "second")
    rows = {row["setting"]: (row["first"], row["second"]) for row in table.rows}
    assert rows["lr"] == (0.05, 0.1)
    assert rows["mixup"] == (0.0, 0.2)
    assert rows["validation, %"] == (70.0, 80.0)
    assert rows["test, %"] == (60.0, None)
    assert rows["test pictures"] == (20, 0)
    assert not rows.keys() & {"epochs", "batch size", "network", "layers", "data", "machine: python"}
    assert [column.title for column in table.columns] == ["", "first", "second ★"]


def test_runs_of_one_name_are_told_apart(folder, tmp_path):
    shutil.copytree(folder / "first", tmp_path / "other" / "first")
    table = runs(folder / "first", tmp_path / "other" / "first", folder / "second")
    assert table.columns[2].key == str(tmp_path / "other" / "first")
    with pytest.raises(StriateError, match="is given twice"):
        runs(folder / "first", folder / "second", folder / ".." / "runs" / "first")
    with pytest.raises(StriateError, match="a run is a folder with"):
        runs(folder / "first", tmp_path)


def test_reading_changes_nothing(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    runs(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert open_run(folder / "third").result is None
