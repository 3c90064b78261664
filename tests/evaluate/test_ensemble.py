"""`striate ensemble` on runs that were trained: a run like any other, whatever its members are."""

import csv
import importlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from striate.cli import main
from striate.data.dataset import Dataset
from striate.data.normalise import normalised
from striate.errors import DataError, StriateError
from striate.evaluate.comparing import compare
from striate.evaluate.ensemble import ensemble
from striate.evaluate.evaluate import evaluate
from striate.train.keep.sealed import load_sealed, save_sealed
from striate.train.run import MODEL, open_run
from striate.train.tell.runs import runs as list_runs
from striate.train.train import train

COMMON = {"size": "12x12", "quiet": True, "workers": 1}


@pytest.fixture(scope="module", autouse=True)
def in_no_time():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("striate.evaluate.ensemble"), "SECONDS", 0.0)
        yield


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    small = "conv 3x3x8 same, relu, maxpool 2, fc 10"
    made = [
        train("digits", net, epochs=epochs, seed=seed, output=folder / name, **COMMON)
        for name, net, epochs, seed in (("a", None, 1, 1), ("b", None, 1, 2), ("small", small, 2, 3))
    ]
    assert all(made)
    return made


@pytest.fixture(scope="module")
def whole(members, tmp_path_factory):
    return ensemble(members, output=tmp_path_factory.mktemp("whole") / "all")


def changed(run, folder, **files):
    """A copy of a run in which keys of its files have other values."""
    shutil.copytree(run.folder, folder)
    for name, values in files.items():
        path = folder / f"{name}.json"
        kept = json.loads(path.read_text())
        path.write_text(json.dumps({**kept, **values} if isinstance(values, dict) else values))
    return folder


