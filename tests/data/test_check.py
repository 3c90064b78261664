"""`striate check`: the command, its page and its cleaned table, which opens and is clean."""

import json
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from spoiled import drawn, good_folder, jpeg, spoiled_folder

import striate
from striate.cli import main
from striate.data.audit.check import check
from striate.data.audit.cleaning import leaving
from striate.data.dataset import Dataset
from striate.errors import StriateError

UNCLEAN = {"copies across splits", "copies with different labels", "exact duplicates", "near duplicates"}


@pytest.fixture
def spoiled(tmp_path) -> Path:
    return spoiled_folder(tmp_path / "pets")


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl"])
def test_the_cleaned_table_opens_and_is_clean(spoiled, ending):
    before = contents(spoiled)
    table = spoiled.parent / f"clean{ending}"
    found = striate.check(spoiled, fix=table)
    again = check(table)
    assert not {finding.kind for finding in again.findings} & (UNCLEAN | {"empty", "truncated", "unreadable"})
    assert not any(finding.severity == "serious" for finding in again.findings)
    assert again.data.classes == found.data.classes
    assert contents(spoiled) == before
    names = {name.removeprefix("pets/"): place for place, name in enumerate(again.data.names)}
    left = set(found.data.names) - set(names)
    assert left == {
        *("train/cat/cut.jpg", "train/cat/text.jpg"),
        *("train/cat/3.jpg", "train/dog/conflict.jpg"),
        *("train/cat/leak.jpg", "train/cat/mirror.jpg"),
        *("train/cat/same.jpg", "train/cat/near.jpg"),
    }
    for place, name in enumerate(found.data.names):  # what stays keeps its split and label
        if name in names:
            assert again.data.splits[names[name]] == found.data.splits[place]
            assert again.data.labels[names[name]] == found.data.labels[place]


def test_what_left_is_told_with_its_reason(spoiled, capsys):
    main(["check", str(spoiled), "--fix", str(spoiled.parent / "clean.csv")])
    told = capsys.readouterr().out
    assert "left out, a copy of one in val: 2 (train/cat/leak.jpg, train/cat/mirror.jpg)" in told
    assert "left out, unusable when opened: 1 (train/cat/empty.jpg)" in told
    assert "the files are untouched" in told


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


def test_a_flat_folder_and_several_labels_can_be_cleaned(tmp_path):
    for place in range(6):
        (tmp_path / f"{place}.jpg").write_bytes(jpeg(drawn(place % 5)))
    rows = "".join(f"{place}.jpg,{labels}\n" for place, labels in enumerate(["a|b", "a", "", "b", "a", "a|b"]))
    (tmp_path / "all.csv").write_text(f"image,labels\n{rows}")
    for table in (tmp_path / "clean.csv", tmp_path / "clean.jsonl"):
        check(tmp_path / "all.csv", fix=table)
        again = Dataset.open(table)
        assert again.several
        assert len(again) == 5
        assert again.labels.sum() == 5


def test_classes_that_a_table_cannot_hold_are_refused(tmp_path):
    (tmp_path / "1.jpg").write_bytes(jpeg(drawn(1)))
    (tmp_path / "2.jpg").write_bytes(jpeg(drawn(2)))
    (tmp_path / "all.jsonl").write_text(
        '{"image": "1.jpg", "labels": ["cats; dogs"]}\n{"image": "2.jpg", "labels": ["x"]}\n'
    )
    with pytest.raises(StriateError, match=r"separate labels, but .* is one label; clean\.jsonl holds any"):
        check(tmp_path / "all.jsonl", fix=tmp_path / "clean.csv")
    check(tmp_path / "all.jsonl", fix=tmp_path / "clean.jsonl")
    assert Dataset.open(tmp_path / "clean.jsonl").classes == ("cats; dogs", "x")


