"""What a certificate holds is what a slow and direct computation finds; `striate certify` holds a file to it."""

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from hashlib import sha256
from html import unescape
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from made import dataset, encoded, photo
from PIL import Image
from untrained import noise, noisy, untrained

from striate.cli import main
from striate.data.dataset import Dataset
from striate.data.normalise import normalised
from striate.errors import DataError, StriateError, WeightsError
from striate.preprocess import Preprocess
from striate.ship.export import export
from striate.ship.proof.certificate import Certificate
from striate.ship.proof.certify import certify
from striate.ship.proof.drift import DECODERS, resizers
from striate.ship.proof.record import Record, content_sum
from striate.train.learn.tally import mean_average_precision, wilson
from striate.train.run import Run


@pytest.fixture(scope="module")
def run(coloured, tmp_path_factory) -> Run:
    """A run that is undecided about noise, and a folder `noise` beside it."""
    folder = tmp_path_factory.mktemp("certified")
    noisy(folder / "noise", coloured.classes, each=5)
    torn = folder / "noise" / coloured.classes[1] / "torn.png"
    torn.write_bytes(encoded(photo(3))[:99])
    turned = Image.fromarray(noise(77))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(folder / "noise" / coloured.classes[0] / "turned.jpg", exif=exif, quality=90)
    clear = Image.fromarray(np.dstack([noise(78), noise(79)[:, :, 0]]))
    clear.save(folder / "noise" / coloured.classes[0] / "clear.png")
    return untrained(coloured, "conv 3x3x8 same, bn, relu, maxpool 2, fc 3", folder / "run")


@pytest.fixture(scope="module")
def file(run) -> Path:
    """Its file, written by the command, each side in a process of its own."""
    folder = run.folder.parent
    main(["export", str(run.folder), "-o", str(folder / "pets.onnx"), "--data", str(folder / "noise"), "--json"])
    return folder / "pets.onnx"


