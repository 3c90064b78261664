"""A run's weights for others: strictly under their names, or as a program; whole, or not there."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from handed import changed, logits, said, script
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st
from made import encoded, photo
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from striate.errors import StriateError
from striate.evaluate.ensemble import ensemble
from striate.nets.build import net
from striate.nets.naming import to_state_dict
from striate.preprocess import Preprocess
from striate.ship.others.card import MARK
from striate.ship.others.targets import write_target
from striate.ship.others.timm_config import timm_config
from striate.train.choose.weights import begun, network_of
from striate.train.keep.sealed import save_sealed, stated_sum
from striate.train.run import MODEL, Run, open_run


class Block(nn.Module):
    """A basic block with the names that torchvision and timm give its parts."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)
        self.conv2, self.bn2 = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + shortcut)


class ResNet18(nn.Module):
    """The network of the paper, written down without striate."""

    def __init__(self, classes):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        for place, width in enumerate((64, 128, 256, 512), 1):
            first = Block(64, 64, 1) if place == 1 else Block(width // 2, width, 2)
            self.add_module(f"layer{place}", nn.Sequential(first, Block(width, width, 1)))
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3)))


@pytest.fixture(scope="module")
def resnet(coloured, tmp_path_factory) -> Run:
    """A run of a network that others publish, with weights that no initialisation gives."""
    folder = tmp_path_factory.mktemp("named") / "resnet"
    shutil.copytree(coloured.folder, folder)
    made = net("resnet18", input="32x32x3", classes=coloured.classes)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in made.named_buffers():
            if name.endswith(("mean", "var")):
                value.add_(torch.rand(value.shape, generator=generator) / 4)
    save_sealed(folder / MODEL, made.state_dict(), {})
    origin = {"publisher": "timm", "name": "timm/resnet18.a1_in1k", "source": "hub", "licence": "apache-2.0"}
    about = {"name": "resnet18", "text": made.notation, "trained": made.notation, "input": [32, 32, 3]}
    other = changed(coloured, network={**about, "origin": origin})
    size = replace(coloured.preprocess, size=(32, 32), resize=36)
    for name, value in (("config", other.config), ("preprocess", size.to_dict())):
        (folder / f"{name}.json").write_text(json.dumps(value))
    return open_run(folder)


@pytest.mark.parametrize("to", ["torchvision", "timm"])
@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_weights_load_strictly_into_the_publisher_s_network(resnet, tmp_path, to, ending):
    file = tmp_path / f"pets{ending}"
    told = write_target(resnet, to, file)
    state = load_file(file) if ending == ".safetensors" else torch.load(file, weights_only=True)
    assert all(type(value) is torch.Tensor for value in state.values())
    theirs = ResNet18(3)
    theirs.load_state_dict(state, strict=True)
    torch.testing.assert_close(logits(theirs, resnet), logits(resnet.net(), resnet))
    if ending == ".safetensors":
        with safe_open(file, "pt") as opened:
            about = json.loads(opened.metadata()["striate"])
    else:
        about = json.loads((tmp_path / "pets.about.json").read_text())
    assert tuple(about["classes"]) == resnet.classes
    assert Preprocess.from_dict(about["preprocess"]) == resnet.preprocess
    assert sorted(map(str, tmp_path.iterdir())) == sorted(line.partition(": ")[0] for line in told)


def test_a_run_s_own_weights_are_not_written_over(resnet, coloured, tmp_path):
    shutil.copytree(coloured.folder, tmp_path / "other")
    with pytest.raises(StriateError, match=r"must not be a run's own weights, but .*other/model\.safetensors is"):
        write_target(resnet, "safetensors", tmp_path / "other" / MODEL)
    assert (tmp_path / "other" / MODEL).read_bytes() == (coloured.folder / MODEL).read_bytes()
    (tmp_path / "linked.safetensors").symlink_to(coloured.folder / MODEL)
    with pytest.raises(StriateError, match="the output must not be the file that is read"):
        write_target(coloured, "safetensors", tmp_path / "linked.safetensors")


def test_what_a_file_of_another_s_names_says_of_itself_is_read_again(resnet, tmp_path):
    write_target(resnet, "torchvision", file := tmp_path / "pets.safetensors")
    assert network_of(str(file)) == "resnet18"
    again = net("resnet18", weights=file)
    assert again.input == (32, 32, 3)
    assert (again.preprocess, again.origin) == (resnet.preprocess, resnet.config["network"]["origin"])
    assert torch.equal(logits(again, resnet), logits(resnet.net(), resnet))


