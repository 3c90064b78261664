"""A run's weights for others: strictly under their names, as a program, as a folder that is a run again; and cards."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from copy import deepcopy
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from hub_server import Hub
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st
from made import encoded, photo
from PIL import Image, ImageOps
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from striate.errors import StriateError
from striate.evaluate.ensemble import ensemble
from striate.evaluate.evaluate import evaluate
from striate.nets.build import net
from striate.nets.naming import to_state_dict
from striate.preprocess import Preprocess
from striate.ship.assembly import assembled
from striate.ship.others.card import MARK, card
from striate.ship.others.hub import without_places
from striate.ship.others.targets import write_target
from striate.ship.others.timm_config import timm_config
from striate.ship.others.using import pixels
from striate.train.choose.weights import begun, network_of
from striate.train.keep.sealed import save_sealed, stated_sum
from striate.train.run import MODEL, Run, open_run

ENV = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


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


def changed(run: Run, **parts) -> Run:
    """The same folder, but with another configuration: network={"origin": …}."""
    config = deepcopy(run.config)
    for part, values in parts.items():
        config[part].update(values)
    return Run(run.folder, config, run.classes, run.preprocess)


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


def logits(network: nn.Module, run: Run, batch: int = 2) -> torch.Tensor:
    height, width, channels = run.config["network"]["input"]
    with torch.inference_mode():
        return network.eval()(torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(1)))


def script(page: Path) -> str:
    """The Python code of a card."""
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    return code


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


def test_the_code_on_the_card_of_weights_runs(coloured, tmp_path, monkeypatch, capsys):
    write_target(coloured, "safetensors", tmp_path / "own.safetensors")
    (tmp_path / "photo.jpg").write_bytes(encoded(photo(1), "JPEG"))
    monkeypatch.chdir(tmp_path)
    exec(script(tmp_path / "own.safetensors.card.md"), {})
    assert capsys.readouterr().out == said(coloured, tmp_path / "photo.jpg")


@pytest.mark.parametrize(
    "preprocess",
    [
        Preprocess((24, 24), 28),
        Preprocess((20, 31), 23, interpolation="bicubic"),
        Preprocess((24, 20), None, channels="BGR", scale=255, mean=(104.0, 117.0, 123.0), std=(1.0, 2.0, 3.0)),
        Preprocess((24, 30), fit="squash", channels="L", mean=(0.5,), std=(0.25,)),
        Preprocess((24, 31), fit="pad", background=(9, 99, 199)),
        Preprocess((31, 20), fit="pad", background=(9, 99, 199), channels="L", mean=(0.5,), std=(0.25,)),
    ],
)
@pytest.mark.parametrize("size", [(40, 61), (61, 40), (9, 7), (300, 5)])
def test_the_code_that_fits_pictures_is_the_preprocess(tmp_path, monkeypatch, preprocess, size):
    file = tmp_path / "photo.jpg"
    file.write_bytes(encoded(photo(3, *size)))  # Pillow looks at the content
    monkeypatch.chdir(tmp_path)
    scope = {"np": np, "torch": torch, "Image": Image, "ImageOps": ImageOps}
    exec(pixels(preprocess), scope)
    ours = preprocess.normalised(preprocess.read(file).pixels)
    level = preprocess.scale / 255 / min(preprocess.std)  # Pillow rounds once more where it resizes columns first
    assert scope["pictures"].dtype == torch.float32
    assert scope["pictures"].shape == (1, *ours.shape)
    apart = np.abs(scope["pictures"][0].numpy() - ours)
    assert apart.max() < 1.01 * level
    assert (apart > 0.01 * level).mean() < 0.15


def said(run: Run, file: Path) -> str:
    """What the code on cards prints of a picture."""
    pixels = run.preprocess.read(file).pixels
    with torch.inference_mode():
        probabilities = run.net()(torch.from_numpy(run.preprocess.normalised(pixels)[None])).softmax(1)[0]
    order = probabilities.argsort(descending=True)[:5].tolist()
    return "".join(f"{probabilities[place]:.3f} {run.classes[place]}\n" for place in order)


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


def test_a_folder_for_the_hub_is_a_run_again_and_tells_of_nobody_s_folders(coloured, tmp_path):
    write_target(coloured, "hub", folder := tmp_path / "pets")
    again = open_run(folder)
    assert torch.equal(logits(again.net(), again), logits(coloured.net(), coloured))
    assert (again.classes, again.preprocess, again.result) == (coloured.classes, coloured.preprocess, coloured.result)
    photos = coloured.folder.parent / "photos"
    figures = [figure.value for figure in evaluate(again, photos).figures]
    assert figures == [figure.value for figure in evaluate(coloured, photos).figures]
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert not any(str(photos.parent).encode() in content for content in written.values())
    assert written.keys() == {
        "README.md", "config.json", "classes.json", "preprocess.json", "history.jsonl", "result.json", MODEL,
    }  # fmt: skip
    write_target(again, "hub", second := tmp_path / "again")  # and it can be handed on
    assert (second / "config.json").read_bytes() == written["config.json"]
    assert begun(None, None, folder, ("x", "y"), 0).network.name == coloured.config["network"]["name"]


def test_places_are_left_out_wherever_they_stand():
    told = {
        "a": "/home/ann b/pets",
        "b": ["as in ../runs/one", "--output=~/x/y"],
        "c": "resnet18(shortcut=B), 3/4",
        "d": 1,
        "e": "timm/resnet18",
    }
    assert without_places(told) == {
        "a": "pets",
        "b": ["as in one", "--output=y"],
        "c": "resnet18(shortcut=B), 3/4",
        "d": 1,
        "e": "timm/resnet18",
    }


def test_the_hub_s_name_is_weights_to_begin_with(coloured, tmp_path):
    write_target(coloured, "hub", folder := tmp_path / "pets")
    Hub.files = {f"me/pets/{path.name}": path.read_bytes() for path in folder.iterdir()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = """
