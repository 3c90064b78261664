"""Transfer from the command's side: weights, heads that are solved, freeze points, and runs that are ordinary ones."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from made import encoded, photo

import striate as st
from striate.errors import DataError, StriateError, UnknownName, WeightsError
from striate.train.train import train

NET = "stem: conv 3x3x8 s2 same, bn, relu stage1: conv 3x3x12 same, bn, relu head: globalpool, dropout 0.2, fc 3"
QUICK = {"batch_size": 8, "precision": "float32", "quiet": True}


def coloured(folder: Path, classes: dict[str, int], each: int = 16) -> Path:
    """Pictures of which a colour channel is bright: classes that a network can tell apart."""
    for name, channel in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = photo(1000 * channel + number, 20, 24) // 2
            pixels[..., channel] += 100
            (folder / name / f"{number:02}.png").write_bytes(encoded(pixels))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """A run, and pictures of other classes."""
    root = tmp_path_factory.mktemp("transfer")
    first = coloured(root / "first", {"blue": 2, "green": 1, "red": 0})
    train(first, NET, size="16x16", epochs=4, output=root / "run", **QUICK)
    return root / "run", coloured(root / "second", {"leaf": 1, "rose": 0})


def same_front(run: st.Run, other: st.Run) -> bool:
    """Whether all but the head is the same, statistics of batch norm included."""
    ours, theirs = (each.net().state_dict() for each in (run, other))
    return all(torch.equal(ours[name], theirs[name]) for name in ours if not name.startswith("head"))


def test_a_head_is_solved_and_the_front_stays_as_it_was(folders, tmp_path):
    weights, photos = folders
    run = train(photos, weights=weights, freeze="all", output=tmp_path / "run", **QUICK)
    assert same_front(run, st.open_run(weights))
    assert run.result["validation"]["top1"] == 1
    assert run.config["network"]["weights"] == str(weights.resolve())
    assert run.recipe.freeze == "all"
    predicted = run.predictions
    pixels = run.preprocess.read(photos / str(predicted["names"][0])).pixels
    with torch.inference_mode():
        scores = run.net()(torch.from_numpy(run.preprocess.normalised(pixels))[None])
    assert np.allclose(scores.softmax(1)[0].numpy(), predicted["probabilities"][0], atol=1e-3)  # by half precision
    assert (tmp_path / "run/report.html").stat().st_size > 1000
    assert st.runs(tmp_path).rows[0]["state"] == "finished"


def test_a_second_run_finds_the_features(folders, tmp_path, capfd):
    weights, photos = folders
    settings = {name: value for name, value in QUICK.items() if name != "quiet"}
    one, two = (train(photos, weights=weights, freeze="all", output=tmp_path / name, **settings) for name in "ab")
    told = capfd.readouterr().err
    assert told.count("are there already") >= 2
    assert all(torch.equal(a, b) for a, b in zip(one.net().parameters(), two.net().parameters(), strict=True))


def judged_by_the_network(run: st.Run, photos: Path, names: np.ndarray) -> np.ndarray:
    """(n, classes): probabilities of pictures, one after the other through the whole network."""
    network, told = run.net(), []
    for name in names.tolist():
        pixels = run.preprocess.read(photos / name).pixels
        with torch.inference_mode():
            told.append(network(torch.from_numpy(run.preprocess.normalised(pixels))[None]).softmax(1)[0].numpy())
    return np.stack(told)


def divided(folder: Path) -> Path:
    """Pictures with splits of their own."""
    for number, split in enumerate(("train", "val", "test")):
        for name, channel in (("leaf", 1), ("rose", 0)):
            (folder / split / name).mkdir(parents=True)
            for each in range(12 if split == "train" else 7):
                pixels = photo(5000 * number + 100 * channel + each, 20, 24) // 2
                pixels[..., channel] += 60
                (folder / split / name / f"{each:02}.png").write_bytes(encoded(pixels))
    return folder


def test_features_judge_validation_and_the_network_the_test_split(folders, tmp_path, capfd, monkeypatch):
    from striate.train import confirm, finish

    weights, photos = folders[0], divided(tmp_path / "divided")
    seen: dict[str, int] = {}

    def counted(module, what):
        judge = module.judge

        def counting(*words):
            judged = judge(*words)
            seen[what] = len(judged.rows)
            return judged

        monkeypatch.setattr(module, "judge", counting)

    counted(confirm, "confirmed")
    counted(finish, "judged")
    run = train(photos, weights=weights, freeze="all", output=tmp_path / "run", batch_size=8)
    assert seen == {"confirmed": 8, "judged": 14}
    assert "of 8 pictures the network on the disk gives the same scores but for" in capfd.readouterr().err
    predicted = run.predictions
    for prefix, within in (("", 1e-3), ("test_", 1e-6)):
        expected = judged_by_the_network(run, photos, predicted[f"{prefix}names"])
        assert np.allclose(predicted[f"{prefix}probabilities"], expected, atol=within)
        assert (np.diff(predicted[f"{prefix}rows"]) > 0).all()
    assert run.result["test"] is not None


@pytest.mark.parametrize("damaged", ["stem.0.weight", "head.3.weight", "head.3.bias"])
def test_a_network_on_the_disk_that_says_otherwise_is_noticed(damaged, folders, tmp_path, monkeypatch):
    from striate.train.transfer import head

    weights, photos = folders
    save = head.save_sealed

    def spoilt(path, tensors, about):
        save(path, {**tensors, damaged: tensors[damaged].flip(0)}, about)

    monkeypatch.setattr(head, "save_sealed", spoilt)
    with pytest.raises(StriateError, match=r"(leaf|rose)/\d+.png they differ by .*; train into another folder"):
        train(photos, weights=weights, freeze="all", output=tmp_path / "run", **QUICK)
    assert st.open_run(tmp_path / "run").result is None


def test_probes_are_solved_once(folders, tmp_path, capfd, monkeypatch):
    from striate.train.transfer import freezing

    weights, photos, solved = folders[0], coloured(tmp_path / "photos", {"leaf": 1, "rose": 0}), []
    probe = freezing.probe
    monkeypatch.setattr(freezing, "probe", lambda *words: solved.append(len(words[1])) or probe(*words))

    def told(name: str, **settings) -> tuple[str, str]:
        train(photos, weights=weights, output=tmp_path / name, batch_size=8, **settings)
        said = capfd.readouterr().err
        return said[said.index("What each stage knows") : said.index("the head is solved")], said

    first, _ = told("first")
    second, said = told("second")
    assert len(solved) == 1
    assert second == first
    assert "probes, times included, are those of an earlier run" in said
    for name in ("stages.json", "stages.svg"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    told("seed", seed=1)
    assert len(solved) == 2  # other folds


def test_probes_of_other_labels_are_solved_anew(folders, tmp_path, monkeypatch):
    from striate.train.transfer import freezing

    weights, photos, solved = folders[0], coloured(tmp_path / "photos", {"leaf": 1, "rose": 0}), []
    probe = freezing.probe
    monkeypatch.setattr(freezing, "probe", lambda *words: solved.append(words[1].tolist()) or probe(*words))
    table = photos / "labels.csv"
    names = [f"{name}/{number:02}.png" for name in ("leaf", "rose") for number in range(16)]
    for turn in range(2):
        rows = [f"{name},{'ab'[(place + turn) % 2]}\n" for place, name in enumerate(names)]
        table.write_text("file,label\n" + "".join(rows))
        train(table, weights=weights, output=tmp_path / f"run{turn}", **QUICK)
    assert len(solved) == 2
    assert solved[0] == [1 - label for label in solved[1]]


def test_auto_tells_what_each_stage_knows(folders, tmp_path, capfd):
    weights, photos = folders
    settings = {name: value for name, value in QUICK.items() if name != "quiet"}
    run = train(photos, weights=weights, output=tmp_path / "run", **settings)
    told = capfd.readouterr().err
    assert "What each stage knows, and what it costs" in told
    assert run.recipe.freeze in ("all", "stem")
    stages = json.loads((tmp_path / "run/stages.json").read_text())["rows"]
    assert [row["stage"] for row in stages] == ["stem", "stage1"]
    assert (tmp_path / "run/stages.svg").exists()
    assert (tmp_path / "run/doubts.csv").exists()


def test_a_deeper_rest_learns_by_the_loop_and_goes_on(folders, tmp_path, monkeypatch):
    from striate.train import loop

    weights, photos = folders
    settings = {"weights": weights, "freeze": "stem", "epochs": 3, **QUICK}
    whole = train(photos, output=tmp_path / "whole", **settings)
    begun, taken = st.open_run(weights).net().state_dict(), loop._step
    ended = whole.net().state_dict()
    assert all(torch.equal(begun[name], ended[name]) for name in begun if name.startswith("stem"))
    assert not torch.equal(begun["stage1.0.weight"], ended["stage1.0.weight"])

    def torn(learner, *others):
        if learner.step == 7:
            raise MemoryError("as if killed")
        return taken(learner, *others)

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(loop, "_step", torn)
        train(photos, output=tmp_path / "torn", **settings)
    again = train(resume=tmp_path / "torn", quiet=True)
    assert all(torch.equal(tensor, again.net().state_dict()[name]) for name, tensor in ended.items())


def test_fine_tuning_moves_earlier_stages_less(folders, tmp_path):
    weights, photos = folders
    run = train(photos, weights=weights, freeze="none", epochs=2, output=tmp_path / "run", **QUICK)
    assert not same_front(run, st.open_run(weights))
    again = train(like=tmp_path / "run", output=tmp_path / "again", quiet=True)
    assert all(torch.equal(a, b) for a, b in zip(run.net().parameters(), again.net().parameters(), strict=True))


def test_thawing_begins_with_the_head(folders, tmp_path):
    weights, photos = folders
    run = train(photos, weights=weights, thaw=True, epochs=1, output=tmp_path / "run", **QUICK)
    assert same_front(run, st.open_run(weights))  # one epoch is the head's
    longer = train(photos, weights=weights, thaw=True, epochs=3, output=tmp_path / "longer", **QUICK)
    assert not same_front(longer, st.open_run(weights))


def test_members_are_one_head(folders, tmp_path):
    weights, photos = folders
    run = train(photos, weights=weights, freeze="all", members=5, output=tmp_path / "run", **QUICK)
    assert run.recipe.members == 5
    assert run.net().head[-1].weight.shape == (2, 12)


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"net": NET, "size": "16x16", "freeze": "all"}, StriateError, "what is frozen has to know something"),
        ({"freeze": "stage7"}, UnknownName, "no stage to freeze up to is called 'stage7'"),
        ({"freeze": "all", "thaw": True}, StriateError, "--thaw begins with the head and ends with all"),
        ({"freeze": "all", "minutes": 1.0}, StriateError, "computed once for each picture, with which --minutes"),
        ({"freeze": "all", "mixup": 0.2}, StriateError, "with which --mixup and --cutmix cannot go"),
        ({"net": "lenet5"}, StriateError, "is a run of .*, but --net is lenet5"),
        ({"size": "32x32"}, StriateError, "a network for 16×16×3, but --size asks for 32×32×3"),
        ({"views": 0}, StriateError, "--views is a whole number from 1 to 1,000"),
        ({"weights": "auto", "net": NET}, StriateError, "no weights are known for"),
        ({"weights": "nowhere.safetensors", "net": "lenet5"}, WeightsError, "nowhere.safetensors"),
    ],
    ids=str,
)
def test_what_does_not_go_is_told(settings, error, sentence, folders, tmp_path):
    weights, photos = folders
    if "net" not in settings or settings["net"] == "lenet5":
        settings = {"weights": weights, **settings}
    with pytest.raises(error, match=sentence):
        train(photos, output=tmp_path / "run", **QUICK, **settings)


def test_weights_that_changed_are_not_repeated(folders, tmp_path):
    weights, photos = folders
    run = train(photos, weights=weights, freeze="all", output=tmp_path / "run", **QUICK)
    config = json.loads((run.folder / "config.json").read_text())
    config["network"]["first"] = "0" * 64
    (run.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="began with other weights than are now in"):
        train(like=run.folder, output=tmp_path / "again", quiet=True)


def test_a_single_picture_of_a_class_is_told(folders, tmp_path, capfd):
    weights, _ = folders
    photos = coloured(tmp_path / "few", {"leaf": 1, "rose": 0}, each=6)
    (photos / "fern").mkdir()
    (photos / "fern/1.png").write_bytes(encoded(photo(9, 20, 24)))
    train(photos, weights=weights, freeze="all", output=tmp_path / "run", batch_size=8)
    assert "fern" in capfd.readouterr().err


def test_one_class_is_refused(folders, tmp_path):
    weights, _ = folders
    with pytest.raises(DataError, match="at least 2"):
        train(coloured(tmp_path / "one", {"leaf": 1}), weights=weights, output=tmp_path / "run", **QUICK)


def test_options_without_effect_are_told(folders, tmp_path, capfd):
    weights, photos = folders
    train(photos, weights=weights, freeze="all", lr=0.1, fit="pad", batch_size=8, output=tmp_path / "run")
    assert "a head that is solved takes no steps: --batch-size, --lr without effect" in capfd.readouterr().err
    with pytest.raises(StriateError, match="--members belong to a frozen part, but nothing is frozen here"):
        train(photos, weights=weights, freeze="none", members=3, output=tmp_path / "other", **QUICK)