def test_it_says_what_its_members_say_on_average_also_elsewhere(members, whole, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(whole.folder, moved)
    run = open_run(moved)
    network = run.net()
    data = run.parts().val
    assert data
    pixels = torch.from_numpy(np.stack([run.preprocess.pixels(data.picture(place).pixels) for place in range(20)]))
    pixels = pixels.permute(0, 3, 1, 2)
    with torch.inference_mode():
        found = network(normalised(pixels, run.preprocess)).softmax(1).numpy()
        each = [run.net()(normalised(pixels, run.preprocess)).softmax(1).numpy() for run in members]
    assert np.allclose(found, np.mean(each, axis=0), atol=1e-5)
    kept = run.predictions
    assert kept
    order = [kept["names"].tolist().index(data.names[place]) for place in range(20)]
    assert np.allclose(kept["probabilities"][order], found, atol=1e-4)


def test_figures_and_costs_are_those_of_all_members(members, whole):
    ended = whole.result
    right = (whole.predictions["probabilities"].argmax(1) == whole.predictions["labels"]).mean()
    assert ended["validation"]["top1"] == pytest.approx(right)
    *each, all = ended["members"]
    assert [row["name"] for row in each] == ["a", "b", "small"]
    assert [row["validation"] for row in each] == [run.result["validation"]["top1"] for run in members]
    assert all["parameters"] == sum(row["parameters"] for row in each)
    assert all["macs"] == sum(row["macs"] for row in each)
    told = str(whole)
    for part in (
        "all 3",
        "359 pictures that no member learned from",
        "its best member (validation)",
        "never for serving",
    ):
        assert part in told
    assert whole.to_csv().count("\n") == 5
    assert json.loads(whole.to_json())["kind"] == "ensemble"


def test_every_room_takes_it_for_a_run(members, whole, capsys):
    found = evaluate(whole)
    assert found.figures[0].value == pytest.approx(whole.result["validation"]["top1"])
    assert "the epoch was chosen by these very pictures, so all is a little too good" in found.notes
    assert any("3 networks side by side" in note for note in found.notes)
    beside = compare(members[0], whole)
    assert beside.right == (
        members[0].result["validation"]["top1"],
        pytest.approx(whole.result["validation"]["top1"]),
    )
    assert not any("ATTENTION" in note for note in beside.notes)
    (row,) = list_runs(whole.folder).rows
    assert (row["network"], row["progress"], row["state"]) == ("mean of 3", None, "finished")
    settings = {row["setting"] for row in list_runs(whole.folder, members[0].folder).rows}
    assert {"network", "seed"} <= settings
    assert "schedule" not in settings
    main(["runs", str(whole.folder)])
    assert "mean of 3" in capsys.readouterr().out


def test_several_views_are_averaged_over_views_and_members(members, whole):
    flipped = evaluate(whole, crops="flip")
    assert flipped.disagreements
    each = [evaluate(run, crops="flip").mistakes.rows for run in members]
    assert flipped.figures[0].value > 1 - max(map(len, each)) / 359


def test_pictures_that_members_name_differently_are_listed(members, whole, tmp_path):
    found = evaluate(whole, output=tmp_path / "out")
    assert found.disagreements
    with (tmp_path / "out" / "disagreements.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    every = [run.predictions for run in members]
    names = every[0]["names"]
    said = np.stack([one["probabilities"].argmax(1) for one in every])  # (members, n), in the same order
    assert all((one["names"] == names).all() for one in every)
    differ = names[(said != said[0]).any(0)]
    assert sorted(row["name"] for row in rows) == sorted(differ)
    place = names.tolist().index(rows[0]["name"])
    assert rows[0]["said by b"].split()[0] == str(said[1, place])
    assert found.disagreements.notes[0].startswith(f"members differ on {len(differ)} of 359 answers")
    assert evaluate(members[0]).disagreements is None


def test_labels_that_are_planted_wrong_are_listed_first(members, tmp_path):
    data = Dataset.open("digits")["val"]
    planted = np.random.default_rng(0).choice(len(data), 15, replace=False)
    labels = data.labels.copy()
    labels[planted] = (labels[planted] + np.arange(15) % 9 + 1) % 10
    found = evaluate(members[0], replace(data, labels=labels), output=tmp_path / "out")
    listed = [row["name"] for row in found.doubts.rows]
    wanted = {data.names[place] for place in planted}
    assert len(wanted & set(listed[:15])) >= 12
    assert len(wanted & set(listed)) >= 14
    assert len(listed) < 30
    right = {data.names[place]: data.classes[data.labels[place]] for place in planted}
    named = [row["suggested"] == right[row["name"]] for row in found.doubts.rows if row["name"] in right]
    assert sum(named) >= 13
    assert any("may be worth a look" in line for line in found.sentences)
    assert (tmp_path / "out" / "doubts.csv").read_text().startswith("name,label,suggested,given,other\n")


def test_classes_in_another_order_are_matched_by_name(members, whole, tmp_path):
    turned = members[1].folder.parent / "turned"
    order = np.random.default_rng(1).permutation(10)
    changed(members[1], turned, classes=[members[1].classes[place] for place in order])
    tensors, about = load_sealed(turned / MODEL)
    last = list(members[1].net().state_dict())[-2:]
    save_sealed(turned / MODEL, {**tensors, **{name: tensors[name][torch.from_numpy(order)] for name in last}}, about)
    kept = members[1].predictions
    assert kept
    kept["probabilities"] = kept["probabilities"][:, order]
    kept["labels"] = np.argsort(order)[kept["labels"]]
    np.savez_compressed(turned / "predictions.npz", **kept)
    found = ensemble([members[0], turned, members[2]], output=tmp_path / "all")
    assert found.classes == members[0].classes
    ours, theirs = found.predictions, whole.predictions
    assert ours
    assert theirs
    assert np.allclose(ours["probabilities"], theirs["probabilities"])
    assert evaluate(found).figures[0].value == evaluate(whole).figures[0].value


def test_pictures_that_one_held_out_and_another_learned_give_no_figure(members, tmp_path, capsys):
    other = train(Dataset.open("digits", seed=1), epochs=1, seed=5, output=tmp_path / "other", **COMMON)
    assert other
    run = ensemble([members[0].folder, other.folder], output=tmp_path / "all")
    assert run.result
    assert (run.result["validation"], run.predictions) == (None, {})
    assert "no figures: " in str(run)
    assert "what one of them held out another may have learned" in str(run)
    with pytest.raises(
        DataError, match=r"pictures that no member of .* learned from are not known.*striate evaluate RUN"
    ):
        evaluate(run)
    with pytest.raises(DataError, match="are not known"):
        compare(run, members[0])
    assert any("ATTENTION" in note for note in compare(members[0], run).notes)
    assert any("ATTENTION" in note for note in evaluate(run, "digits", split="val").notes)
    main(["runs", str(run.folder.parent)])
    assert "damaged" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["train", "--resume"], ["train", "--like"], ["replay"], ["train", "digits", "--weights"]]
)
def test_what_only_a_training_can_do_is_refused(whole, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit:
        main([*words, str(whole.folder)])
    assert exit.value.code == 2
    told = capsys.readouterr().err
    assert "is an ensemble; take its members" in told
    assert not list(tmp_path.iterdir())


def test_wrong_members_are_refused_before_anything_is_written(members, whole, tmp_path):
    first, second, _ = members
    classes = [*first.classes[:-1], "ten"]
    several = {**second.config["data"], "several": True}
    unfinished = changed(second, tmp_path / "unfinished")
    (unfinished / "result.json").unlink()
    output = tmp_path / "out"
    for runs, sentence in (
        ([], "two runs or more"),
        ([first], "fewer are given"),
        (first, "two runs or more"),
        ([first, second, first.folder], "is given twice"),
        ([first, changed(first, tmp_path / "copy")], "have the same weights"),
        ([first, tmp_path / "nowhere"], "is not there"),
        ([first, whole], "is an ensemble; take its members"),
        ([first, unfinished], "made of runs that have ended"),
        ([first, changed(second, tmp_path / "classes", classes=classes)], "alone knows 9, and .* ten"),
        ([first, changed(second, tmp_path / "size", preprocess={"size": [9, 9]})], r"size \(12, 12\) and \(9, 9\)"),
        ([first, changed(second, tmp_path / "several", config={"data": several})], "one label, or all several"),
    ):
        with pytest.raises(StriateError, match=sentence):
            ensemble(runs, output=output)
        assert not output.exists()


def test_an_output_is_a_folder_of_its_own(members, whole, tmp_path, capsys):
    for output, sentence in (
        (whole.folder, "is there and is not empty"),
        (members[0].folder, "is there and is not empty"),
        (members[0].folder.parent, "is there and is not empty"),
        (members[0].folder / "in" / "it", "lies in .*, a member"),
    ):
        with pytest.raises(StriateError, match=sentence):
            ensemble(members, output=output)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as exit:
        main(["ensemble", *(str(run.folder) for run in members), "--output", str(tmp_path / "file")])
    assert exit.value.code == 2
    assert "--output is a new folder" in capsys.readouterr().err


def test_the_command_makes_one(members, tmp_path, capsys):
    main(["ensemble", str(members[0].folder), str(members[1].folder), "--output", str(tmp_path / "two"), "--csv"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("all 2,mean of 2,")
    with pytest.raises(SystemExit):
        main(["compare", str(members[0].folder), str(tmp_path / "two"), "--csv"])
    assert "has no form as CSV" in capsys.readouterr().err
