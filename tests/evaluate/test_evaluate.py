"""`striate evaluate` and `striate compare` on runs that were trained."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from made import encoded

from striate.cli import main
from striate.data.dataset import Dataset
from striate.errors import DataError, PictureError, StriateError
from striate.evaluate.comparing import compare
from striate.evaluate.evaluate import evaluate
from striate.evaluate.pictures import CHOSEN
from striate.train.train import train

NET = "conv 3x3x8 same, bn, relu, maxpool 2, fc 3"
CLASSES = ("ash", "elm", "oak")


def pictures(folder, each=12, seed=0):
    """Three splits of noise, redder in one class, greener in the next; some are hard to tell."""
    random = np.random.default_rng(seed)
    for split in ("train", "val", "test"):
        for place, name in enumerate(CLASSES):
            (folder / split / name).mkdir(parents=True)
            for number in range(each):
                level = np.where(np.arange(3) == place, 150, 120)
                pixels = np.clip(level + random.normal(0, 10, 3) + random.normal(0, 40, (20, 24, 3)), 0, 255)
                (folder / split / name / f"{number:02}.png").write_bytes(encoded(pixels.astype(np.uint8)))
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return pictures(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(scope="module")
def runs(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    made = [
        train(photos, NET, size="16x16", epochs=epochs, batch_size=8, lr=lr, seed=1, quiet=True, output=folder / name)
        for name, epochs, lr in (("good", 4, 0.02), ("poor", 1, 1e-6))
    ]
    assert all(made)
    return made


def test_the_run_s_own_test_pictures_give_its_own_figures(runs):
    found = evaluate(runs[0].folder)
    figures = {figure.name: figure for figure in found.figures}
    assert figures["right"].value == runs[0].result["test"]["top1"]
    assert figures["loss"].value == pytest.approx(runs[0].result["test"]["loss"], rel=1e-4)
    assert figures["recognised, mean of classes"].value == pytest.approx(runs[0].result["test"]["per_class"])
    assert found.notes[0].startswith("36 test pictures of ")
    assert sum(row["pictures"] for row in found.classes.rows) == 36
    assert len(found.mistakes.rows) == round(36 * (1 - figures["right"].value))
    again = evaluate(runs[0], split="val")
    assert again.figures[0].value == runs[0].result["validation"]["top1"]
    assert "the epoch was chosen by these very pictures, so all is a little too good" in again.notes


def test_probabilities_are_those_of_the_run_and_crops_are_averaged(runs, tmp_path):
    kept = runs[0].predictions
    found = evaluate(runs[0], crops="flip", output=tmp_path / "out")
    assert "each picture was shown 2 times, at 2 times the price" in found.notes
    plain = evaluate(runs[0])
    wrong = {row["name"]: row for row in plain.mistakes.rows}
    for name, label, probabilities in zip(
        kept["test_names"], kept["test_labels"], kept["test_probabilities"], strict=True
    ):
        if probabilities.argmax() != label:
            assert wrong[name]["sure"] == pytest.approx(probabilities.max(), abs=1e-3)
            assert wrong[name]["label"] == CLASSES[label]
        else:
            assert name not in wrong


def test_everything_is_written_and_a_run_is_not_written_over(runs, tmp_path):
    folder = tmp_path / "out"
    found = evaluate(runs[0], output=folder)
    names = {"evaluation.json", "classes.csv", "mistakes.csv", "doubts.csv", "calibration.svg", "rejection.svg"}
    assert {path.name for path in folder.iterdir()} == names
    with (folder / "mistakes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [row["name"] for row in found.mistakes.rows]
    kept = json.loads((folder / "evaluation.json").read_text())
    assert kept["figures"][0]["value"] == found.figures[0].value
    with pytest.raises(StriateError, match="--output is a folder of its own"):
        evaluate(runs[0], output=runs[1].folder)


def test_other_pictures_are_all_judged_their_classes_in_any_order(runs, photos, tmp_path):
    other = tmp_path / "other"
    for name in CLASSES:
        shutil.copytree(photos / "test" / name, other / name)
    found = evaluate(runs[0], other)
    assert found.figures[0].value == runs[0].result["test"]["top1"]
    assert found.notes[0] == f"36 pictures of {other}, all of them"
    shutil.copytree(photos, tmp_path / "moved")
    for same in (photos, tmp_path / "moved"):
        told = f"36 pictures of {same}, test, since the network learned from the others"
        assert evaluate(runs[0], same).notes[0] == told
    learned = evaluate(runs[0], photos / "train")
    assert "ATTENTION" in learned.notes[1]
    assert "of these are called and as large as pictures that the network learned from" in learned.notes[1]
    chose = "of these are called and as large as pictures that chose the epoch"
    assert any(chose in note for note in evaluate(runs[0], photos / "val").notes)
    assert CHOSEN in evaluate(runs[0], photos, split="val").notes
    shutil.copy(next((other / "ash").iterdir()), tmp_path / "moved" / "test" / "ash" / "new.png")
    assert "ATTENTION" in evaluate(runs[0], tmp_path / "moved").notes[1]
    shutil.rmtree(other / "oak")
    with pytest.raises(DataError, match=r"those that the network learned, but \S*other lacks oak$"):
        evaluate(runs[0], other)


def test_pictures_with_several_labels_are_not_judged_as_if_they_had_one(runs, photos):
    data = Dataset.open(photos)
    with pytest.raises(DataError, match=r"gives a picture one label, but in .* each has any number of labels"):
        evaluate(runs[0], replace(data, labels=np.eye(3, dtype=np.uint8)[data.labels]))


def test_what_cannot_be_read_stops_or_is_told(runs, photos, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(photos / "test", other)
    (other / "elm" / "03.png").write_bytes((other / "elm" / "03.png").read_bytes()[:200])
    with pytest.raises((PictureError, DataError), match=r"03\.png"):
        evaluate(runs[0], other)
    found = evaluate(runs[0], other, on_bad="skip")
    assert sum(row["pictures"] for row in found.classes.rows) == 35
    assert any("1 picture left out" in note for note in found.notes)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--split", "train"], "--split is val or test, but is 'train'"),
        (["--crops", "3"], "crops are 1, flip, 5, 10 or a square number"),
        (["nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_a_sentence(runs, words, sentence, capsys):
    with pytest.raises(SystemExit) as exit:
        main(["evaluate", str(runs[0].folder), *words])
    assert exit.value.code == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told


def test_a_split_without_pictures_names_the_one_that_has_some(runs, photos, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(photos / "test", other / "test")
    with pytest.raises(DataError, match="has no validation pictures; without --split all are judged"):
        evaluate(runs[0], other, split="val")
    changed = tmp_path / "run"
    shutil.copytree(runs[0].folder, changed)
    config = json.loads((changed / "config.json").read_text())
    config["data"]["where"] = str(other)
    (changed / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="has no validation pictures; --split test has some"):
        evaluate(changed, split="val")
    assert any("has changed since the training" in note for note in evaluate(changed).notes)


def test_the_command_prints_tables_and_json(runs, capsys):
    main(["evaluate", str(runs[0].folder)])
    told = capsys.readouterr().out
    for part in ("right", "F1, mean of classes", "oak", "off in how sure it is", "36 test pictures of"):
        assert part in told
    main(["evaluate", str(runs[0].folder), "--json"])
    assert json.loads(capsys.readouterr().out)["classes"]


def test_a_better_run_is_told_from_a_luckier_one(runs, photos):
    found = compare(runs[1].folder, runs[0].folder)
    assert found.right == (runs[1].result["test"]["top1"], runs[0].result["test"]["top1"])
    assert "is better than" in found.sentence
    assert found.sentence.startswith(str(runs[0].folder))
    assert "more than chance" in found.sentence
    same = compare(runs[0], runs[0], Dataset.open(photos), split="val")
    assert "is as good as" in same.sentence
    assert compare(runs[0], runs[1]).comparison.difference == -found.comparison.difference


def test_runs_of_other_classes_are_not_compared(runs, tmp_path):
    other = tmp_path / "run"
    shutil.copytree(runs[0].folder, other)
    (other / "classes.json").write_text(json.dumps(["ash", "elm", "yew"]))
    with pytest.raises(DataError, match=r"alone knows oak, and .* yew"):
        compare(runs[0].folder, other)