def test_dropout_of_a_training_does_not_keep_weights_from_their_publisher():
    ours = net("alexnet_torchvision", input="64x64x3", classes=2)
    with torch.no_grad():
        expected = to_state_dict(ours, "torchvision")
        for module in ours.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.125
        assert to_state_dict(ours, "torchvision").keys() == expected.keys()


def test_a_folder_for_timm(resnet, tmp_path):
    write_target(resnet, "timm", folder := tmp_path / "pets")
    assert {path.name for path in folder.iterdir()} == {"README.md", "config.json", MODEL}
    ResNet18(3).load_state_dict(load_file(folder / MODEL), strict=True)
    told = json.loads((folder / "config.json").read_text())
    mean, std = (told["pretrained_cfg"].pop(name) for name in ("mean", "std"))
    assert (mean, std) == (list(resnet.preprocess.mean), list(resnet.preprocess.std))
    assert told == {
        "architecture": "resnet18",
        "num_classes": 3,
        "num_features": 512,
        "label_names": list(resnet.classes),
        "pretrained_cfg": {
            "tag": "striate",
            "custom_load": False,
            "input_size": [3, 32, 32],
            "fixed_input_size": False,
            "interpolation": "bilinear",
            "crop_pct": 32 / 36,
            "crop_mode": "center",
            "num_classes": 3,
            "pool_size": None,
            "first_conv": "conv1",
            "classifier": "fc",
            "license": "apache-2.0",
        },
    }
    assert ModelCard.load(folder / "README.md").data.library_name == "timm"


@given(st.integers(1, 700), st.integers(0, 300), st.sampled_from([1, 255]))
def test_timm_resizes_to_the_same_size(side, more, scale):
    preprocess = Preprocess((side, side), side + more, scale=scale, mean=(scale / 2,) * 3, std=(scale / 4,) * 3)
    run = Run(Path(), FAKE, ("a", "b"), preprocess)
    state = {"conv1.weight": torch.empty(8, 3, 7, 7), "fc.weight": torch.empty(2, 8), "fc.bias": torch.empty(2)}
    config, notes = timm_config(run, "resnet18", state)
    about = config["pretrained_cfg"]
    assert int(np.floor(side / about["crop_pct"])) == side + more
    assert (about["mean"], about["std"], notes) == ([0.5] * 3, [0.25] * 3, [])


FAKE = {"data": {"several": False}, "network": {"origin": None, "weights": None}}


def test_striate_s_own_file_is_weights_to_begin_with(coloured, gray, tmp_path):
    for run in (coloured, gray):
        write_target(run, "safetensors", file := tmp_path / "own.safetensors")
        again = begun(network_of(str(file)), None, file, ("x", "y"), 0).network
        assert again.input == tuple(run.config["network"]["input"])
        assert (again.preprocess, again.name) == (run.preprocess, run.config["network"]["name"])
        theirs, ours = again.state_dict(), run.net().state_dict()
        assert all(torch.equal(theirs[name], ours[name]) for name in list(ours)[:-2])
        with safe_open(file, "pt") as opened:
            about = json.loads(opened.metadata()["striate"])
        assert about["notation"] == run.net().notation
        assert about["run"] == stated_sum(run.folder / MODEL)


def test_a_program_runs_without_striate_and_answers_alike(coloured, tmp_path):
    file = tmp_path / "pets.pt2"
    assert "from normalised pictures to logits" in write_target(coloured, "torch-export", file)[0]
    # of the size that the network sees, so that another resize changes nothing
    (tmp_path / "photo.jpg").write_bytes(encoded(photo(1, 16, 16), "JPEG", quality=95))
    more = "torch.save({n: network(torch.linspace(-1, 1, n * 768).reshape(n, 3, 16, 16)) for n in (1, 2, 5)}, 'said')"
    code = f"import sys; sys.modules['striate'] = None\n{script(tmp_path / 'pets.pt2.card.md')}\n{more}"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == said(coloured, tmp_path / "photo.jpg")
    network = coloured.net()
    for number, answers in torch.load(tmp_path / "said").items():
        with torch.no_grad():
            ours = network(torch.linspace(-1, 1, number * 768).reshape(number, 3, 16, 16))
        torch.testing.assert_close(answers, ours)