import torch
from striate.train.choose.weights import begun, network_of
network = begun(network_of("me/pets"), None, "me/pets", ("x", "y"), 0).network
torch.save((network.state_dict(), network.preprocess.to_dict(), network.name), "got")
"""
    settings = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENV | settings, capture_output=True, text=True, timeout=120
    )
    server.shutdown()
    server.server_close()
    assert (done.returncode, done.stderr) == (0, "")
    state, preprocess, name = torch.load(tmp_path / "got")
    ours = coloured.net().state_dict()
    assert all(torch.equal(state[key], ours[key]) for key in list(ours)[:-2])
    assert (Preprocess.from_dict(preprocess), name) == (coloured.preprocess, coloured.config["network"]["name"])


def test_the_card_for_the_hub(coloured, tmp_path, monkeypatch, capsys):
    write_target(coloured, "hub", folder := tmp_path / "pets")
    told = ModelCard.load(folder / "README.md")
    about, result = told.data, coloured.result
    assert result
    assert (about.library_name, about.pipeline_tag, about.license) == ("striate", "image-classification", "unknown")
    (told_figure,) = about.eval_results or []
    assert (told_figure.dataset_split, told_figure.metric_value) == ("validation", result["validation"]["top1"])
    text, numbers = told.text, coloured.config["data"]["pictures"]
    assert "`ash`, `elm & 'oak'`, `été`" in text
    assert f"**validation**: {100 * result['validation']['top1']:.1f} % right (95 %: " in text
    assert f"fingerprint `{coloured.config['data']['fingerprint']}`" in text
    assert f"{numbers['train']} train, {numbers['val']} val; fingerprint" in text
    assert "It began from scratch" in text
    parameters = sum(weight.numel() for weight in coloured.net().parameters())
    assert f"{parameters:,} parameters; " in text
    macs = 16 * 16 * 27 * 8 + 8 * 8 * 72 * 12 + 36  # two convolutions and what names classes
    assert f"{macs / 1000:.1f} k MACs for a picture of 16×16×3" in text
    assert all(f"\n## {title}\n" in text for title in ("Figures", "Training", "What it is not for", "Input", "Use"))

    (tmp_path / "model.onnx").write_bytes(assembled(coloured).SerializeToString())
    (tmp_path / "photo.jpg").write_bytes(encoded(photo(1), "JPEG"))
    monkeypatch.chdir(tmp_path)
    exec(script(folder / "README.md"), {})
    assert capsys.readouterr().out == said(coloured, tmp_path / "photo.jpg")


ORIGIN = {"publisher": "bvlc", "name": "net", "source": "http://x", "licence": "unrestricted"}


@pytest.mark.parametrize(
    ("parts", "licence", "sentence"),
    [
        ({"network": {"origin": ORIGIN}}, ("other", "unrestricted"), "under the licence unrestricted"),
        ({"network": {"origin": {**ORIGIN, "licence": "not stated"}}}, ("unknown", None), "states no licence"),
        ({"network": {"weights": "/home/ann/w.pth"}}, ("unknown", None), "began with the weights `w.pth`"),
        ({"recipe": {"freeze": "all"}}, ("unknown", None), "Frozen was all but the last layer"),
        ({"data": {"where": "/home/ann/my photos/"}}, ("unknown", None), "`my photos`, pictures: "),
    ],
)
def test_cards_say_what_a_run_says(coloured, parts, licence, sentence):
    text = card(changed(coloured, **parts), "striate", "so")
    assert sentence in text
    assert "/home/ann" not in text
    about = ModelCard(text).data
    assert (about.license, about.get("license_name")) == licence


def test_a_card_says_what_is_not_known(coloured, tmp_path):
    shutil.copytree(coloured.folder, folder := tmp_path / "run")
    ended = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**ended, "validation": None, "test": None}))
    (folder / "predictions.npz").unlink()
    text = card(open_run(folder), "striate", "so")
    assert "Nothing was held out, so nobody knows how good it is." in text
    assert ModelCard(text).data.eval_results is None
    several = {"validation": {"loss": 0.5, "mean_average_precision": 0.75}, "test": None}
    (folder / "result.json").write_text(json.dumps({**ended, **several}))
    text = card(changed(open_run(folder), data={"several": True}), "striate", "so")
    assert "mean average precision 0.750" in text
    assert "says of each of 3 classes whether a picture shows it" in text
    assert "names one all the same" not in text


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
