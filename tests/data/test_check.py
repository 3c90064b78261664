"""`striate check`: the command, the command that it suggests next, and its page."""

import json
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from spoiled import drawn, good_folder, jpeg, spoiled_folder

from striate.cli import main
from striate.data.audit.check import check
from striate.data.audit.cleaning import leaving
from striate.data.dataset import Dataset
from striate.errors import StriateError


@pytest.fixture
def spoiled(tmp_path) -> Path:
    return spoiled_folder(tmp_path / "pets")


def test_the_next_command_is_told(spoiled, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")  # so that no long path is broken
    main(["check", str(spoiled)])
    assert f"next: striate check {spoiled} --fix clean.csv leaves out 8 of " in capsys.readouterr().out


def suggestion(told: str) -> str:
    return told.partition("next: ")[2].partition(" leaves out")[0]


@pytest.mark.parametrize(
    ("start", "where", "classes", "command"),
    [
        ("", "pets", False, "striate check pets --fix clean.csv"),
        ("", "my $pets", False, "striate check 'my $pets' --fix clean.csv"),
        ("", "pets", True, "striate check pets --classes 'the order.txt' --fix clean.csv"),
        ("pets", ".", False, "striate check . --fix ../clean.csv"),
        ("outer", ".", False, "striate check . --fix ../clean.csv"),
        ("pets/train", "..", False, "striate check .. --fix clean.csv"),
        ("", "odd", False, "striate check odd --fix clean.jsonl"),
    ],
)
def test_the_suggested_command_works(tmp_path, capsys, monkeypatch, start, where, classes, command):
    for name in ("pets", "my $pets", "odd", "outer/pets"):
        shutil.copy(good_folder(tmp_path / name) / "train/cat/1.jpg", tmp_path / name / "train/cat/same.jpg")
    (tmp_path / "odd/train/cat/odd\udcff.jpg").write_bytes(jpeg(drawn(70)))
    (tmp_path / "the order.txt").write_text("dog\ncat\n")
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.chdir(tmp_path / start)
    main(["check", where, *(["--classes", "the order.txt"] if classes else [])])
    assert suggestion(capsys.readouterr().out) == command
    main(shlex.split(command)[1:])
    assert "written: " in capsys.readouterr().out


def test_nothing_is_suggested_that_would_be_refused(tmp_path):
    pixels = np.full((6, 40, 40, 3), 9, np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.arange(6) % 2)
    spoiled = spoiled_folder(tmp_path / "pets")
    packed = Path(shutil.make_archive(str(tmp_path / "pets"), "zip", spoiled))
    for where in (tmp_path / "a.npz", packed):
        found = check(where)
        assert leaving(found)
        assert "--fix" not in str(found)
        assert not found.done


def test_in_python_a_call_is_suggested(spoiled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (told,) = check(Dataset.open(spoiled, on_bad="skip")).done
    assert suggestion(told) == 'striate.check(data, fix="clean.csv")'


def test_the_command_prints_json(spoiled, capsys):
    main(["check", str(spoiled), "--json"])
    assert json.loads(capsys.readouterr().out)["findings"][0]["kind"] == "copies across splits"


def test_the_page_is_one_file_without_scripts(spoiled):
    (spoiled / "train/cat/<script>alert(1)<&>.jpg").write_bytes(jpeg(drawn(50), 20))
    (spoiled / "train/dog/<script>alert(1)<&>.jpg").write_bytes(jpeg(drawn(50), 20))
    page = spoiled.parent / "check.html"
    check(spoiled, page=page)
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append((tag, dict(attrs)))  # type: ignore[method-assign]
    parser.feed(page.read_text(encoding="utf-8"))
    assert "script" not in {tag for tag, _ in tags}
    pictures = [attrs for tag, attrs in tags if tag == "img"]
    assert all(attrs["src"].startswith("data:image/jpeg") and attrs["alt"] for attrs in pictures)
    assert any("<script>alert(1)<&>" in attrs["alt"] for attrs in pictures)
    assert page.stat().st_size < 1_000_000


def test_findings_are_printed_though_nothing_can_be_written(spoiled, capsys, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.setattr("striate.files.os.fsync", full)
    table, page = spoiled.parent / "clean.csv", spoiled.parent / "check.html"
    with pytest.raises(SystemExit) as stop:
        main(["check", str(spoiled), "--fix", str(table), "--page", str(page)])
    assert stop.value.code == 2
    told = capsys.readouterr()
    assert "copies across splits" in told.out
    for output in (table, page):
        assert (told.out + told.err).count(f"{output} cannot be written: No space left on device") == 1
        assert f"{output} cannot be written" in told.err
        assert not output.exists()


def test_the_order_of_classes_belongs_to_opening(tmp_path):
    data = Dataset.open(good_folder(tmp_path / "pets"))
    with pytest.raises(StriateError, match="order of classes is chosen where data is opened"):
        check(data, classes=tmp_path / "classes.txt")
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    found = check(tmp_path / "pets", classes=tmp_path / "classes.txt", fix=tmp_path / "clean.csv")
    assert found.data.classes == ("dog", "cat")
    assert any("--classes" in line for line in found.done)


def test_a_dataset_audits_itself(tmp_path):
    assert Dataset.open(good_folder(tmp_path)).audit().findings == []