@pytest.mark.parametrize(
    ("whose", "to", "name", "sentence"),
    [
        ("coloured", "torchvision", "x.pth", "--to safetensors, torch-export, hub and onnx take any network"),
        ("coloured", "timm", "x", "timm publishes no network with the layers of"),
        ("coloured", "torchvision", "x.onnx", "the output must end in .safetensors, .pth, but is"),
        ("coloured", "timm", "x.pt2", "the output must end in .safetensors, .pth, but is"),
        ("coloured", "safetensors", "x.pth", "the output must end in .safetensors, but is"),
        ("coloured", "torch-export", "x.pt", "the output must end in .pt2, but is"),
        ("coloured", "torch-export", "no/x.pt2", "the output's folder must exist"),
        ("coloured", "hub", "x.onnx", "--to hub writes a folder, but"),
        ("coloured", "hub", "no/x", "the output's folder must exist"),
        ("gray", "torchvision", "x.pth", "torchvision's resnet18 takes 3 channels, but this network takes 1"),
        ("blue", "timm", "x", "timm shows networks red, green, blue"),
    ],
)
def test_wrong_input_is_refused_and_leaves_nothing(request, resnet, tmp_path, whose, to, name, sentence):
    if whose == "gray":
        made = net("resnet18", input="32x32x1", classes=resnet.classes)
        shutil.copytree(resnet.folder, folder := tmp_path.parent / f"{tmp_path.name}-gray")
        save_sealed(folder / MODEL, made.state_dict(), {})
        run = changed(resnet, network={"text": made.notation, "input": [32, 32, 1]})
        run = Run(folder, run.config, run.classes, run.preprocess)
    elif whose == "blue":
        run = Run(resnet.folder, resnet.config, resnet.classes, replace(resnet.preprocess, channels="BGR"))
    else:
        run = request.getfixturevalue(whose)
    with pytest.raises(StriateError, match=re.escape(sentence)):
        write_target(run, to, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_ensemble_s_members_are_offered(coloured, tmp_path):
    shutil.copytree(coloured.folder, twin := tmp_path / "twin")
    other = {name: value + 1 for name, value in coloured.net().state_dict().items()}
    save_sealed(twin / MODEL, other, {})
    both = ensemble([coloured.folder, twin], output=tmp_path / "both")
    with pytest.raises(StriateError, match=r"is the mean of several; take its members: .*run, .*twin"):
        write_target(both, "hub", tmp_path / "pets")


def test_only_what_was_written_here_is_written_over(coloured, tmp_path):
    folder = tmp_path / "pets"
    write_target(coloured, "hub", folder)
    write_target(coloured, "hub", folder)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(StriateError, match="holds other files"):
        write_target(coloured, "hub", folder)
    (folder / "mine.txt").unlink()
    page = folder / "README.md"
    page.write_text(page.read_text().replace(MARK, "mine"))
    with pytest.raises(StriateError, match="holds other files"):
        write_target(coloured, "hub", folder)
    assert "mine" in page.read_text()
    with pytest.raises(StriateError, match="holds other files"):
        write_target(coloured, "hub", coloured.folder)
    write_target(coloured, "safetensors", file := tmp_path / "own.safetensors")
    write_target(coloured, "safetensors", file)
    (tmp_path / "own.safetensors.card.md").write_text("my own words")
    with pytest.raises(StriateError, match="was edited"):
        write_target(coloured, "safetensors", file)
    assert {path.name for path in tmp_path.iterdir()} == {"pets", "own.safetensors", "own.safetensors.card.md"}


@pytest.mark.parametrize(("to", "name"), [("safetensors", "own.safetensors"), ("torch-export", "own.pt2")])
def test_weights_never_lie_there_without_their_card(coloured, tmp_path, monkeypatch, to, name):
    write_target(coloured, to, tmp_path / name)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("striate.ship.others.targets.writer", lambda _: fail)
    for output in (name, f"new{name}"):
        with pytest.raises(StriateError, match="No space left on device"):
            write_target(coloured, to, tmp_path / output)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_is_whole_or_not_there(coloured, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    write_target(coloured, "hub", folder := tmp_path / "pets")
    before = (folder / "README.md").read_text()
    monkeypatch.setattr("striate.ship.others.targets.write_hub", fail)
    for name in ("pets", "new"):
        with pytest.raises(StriateError, match=f"{name} cannot be written: No space left on device"):
            write_target(coloured, "hub", tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["pets"]
    assert (folder / "README.md").read_text() == before
