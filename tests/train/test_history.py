"""The history's lines: whole, in order, and told where they are not."""

import math
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from limits import longest_file

from striate.errors import StriateError
from striate.train.keep.history import SPECIAL, History, read_history

texts = st.text(st.characters(codec="utf-8")).filter(lambda text: text not in SPECIAL)
plain = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=5)


@given(st.lists(st.dictionaries(texts, values, max_size=4), max_size=5))
@example([{"self": 1, "values": math.nan}])
@settings(max_examples=50)
def test_what_is_added_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    history = History(path)
    for row in rows:
        history.add(**row)
    assert repr(read_history(path)) == repr(rows)  # repr: nan is not itself


def test_the_lines_are_json_as_others_read_it(tmp_path):
    history = History(tmp_path / "history.jsonl")
    history.add(step=1, loss=math.nan, lowest=-math.inf, classes=[0.5, math.inf], name="Kätzchen\n")
    text = '{"step": 1, "loss": "nan", "lowest": "-inf", "classes": [0.5, "inf"], "name": "K\\u00e4tzchen\\n"}\n'
    assert history.path.read_text() == text
    assert history.length == len(text)


def test_no_file_is_no_lines(tmp_path):
    history = History(tmp_path / "history.jsonl")
    assert (read_history(history.path), history.length, history.cut(0)) == ([], 0, [])
    history.sync()
    assert read_history(history.path) == []


def filled(path) -> tuple[History, list[int]]:
    history = History(path)
    lengths = []
    for step in range(4):
        history.add(step=step)
        lengths.append(history.length)
    return history, lengths


def test_a_cut_forgets_what_came_after(tmp_path):
    history, lengths = filled(tmp_path / "history.jsonl")
    assert history.cut(lengths[1]) == []
    history.add(step=9)
    assert [row["step"] for row in read_history(history.path)] == [0, 1, 9]
    history.sync()
    assert history.cut(0) == []
    assert read_history(history.path) == []


def test_lines_that_are_lost_are_told(tmp_path):
    history, lengths = filled(tmp_path / "history.jsonl")
    (note,) = history.cut(lengths[3] + 5)
    assert note == f"{history.path} must have 53 bytes from before, but 48 are left: lines are missing"
    assert history.length == lengths[3]
    (note,) = history.cut(lengths[1] + 3)
    assert "must have 27 bytes from before, but 24 are left" in note
    assert [row["step"] for row in read_history(history.path)] == [0, 1]
    history.path.unlink()
    assert len(history.cut(12)) == 1


@given(st.integers(0, 48))
def test_a_line_that_is_cut_off_is_none(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    filled(path)
    os.truncate(path, length)
    steps = list(range(length // 12))
    assert [row["step"] for row in read_history(path)] == steps
    History(path).add(step=9)  # not onto the end of what is left of a line
    assert [row["step"] for row in read_history(path)] == [*steps, 9]


@pytest.mark.parametrize("line", [b"", b"3", b'{"step": ', b"\xff\xfe", b"\0\0\0", b"[" * 100_000])
def test_damage_in_the_middle_is_told_with_its_line(tmp_path, line):
    path = tmp_path / "history.jsonl"
    path.write_bytes(b'{"step": 0}\n' + line + b'\n{"step": 2}\n')
    with pytest.raises(StriateError, match=r"each line of .*history\.jsonl must be a JSON object, but line 2 is '"):
        read_history(path)


def test_a_full_disk_leaves_whole_lines(tmp_path):
    history, lengths = filled(tmp_path / "history.jsonl")
    with longest_file(lengths[3] + 5), pytest.raises(StriateError, match=r"history\.jsonl cannot be written: File too"):
        history.add(step=4)
    assert history.length == lengths[3]
    history.add(step=5)
    assert [row["step"] for row in read_history(history.path)] == [0, 1, 2, 3, 5]


def test_a_place_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    for path in (tmp_path / "missing" / "history.jsonl", tmp_path / "taken" / "history.jsonl"):
        with pytest.raises(StriateError, match=r"history\.jsonl cannot be written: No"):
            History(path).add(step=1)
    with pytest.raises(StriateError, match="cannot be read: Is a directory"):
        read_history(tmp_path)


def test_a_killed_writer_loses_no_line_that_it_had_added(tmp_path):
    path = tmp_path / "history.jsonl"
    code = (
        "import sys; from pathlib import Path; from striate.train.keep.history import History\n"
        "history = History(Path(sys.argv[1]))\n"
        "for step in range(10**9):\n    history.add(step=step, filler='x' * 5000)\n    print(step, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for _ in range(50):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    rows = read_history(path)
    assert [row["step"] for row in rows] == list(range(len(rows)))
    assert len(rows) >= 50
    History(path).add(step=len(rows))  # the kernel ends a write at a page's edge when its process is killed
    assert [row["step"] for row in read_history(path)] == list(range(len(rows) + 1))