def test_a_comma_in_a_class_of_several_survives(tmp_path):
    (tmp_path / "1.jpg").write_bytes(jpeg(drawn(1)))
    (tmp_path / "2.jpg").write_bytes(jpeg(drawn(2)))
    (tmp_path / "all.jsonl").write_text(
        '{"image": "1.jpg", "labels": ["Oak, red", "x"]}\n{"image": "2.jpg", "labels": ["x"]}\n'
    )
    check(tmp_path / "all.jsonl", fix=tmp_path / "clean.csv")
    assert Dataset.open(tmp_path / "clean.csv").classes == ("Oak, red", "x")


def test_names_that_are_not_utf_8_can_be_cleaned_as_json(tmp_path):
    root = good_folder(tmp_path / "pets")
    odd = "train/cat/odd\udcff\n.jpg"
    (root / odd).write_bytes(jpeg(drawn(700)))
    check(root, fix=tmp_path / "clean.jsonl")
    assert f"pets/{odd}" in Dataset.open(tmp_path / "clean.jsonl").names


@pytest.mark.parametrize(
    ("where", "fix", "sentence"),
    [
        ("pets", "pets/clean.csv", "must not lie in"),
        ("outer", "outer/clean.csv", r"must not lie in .*outer itself, .*/clean\.csv would fit"),
        ("outer", "outer/pets/clean.csv", "must not lie in"),
        ("pets", "clean.txt", "must end in .csv, .tsv, .jsonl"),
        ("all.csv", "all.csv", "must not be the file that is read"),
        ("digits", "clean.csv", "are rows of an array, which no table can name"),
        ("pets.zip", "clean.csv", "lie in an archive; unpack it"),
        ("pets", "other.csv", r"other\.csv exists; .*other-3\.csv is free"),
    ],
)
def test_a_table_is_refused_where_it_would_harm(tmp_path, where, fix, sentence):
    good_folder(tmp_path / "pets")
    good_folder(tmp_path / "outer/pets")
    (tmp_path / "all.csv").write_text("image,label\npets/train/cat/0.jpg,a\npets/train/dog/0.jpg,b\n")
    shutil.make_archive(str(tmp_path / "pets"), "zip", tmp_path / "pets")
    for name in ("other.csv", "other-2.csv"):
        (tmp_path / name).write_text("mine\n")
    before = contents(tmp_path)
    with pytest.raises(StriateError, match=sentence):
        check(where if where == "digits" else tmp_path / where, fix=tmp_path / fix)
    assert contents(tmp_path) == before


def test_a_table_of_nothing_is_not_written(tmp_path):
    for label in ("a", "b"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        (tmp_path / "pets" / label / "1.jpg").write_bytes(jpeg(drawn(1)))
    with pytest.raises(StriateError, match=r"no picture of .* would be left"):
        check(tmp_path / "pets", fix=tmp_path / "clean.csv")
    assert not (tmp_path / "clean.csv").exists()


def test_what_a_table_cannot_hold_is_told_before_the_work(tmp_path, monkeypatch):
    (good_folder(tmp_path / "pets") / "train/cat/odd\n.jpg").write_bytes(jpeg(drawn(700)))
    monkeypatch.setattr("striate.data.audit.check.audit", pytest.fail)
    with pytest.raises(
        StriateError, match=r"can be printed, but not 'pets/train/cat/odd\\n\.jpg'; odd\.jsonl holds any"
    ):
        check(tmp_path / "pets", fix=tmp_path / "odd.csv", page=tmp_path / "odd.html")
    assert not (tmp_path / "odd.html").exists()


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


def test_a_class_that_is_lost_is_told(tmp_path):
    root = good_folder(tmp_path / "pets")
    for label in ("cow", "hen"):
        (root / "train" / label).mkdir()
        (root / "train" / label / "1.jpg").write_bytes(jpeg(drawn(60)))
    found = check(root, fix=tmp_path / "clean.csv")
    assert found.done[-1] == "ATTENTION, classes without a picture in the table: cow, hen"


def test_a_dataset_audits_itself(tmp_path):
    assert Dataset.open(good_folder(tmp_path)).audit().findings == []
