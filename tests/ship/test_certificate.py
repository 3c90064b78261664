"""What a certificate holds is what a slow and direct computation finds."""

import io
import json
import re
from dataclasses import replace
from hashlib import sha256
from html import unescape

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from made import dataset, encoded, photo
from PIL import Image
from untrained import noise

from striate.data.dataset import Dataset
from striate.data.normalise import normalised
from striate.preprocess import Preprocess
from striate.ship.export import export
from striate.ship.proof.certificate import Certificate
from striate.ship.proof.certify import certify
from striate.ship.proof.drift import DECODERS, resizers
from striate.ship.proof.record import Record, content_sum
from striate.train.learn.tally import mean_average_precision, wilson


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