@pytest.fixture(scope="module")
def told(file) -> dict:
    return json.loads(file.with_suffix(".certificate.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def slowly(run, file) -> dict[str, np.ndarray]:
    """Labels, and what both sides say of one picture after the other."""
    data = Dataset.open(run.folder.parent / "noise")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    network = run.net()
    rows = {"names": [], "labels": [], "file": [], "network": [], "pillow": []}
    for place, name in enumerate(data.names):
        if name.endswith("torn.png"):
            continue
        read = data.picture(place).pixels
        pixels = torch.from_numpy(run.preprocess.pixels(read)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            rows["network"].append(network(normalised(pixels, run.preprocess)).softmax(1)[0].numpy())
        rows["file"].append(np.asarray(session.run(["probabilities"], {"pictures": read[None]})[0])[0])
        theirs = np.asarray(Image.open(io.BytesIO((run.folder.parent / "noise" / name).read_bytes())).convert("RGB"))
        if name.endswith("turned.jpg"):
            theirs = np.rot90(theirs, -1).copy()
        rows["pillow"].append(np.asarray(session.run(["probabilities"], {"pictures": theirs[None]})[0])[0])
        rows["names"].append(name)
        rows["labels"].append(data.labels[place])
    return {name: np.array(values) for name, values in rows.items()}


def test_agreement_and_accuracy_are_what_a_slow_computation_finds(told, slowly):
    differences = np.abs(slowly["file"].astype(float) - slowly["network"])
    agreement = told["agreement"]
    assert agreement["pictures"] == len(differences) == 17
    assert agreement["largest"] == pytest.approx(differences.max(), abs=2e-6)
    assert agreement["largest"] < 1e-4
    assert agreement["same"] == (slowly["file"].argmax(1) == slowly["network"].argmax(1)).sum() == 17
    assert (agreement["low"], agreement["high"]) == wilson(17, 17)
    for side in ("file", "network"):
        right = int((slowly[side].argmax(1) == slowly["labels"]).sum())
        figure = told["accuracy"][side]
        assert figure == {
            "name": "right",
            "value": right / 17,
            **dict(zip(("low", "high"), wilson(right, 17), strict=True)),
        }
    assert np.ptp(slowly["network"], axis=0).min() > 0.2  # the pictures do not all get one answer


def test_the_drift_of_another_decoder_is_told(told, slowly):
    rows = {row["pipeline"]: row for row in told["drift"]}
    by_pillow = rows["decoded by Pillow"]
    assert by_pillow["largest"] == pytest.approx(np.abs(slowly["pillow"] - slowly["file"]).max(), abs=1e-6)
    assert by_pillow["largest"] > 0.01  # transparent parts are not laid on white by who does not say so
    assert by_pillow["changed"] == (slowly["pillow"].argmax(1) != slowly["file"].argmax(1)).sum()
    assert rows["resized by OpenCV, INTER_LINEAR (not antialiased)"]["largest"] > 0.01
    assert rows["resized by Pillow, BILINEAR"]["largest"] < rows["resized by OpenCV, INTER_AREA"]["largest"]
    assert all(row["pictures"] + row["unread"] == 17 for row in rows.values())


def test_a_decoder_that_fails_has_no_pixels():
    broken = io.BytesIO()
    Image.fromarray(noise(1)).save(broken, "PNG", exif=b"Exif\0\0MM\0*")
    for content in (broken.getvalue(), b"no picture", b""):
        assert [by(content) is None for by in DECODERS.values()] == [True, content != broken.getvalue()]


def test_it_says_what_it_is_about(told, run, file):
    content = file.read_bytes()
    assert told["file"]["sha256"] == sha256(content).hexdigest()
    assert told["file"]["bytes"] == len(content)
    assert told["file"]["opset"] == onnx.load(file).opset_import[0].version
    assert told["file"]["learned_from"] == run.config["data"]["fingerprint"]
    assert told["holds"] is True
    assert told["limits"] == {"difference": 5e-3, "agreement": 100.0, "drop": None}
    assert [reason.split()[0] for reason in told["data"]["left_out"]] == [f"{run.classes[1].split()[0]}"]
    assert told["made_with"]["onnxruntime"] == onnxruntime.__version__
    times = {(row["batch"], row["side"]): row for row in told["milliseconds"]}
    assert set(times) == {(batch, side) for batch in (1, 32) for side in ("file", "network")}
    assert all(0 < row["decoded"] < row["whole"] < 1000 for row in times.values())
    assert str(run.folder.parent) not in json.dumps(told)  # where things lie here is nobody's business


def test_the_record_is_what_the_network_says_of_each_picture(told, slowly, run):
    kept = Record.from_dict(told["record"])
    assert np.allclose(kept.probabilities, slowly["network"], atol=1e-6)
    paths = [run.folder.parent / "noise" / name for name in slowly["names"]]
    assert kept.sums == [sha256(path.read_bytes()).hexdigest() for path in paths]


def test_the_page_tells_the_same(told, file, run):
    content = file.with_suffix(".certificate.html").read_text(encoding="utf-8")
    words = re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", content)))
    assert told["file"]["sha256"] in words
    assert "100 % (17 of 17 pictures" in words
    assert all(row["pipeline"] in words for row in told["drift"])
    assert all(name in words for name in run.classes)
    assert content.count("<img") == 8
    assert not re.findall(r'(?:src|href)="(?!data:|#)', content)


def test_of_several_labels_mean_average_precision_is_told(several, inside, tmp_path):
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, (12, 2))
    contents = [encoded(noise(number, 16, 16)) for number in range(12)]
    found = export(several, output=tmp_path / "both.onnx", data=dataset(contents, labels.astype(float)))
    assert isinstance(found, Certificate)
    figure = found.accuracy["network"]
    assert figure
    assert figure.name == "mean average precision"
    assert figure.value == pytest.approx(mean_average_precision(found.record.probabilities, labels))
    assert "mean average precision" in str(found)


def test_arrays_hand_over_their_pixels_and_pictures_are_drawn(gray, inside, tmp_path):
    data = dataset([photo(number, 8, 8).mean(2, keepdims=True).astype(np.uint8) for number in range(40)], gray=True)
    found = export(gray, output=tmp_path / "gray.onnx", data=data, pictures=7)
    assert isinstance(found, Certificate)
    assert found.alone.pictures == len(found.record.sums) == 7
    assert "7 pictures of these were drawn, by a fixed seed" in found.notes
    assert not [row for row in found.drift if row["pipeline"].startswith("decoded")]  # there is nothing to decode
    again = export(gray, output=tmp_path / "gray.onnx", data=data, pictures=7)
    assert isinstance(again, Certificate)
    assert again.record.sums == found.record.sums


def test_of_many_classes_pictures_of_all_are_kept(coloured, inside, tmp_path, monkeypatch):
    monkeypatch.setattr("striate.ship.proof.record.MOST", 3 * 12)
    contents = [encoded(photo(number, 16, 16)) for number in range(60)]
    data = replace(
        dataset(contents, np.repeat([0, 1, 2], 20)), classes=coloured.classes
    )  # class by class, as folders come
    found = export(coloured, output=tmp_path / "pets.onnx", data=data)
    assert isinstance(found, Certificate)
    places = [[content_sum(content) for content in contents].index(each) for each in found.record.sums]
    assert len(places) == 12
    assert {place // 20 for place in places} == {0, 1, 2}
    assert "it keeps what the network said of 12 pictures of these, drawn by a fixed seed" in found.notes
    assert certify(tmp_path / "pets.onnx", data).agreement.pictures == 12


def test_strips_are_not_resized_by_others():
    for resized in resizers(Preprocess()).values():
        assert resized(np.zeros((1, 65_535, 3), np.uint8)) is None


def test_a_training_s_own_held_out_pictures_are_what_is_shown_if_nothing_is_said(coloured, inside, tmp_path):
    found = export(coloured, output=tmp_path / "pets.onnx")
    assert isinstance(found, Certificate)
    kept = coloured.predictions
    assert kept
    assert found.alone.pictures == len(kept["names"])
    data = coloured.parts().val
    assert data
    order = [kept["names"].tolist().index(name) for name in data.names]
    assert np.allclose(found.record.probabilities, kept["probabilities"][order], atol=1e-5)  # as training noted them
    checked = certify(tmp_path / "pets.onnx", coloured.folder.parent / "photos")
    assert checked.pictures == found.alone.pictures
    assert "validation, since the file learned from the others" in checked.notes[0]
    whole = certify(tmp_path / "pets.onnx", replace(Dataset.open(coloured.folder.parent / "photos"), names=["x"] * 48))
    assert whole.pictures == 48
    assert whole.agreement
    assert whole.agreement.pictures == found.alone.pictures


# ---- certify


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
