"""`striate certify` holds a file to its certificate: later, elsewhere, whatever its pictures are called."""

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made import encoded
from untrained import noise, noisy

from striate.cli import main
from striate.data.dataset import Dataset
from striate.errors import DataError, StriateError, WeightsError
from striate.ship.export import export
from striate.ship.proof.certify import certify
from striate.ship.proof.record import Record


def changed(file: Path, folder: Path, /, **values) -> Path:
    """A copy of a file and its certificate, some of whose entries are others."""
    for path in (file, file.with_suffix(".certificate.json")):
        shutil.copy(path, folder)
    path = folder / "pets.certificate.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}))
    return folder / "pets.onnx"


def test_it_is_held_to_its_certificate_elsewhere_whatever_pictures_are_called(file, run, tmp_path, capsys):
    for place, path in enumerate(sorted((run.folder.parent / "noise").rglob("*.*"))):
        folder = tmp_path / "moved" / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"other{place}{path.suffix}")
    there = changed(file, tmp_path)
    (tmp_path / "moved" / run.classes[2] / "new.png").write_bytes(encoded(noise(99)))
    main(["certify", str(there), str(tmp_path / "moved"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["pictures"] == 18
    assert found["agreement"]["pictures"] == 17
    assert [each["holds"] for each in found["checks"]] == [True] * 4
    assert "17 of these are among the 17 pictures that the certificate knows" in found["notes"]
    assert any("torn" not in note and "1 picture left out" in note for note in found["notes"])
    assert any("ATTENTION, whether the network learned from the other 1 is" in note for note in found["notes"])


def test_what_answers_otherwise_here_is_refused(file, run, told, tmp_path, inside):
    kept = Record.from_dict(told["record"])
    moved = kept.probabilities.copy()
    moved[3] = np.roll(moved[3], 1)
    there = changed(file, tmp_path, record=Record(kept.sums, moved).to_dict())
    with pytest.raises(StriateError, match="does not keep to its certificate here: the largest difference"):
        certify(there, run.folder.parent / "noise")
    limits = {"difference": 1, "agreement": 0, "drop": None}
    there = changed(file, tmp_path, record=Record(kept.sums, moved).to_dict(), limits=limits)
    assert certify(there, run.folder.parent / "noise").agreement
    there = changed(file, tmp_path, limits={"difference": None, "agreement": None, "drop": 0.5})
    checked = certify(there, run.folder.parent / "noise")
    assert [each.holds for each in checked.checks] == [None] * 4 + [True]


def test_of_a_part_of_the_pictures_a_share_misses_its_limit_where_its_interval_does(file, run, told, tmp_path, inside):
    kept = Record.from_dict(told["record"])
    moved, limits = kept.probabilities.copy(), {"difference": None, "agreement": 95, "drop": None}
    moved[3] = np.roll(moved[3], 1)
    there = changed(file, tmp_path, record=Record(kept.sums, moved).to_dict(), limits=limits)
    with pytest.raises(StriateError, match=r"is 94\.11 % \(16 of 17 .* but must be at least 95 %"):
        certify(there, run.folder.parent / "noise")
    changed(file, tmp_path, record=Record(kept.sums[:16], moved[:16]).to_dict(), limits=limits)
    same = certify(there, run.folder.parent / "noise").checks[1]
    assert (same.value[:7], same.limit, same.holds) == ("93.75 %", "at least 95 %, by the interval of a part", True)
    moved = np.roll(moved, 1, axis=1)
    changed(file, tmp_path, record=Record(kept.sums[:16], moved[:16]).to_dict(), limits=limits)
    with pytest.raises(StriateError, match="by the interval of a part"):
        certify(there, run.folder.parent / "noise")


def test_where_nothing_can_be_compared_nothing_is_certified(file, run, tmp_path, inside):
    alone = tmp_path / "alone.onnx"
    shutil.copy(file, alone)
    with pytest.raises(WeightsError, match=r"alone\.certificate\.json must lie beside .*alone\.onnx"):
        certify(alone, run.folder.parent / "noise")
    there = changed(file, tmp_path)
    others = noisy(tmp_path / "others", run.classes[::-1], each=1)
    (others / run.classes[0] / "0.png").write_bytes(encoded(noise(1000)))
    (others / run.classes[1] / "0.png").write_bytes(encoded(noise(1001)))
    (others / run.classes[2] / "0.png").write_bytes(encoded(noise(1002)))
    with pytest.raises(DataError, match=r"of 3 pictures of .*others it knows none, so nothing could be compared"):
        certify(there, others)
    with pytest.raises(SystemExit) as stop:
        main(["certify", str(there), str(others)])
    assert stop.value.code == 2
    # one that it knows is enough, and is what is drawn
    known = next((run.folder.parent / "noise" / run.classes[0]).glob("0.png"))
    shutil.copy(known, others / run.classes[0] / "known.png")
    found = certify(there, others, pictures=1)
    assert (found.pictures, found.agreement.pictures) == (1, 1)
    assert "1 picture of these was drawn, by a fixed seed" in found.notes
    assert "1 of these is among the 17 pictures that the certificate knows" in found.notes


def test_what_is_no_shipped_file_is_refused_in_our_words(run, tmp_path):
    other = tmp_path / "weights.safetensors"
    other.write_bytes(b"\xff" * 99)
    with pytest.raises(
        WeightsError, match=r"a file of `striate export`, ending in \.onnx, but is cut short"
    ) as refused:
        certify(other, run.folder.parent / "noise")
    assert "onnx." not in str(refused.value)
    with pytest.raises(WeightsError, match=r"must be a file of `striate export`.* is a folder; of a run's, `striate"):
        certify(run.folder, run.folder.parent / "noise")


def test_pictures_are_left_out_that_cannot_be_read_however_many(run, tmp_path, inside, monkeypatch):
    shutil.copytree(run.folder.parent / "noise", tmp_path / "some")
    for torn in (broken := list((tmp_path / "some" / run.classes[1]).iterdir())):
        torn.write_bytes(torn.read_bytes()[:99])
    monkeypatch.setattr("striate.ship.proof.certifying.BATCH", 2)
    found = export(run, output=tmp_path / "pets.onnx", data=tmp_path / "some")
    assert (len(found.data["left_out"]), found.data["pictures"]) == (len(broken), 12)
    notes = certify(tmp_path / "pets.onnx", tmp_path / "some").notes
    assert any(f"{len(broken)} pictures left out, which cannot be read" in note for note in notes)


def test_pictures_without_a_class_stop_or_are_left_out(file, run, tmp_path, inside, capsys):
    shutil.copytree(run.folder.parent / "noise", tmp_path / "some")
    (tmp_path / "some" / "stray.png").write_bytes(encoded(noise(3)))
    with pytest.raises(StriateError, match=r"lies in no class's folder.*--on-bad skip"):
        certify(file, tmp_path / "some")
    main(["certify", str(file), str(tmp_path / "some"), "--on-bad", "skip", "--csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["holds"] for row in rows] == ["holds"] * 4
    found = export(run, output=tmp_path / "pets.onnx", data=tmp_path / "some", on_bad="skip")
    for notes in (certify(file, tmp_path / "some", on_bad="skip").notes, found.notes):
        assert any("1 picture left out when these were opened: stray.png lies in no class's folder" in n for n in notes)


def test_classes_in_another_order_are_put_right(file, run, told, inside):
    data = Dataset.open(run.folder.parent / "noise")
    order = np.array([2, 0, 1])
    classes = tuple(data.classes[place] for place in order)
    turned = replace(data, classes=classes, labels=np.argsort(order)[data.labels])
    found = certify(file, turned)
    assert found.accuracy
    assert found.accuracy.value == told["accuracy"]["file"]["value"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"format": 2}, "reads certificates of format 1, but"),
        ({"file": {"sha256": "0" * 64}}, "certificate of another file"),
        ({"file": {}}, "writes them: it lacks 'sha256'"),
        ({"record": {"sums": ["0"], "classes": 3, "probabilities": "%"}}, "is no certificate as"),
        ({"record": {"sums": ["0"], "classes": 3, "probabilities": "YWJj"}}, "is no certificate as"),
        (
            {"record": Record(["0"], np.ones((1, 5), np.float32)).to_dict()},
            "writes them: it knows the answers of a network with 5 classes",
        ),
        ({"limits": {"nonsense": 1}}, "is no certificate as"),
        ({"limits": {"difference": "x"}}, "writes them: a limit is a number, but is 'x'"),
    ],
)
def test_a_certificate_that_says_nothing_is_refused(file, run, values, sentence, tmp_path, inside):
    with pytest.raises(WeightsError, match=sentence):
        certify(changed(file, tmp_path, **values), run.folder.parent / "noise")


def test_wrong_pictures_are_refused(file, run, tmp_path, inside):
    with pytest.raises(DataError, match="the classes must be those of the file"):
        certify(file, "digits")
    data = Dataset.open(run.folder.parent / "noise")
    several = replace(data, labels=np.eye(3, dtype=np.uint8)[data.labels])
    with pytest.raises(DataError, match=r"gives a picture one label, but in .* each has any number of labels"):
        certify(file, several)
    with pytest.raises(DataError, match="to judge by: test; --split val has some"):
        certify(file, data, split="test")
    with pytest.raises(StriateError, match="cannot be read"):
        certify(tmp_path / "none.onnx", "digits")
