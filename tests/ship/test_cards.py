"""Cards say what a run says, and the code on them runs."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from handed import changed, said, script
from huggingface_hub import ModelCard
from made import encoded, photo
from PIL import Image, ImageOps

from striate.preprocess import Preprocess
from striate.ship.others.card import card
from striate.ship.others.targets import write_target
from striate.ship.others.using import as_timm, pixels
from striate.train.run import open_run


@pytest.mark.parametrize("which", ["coloured", "several"])
def test_the_code_on_the_card_of_weights_runs(which, request, tmp_path, monkeypatch, capsys):
    run = request.getfixturevalue(which)
    write_target(run, "safetensors", tmp_path / "own.SafeTensors")
    (tmp_path / "photo.jpg").write_bytes(encoded(photo(1), "JPEG"))
    monkeypatch.chdir(tmp_path)
    exec(script(tmp_path / "own.SafeTensors.card.md"), {})
    assert capsys.readouterr().out == said(run, tmp_path / "photo.jpg")


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


def test_timm_is_told_to_pad_as_striate_does(coloured):
    padded = replace(coloured, preprocess=replace(coloured.preprocess, fit="pad", background=(9, 99, 199)))
    assert "create_transform" in as_timm(coloured, "pets", None)
    assert "create_transform" not in as_timm(padded, "pets", None)
    assert pixels(padded.preprocess) in as_timm(padded, "pets", None)


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
