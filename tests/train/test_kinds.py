"""Every kind of training: side heads, several labels, shards, other pictures to judge by, and what a setting does."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from made import encoded, photo
from shard_files import tar_of
from training import pictures

import striate as st
from striate.errors import DataError, StriateError
from striate.train.run import open_run
from striate.train.train import train

NET = "conv 3x3x4 s2 same, bn, relu, globalpool, fc 2"
DROPPING = NET.replace("globalpool", "globalpool, dropout 0.1")
QUICK = {"size": "16x16", "batch_size": 8, "epochs": 2, "precision": "float32", "distortion": "light", "quiet": True}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = pictures(tmp_path_factory.mktemp("kinds") / "photos")
    for number in range(16):
        (folder / f"c/{number:02}.png").unlink()  # an uneven class
    return folder


@pytest.fixture(scope="module")
def plain(photos, tmp_path_factory) -> st.Run:
    return train(photos, DROPPING, **QUICK, output=tmp_path_factory.mktemp("plain") / "run")


def weights(run: st.Run) -> torch.Tensor:
    return torch.cat([tensor.flatten().double() for tensor in run.net().state_dict().values()])


def test_side_heads_train_and_are_gone_afterwards(photos, tmp_path):
    text = "conv 3x3x4 s2 same, relu, aux (globalpool, fc 2), conv 3x3x4 same, relu, globalpool, fc 2"
    with_side, without = (
        train(photos, net, **QUICK, output=tmp_path / name)
        for name, net in (("with", text), ("without", text.replace("aux (globalpool, fc 2), ", "")))
    )
    network = open_run(tmp_path / "with").net()
    assert not network.side_heads
    assert "aux" not in network.notation
    assert "aux" in with_side.config["network"]["trained"]
    assert list(network.state_dict()) == list(without.net().state_dict())
    assert not torch.equal(weights(with_side), weights(without))  # what the side head saw changed the layers below
    again = train(like=tmp_path / "with", output=tmp_path / "again", quiet=True)
    assert torch.equal(weights(again), weights(with_side))


def test_a_picture_may_have_several_labels(tmp_path):
    lines = ["image,striped,dark"]
    for number in range(24):
        pixels = photo(number).copy()
        if dark := number % 2:
            pixels = pixels // 3
        if striped := number % 3 == 0:
            pixels[::4] = 255
        (tmp_path / f"{number}.png").write_bytes(encoded(pixels))
        lines.append(f"{number}.png,{int(striped)},{dark}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    run = train(tmp_path / "labels.csv", NET, **QUICK, output=tmp_path / "run")
    assert set(run.result["validation"]) == {"loss", "mean_average_precision"}
    chances = run.predictions["probabilities"]
    assert chances.shape[1] == 2
    assert not np.allclose(chances.sum(1), 1)
    assert "mean average precision" in str(run)


def test_shards_are_learned_from_and_other_pictures_judge(photos, tmp_path):
    data = st.Dataset.open(photos)
    (tmp_path / "classes.txt").write_text("\n".join(data.classes))
    whole = data["train"]
    for shard in range(2):
        members = []
        for place in range(shard, len(whole), 2):
            content = whole.source.read(int(whole.rows[place]))
            members += [(f"{place:03d}.png", content), (f"{place:03d}.cls", str(whole.labels[place]).encode())]
        (tmp_path / f"train-{shard}.tar").write_bytes(tar_of(members))
    where = str(tmp_path / "train-{0..1}.tar")
    judged = {"pictures": len(whole), "validation": data["val"], **QUICK}
    run = train(where, NET, **judged, output=tmp_path / "run")
    assert run.config["data"]["stream"] is True
    assert run.config["steps"] == 2 * -(-len(whole) // 8)
    assert len(run.predictions["names"]) == len(data["val"])
    again = train(where, NET, **judged, output=tmp_path / "again", workers=1)
    assert torch.equal(weights(run), weights(again))
    with pytest.raises(DataError, match="weighted where they can be counted"):
        train(where, NET, **judged, balance="weights", output=tmp_path / "other")
    with pytest.raises(DataError, match="a stream does not say how many pictures it has"):
        train(st.open_shards(where), NET, validation=data["val"], output=tmp_path / "other")


def test_a_validation_with_other_classes_is_refused(photos, tmp_path):
    with pytest.raises(
        DataError, match="the classes must be those that the network learns, but digits lacks a, b, c; it has besides 0"
    ):
        train(photos, NET, validation="digits", **QUICK, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "setting",
    [
        {"optimizer": "adamw"},
        {"schedule": "cosine"},
        {"schedule": "step"},
        {"warm_up": 0.5},
        {"weight_decay": 0.1},
        {"label_smoothing": 0.3},
        {"dropout": 0.5},
        {"distortion": "strong"},
        {"fit": "pad"},
        {"mixup": 0.4},
        {"cutmix": 1.0},
        {"balance": "weights"},
        {"balance": "sampling"},
        {"ema": 0.5},
        {"clip": 0.01},
        {"lr": 0.02},
        {"seed": 1},
        {"batch_size": 4},
        pytest.param({"precision": "bfloat16"}, marks=pytest.mark.slow),
        {"precision": "float64"},
    ],
    ids=str,
)
def test_every_setting_changes_what_is_learned_and_nothing_else_does(setting, photos, plain, tmp_path):
    changed = train(photos, DROPPING, **(QUICK | setting), output=tmp_path / "changed")
    assert not torch.equal(weights(plain), weights(changed))
    assert weights(changed).isfinite().all()
    differs = {
        name
        for name in plain.config["recipe"]
        if plain.config["recipe"][name] != changed.config["recipe"][name] and name not in setting
    }
    assert differs <= {"lr", "weight_decay"}  # what is chosen may depend on what was asked


def test_parts_of_a_batch_add_up_to_it(photos, tmp_path):
    settings = QUICK | {"precision": "float64"}
    net = NET.replace("bn, ", "")  # batch norm sees the parts
    whole = train(photos, net, **settings, output=tmp_path / "whole")
    parts = train(photos, net, **settings, accumulate=3, output=tmp_path / "parts")
    assert torch.allclose(weights(whole), weights(parts), rtol=0, atol=1e-12)


def test_it_stops_early_and_says_so(photos, tmp_path):
    run = train(photos, NET, **(QUICK | {"lr": 1e-9, "epochs": 9}), patience=2, output=tmp_path / "run")
    epochs = [line for line in run.history if line["kind"] == "epoch"]
    assert run.result["stopped"] == "no better result in 2 epochs"
    assert len(epochs) < 9
    assert "stopped early: no better result in 2 epochs" in str(run)


def test_a_run_opens_elsewhere(photos, tmp_path):
    result = json.loads(train(photos, NET, **QUICK, output=tmp_path / "run").to_json())["result"]
    (tmp_path / "run").rename(tmp_path / "moved")
    run = st.open_run(tmp_path / "moved")
    predicted = run.predictions
    picture = run.preprocess.read(photos / str(predicted["names"][0])).pixels
    with torch.inference_mode():
        scores = run.net()(torch.from_numpy(run.preprocess.normalised(picture))[None])
    assert np.allclose(scores.softmax(1)[0].numpy(), predicted["probabilities"][0], atol=1e-6)
    assert run.classes == st.Dataset.open(photos).classes
    assert run.result == result


def test_a_network_that_was_built_by_hand_is_trained(photos, tmp_path):
    network = st.net(NET, input="16x16x3", classes=list(st.Dataset.open(photos).classes), seed=5)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    settings = {name: value for name, value in QUICK.items() if name != "size"}
    run = train(st.Dataset.open(photos), network, **settings, output=tmp_path / "run")
    assert run.config["network"]["text"].startswith("input 16x16x3")
    after = run.net().state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_replay_proves_a_run_and_refuses_other_pictures(photos, tmp_path):
    train(photos, NET, **QUICK, output=tmp_path / "run")
    found = st.replay(tmp_path / "run", quiet=True, workers=1)
    assert found.equal
    assert "came out again" in str(found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    config = json.loads((tmp_path / "run/config.json").read_text())
    config["data"]["fingerprint"] = "0" * 32
    (tmp_path / "run/config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="a replay needs the same pictures"):
        st.replay(tmp_path / "run", quiet=True)


def test_a_replay_tells_how_much_differs(photos, tmp_path):
    from striate.train.replay import compare

    one, other = (train(photos, NET, **QUICK, seed=seed, output=tmp_path / str(seed)) for seed in (1, 2))
    found = compare(one, other)
    assert not found.equal
    assert sum(found.different.values()) > 10
    assert "differ, by at most" in str(found)


def test_quiet_says_nothing(photos, tmp_path, capfd):
    train(photos, NET, **QUICK, output=tmp_path / "run")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_without_a_validation_the_last_weights_are_kept(photos, tmp_path):
    from dataclasses import replace

    data = st.Dataset.open(photos)
    data = replace(data, splits=np.full(len(data), "train"))
    run = train(data, NET, **QUICK, output=tmp_path / "run")
    assert run.result["validation"] is None
    assert run.result["epoch"] == 2
    assert run.figures is None


def test_nothing_to_learn_from(tmp_path):
    with pytest.raises(StriateError, match="nothing to learn from"):
        train(quiet=True)
