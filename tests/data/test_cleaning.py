"""The table that `striate check --fix` writes: it opens and is clean, and no other file is touched."""

import shutil
from pathlib import Path

import pytest
from spoiled import drawn, good_folder, jpeg, spoiled_folder

import striate
from striate.cli import main
from striate.data.audit.check import check
from striate.data.dataset import Dataset
from striate.errors import StriateError

UNCLEAN = {"copies across splits", "copies with different labels", "exact duplicates", "near duplicates"}


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl"])
def test_the_cleaned_table_opens_and_is_clean(tmp_path, ending):
    spoiled = spoiled_folder(tmp_path / "pets")
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


def test_what_left_is_told_with_its_reason(tmp_path, capsys):
    spoiled = spoiled_folder(tmp_path / "pets")
    main(["check", str(spoiled), "--fix", str(spoiled.parent / "clean.csv")])
    told = capsys.readouterr().out
    assert "left out, a copy of one in val: 2 (train/cat/leak.jpg, train/cat/mirror.jpg)" in told
    assert "left out, unusable when opened: 1 (train/cat/empty.jpg)" in told
    assert "the files are untouched" in told


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


def test_a_class_that_is_lost_is_told(tmp_path):
    root = good_folder(tmp_path / "pets")
    for label in ("cow", "hen"):
        (root / "train" / label).mkdir()
        (root / "train" / label / "1.jpg").write_bytes(jpeg(drawn(60)))
    found = check(root, fix=tmp_path / "clean.csv")
    assert found.done[-1] == "ATTENTION, classes without a picture in the table: cow, hen"
