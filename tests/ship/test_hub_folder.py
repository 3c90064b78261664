"""A folder for the hub is a run again, and weights to begin with; its card."""

import json
import os
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer

import torch
from handed import logits, said, script
from hub_server import Hub
from huggingface_hub import ModelCard
from made import encoded, photo

from striate.evaluate.evaluate import evaluate
from striate.preprocess import Preprocess
from striate.ship.assembly import assembled
from striate.ship.checked import sealed
from striate.ship.others.hub import without_places, write_hub
from striate.ship.others.targets import write_target
from striate.train.choose.weights import begun
from striate.train.run import MODEL, Run, open_run

ENV = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


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
        "f": "all else is as in /home/ann smith/runs/pets",
        "g": "cat / dog",
    }
    assert without_places(told) == {
        "a": "pets",
        "b": ["as in one", "--output=y"],
        "c": "resnet18(shortcut=B), 3/4",
        "d": 1,
        "e": "timm/resnet18",
        "f": "all else is as in pets",
        "g": "cat / dog",
    }


def test_a_script_of_any_name_may_have_trained(coloured, tmp_path):
    told = "striate.train(…) in ann's.py"
    run = Run(coloured.folder, {**coloured.config, "command": told}, coloured.classes, coloured.preprocess)
    write_hub(run, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["command"] == told


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
    smoothing = coloured.config["recipe"]["label_smoothing"]
    assert (f", label smoothing {smoothing:g}" in text) == (smoothing > 0)
    macs = 16 * 16 * 27 * 8 + 8 * 8 * 72 * 12 + 36  # two convolutions and what names classes
    assert f"{macs / 1000:.1f} k MACs for a picture of 16×16×3" in text
    assert all(f"\n## {title}\n" in text for title in ("Figures", "Training", "What it is not for", "Input", "Use"))

    (tmp_path / "model.onnx").write_bytes(sealed(assembled(coloured)))
    (tmp_path / "photo.jpg").write_bytes(encoded(photo(1), "JPEG"))
    monkeypatch.chdir(tmp_path)
    exec(script(folder / "README.md"), {})
    assert capsys.readouterr().out == said(coloured, tmp_path / "photo.jpg")
