"""What the bench of shipping measures with: photos, runs, their exported files, and the same weights for the peers.

    python -m bench.ship_made FOLDER PLACE

A process of its own, so that what makes the files is gone while they are timed. Random weights would give the same
answer to every picture: statistics of batch norm are measured on a few photos first, as the end of a training has them.
The labels mean nothing: each of 1,000 photos is a class of its own, for there must be as many as the networks tell.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

import striate as st
from bench.look import WEIGHTS
from bench.ship_one import NETWORKS, SIZE
from striate.nets.naming import to_state_dict
from striate.nets.net import last_layer
from striate.ship.assembly import assembled
from striate.ship.checked import sealed
from striate.ship.int8.quantised import quantised
from striate.train.keep.sealed import save_sealed
from striate.train.parts import open_parts
from striate.train.recipe import Recipe
from striate.train.run import CONFIG, FORMAT, MODEL, write_json

COUNT = 64  # of those that are sent and told, as files of their own
CLASSES = 1000
DECIDED = 3.0  # standard deviation of the logits


def photos(source: Path, place: Path) -> None:
    """Pieces of photos, one for each class to calibrate by, and others to be told."""
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    random = np.random.default_rng(0)
    for number in range(CLASSES + COUNT):
        told = number >= CLASSES
        with Image.open(files[number % len(files)]) as photo:
            width = min(photo.width, photo.height * 4 / 3) * random.uniform(0.7, 1.0)
            height = width * 3 / 4
            left, top = random.uniform(0, photo.width - width), random.uniform(0, photo.height - height)
            piece = photo.convert("RGB").resize(SIZE, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
        to = place / "told" / f"{number - CLASSES:02}.jpg" if told else place / "data/train" / f"{number:03}" / "0.jpg"
        to.parent.mkdir(parents=True, exist_ok=True)
        piece.save(to, quality=92)


def weighed(name: str, weights: Path, pictures: torch.Tensor) -> "st.Net":
    """A network with published weights, or with random ones whose answers are about as decided as learned ones."""
    if name == "googlenet":
        return st.net(name, weights=str(weights)).eval()
    network = st.net(name, seed=0).train()
    network.preprocess = st.Preprocess()
    norms = [module for module in network.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0  # the statistics are those of these pictures
    with torch.no_grad():
        network(pictures)
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum
        head, logits = last_layer(network)[1], network.eval()(pictures)
        head.weight.mul_(DECIDED / logits.std())
        head.bias.mul_(DECIDED / logits.std())
    return network


def run_of(network: "st.Net", data: Path, folder: Path) -> "st.Run":
    """A run as training leaves it, but that nothing was learned."""
    folder.mkdir()
    recipe = Recipe(epochs=1, batch_size=1, lr=1e-4, optimizer="sgd", distortion="none")
    about = {"name": network.name, "text": network.notation, "trained": network.notation, "input": network.input}
    parts = open_parts(data, "stop")
    written = {
        CONFIG: {
            "format": FORMAT,
            "striate": st.__version__,
            "network": {**about, "weights": None, "origin": None},
            "data": parts.about("stop"),
            "recipe": asdict(recipe),
        },
        "classes.json": parts.classes,
        "preprocess.json": asdict(network.preprocess),
    }
    for file, content in written.items():
        write_json(folder / file, content)
    save_sealed(folder / MODEL, network.state_dict(), {})
    return st.open_run(folder)


def main(folder: Path, place: Path) -> None:
    """Make all, and say what was noted of int8."""
    photos(folder / "flowers", place)
    plain = st.Preprocess()
    files = sorted((place / "data").rglob("*.jpg"))[::32]
    pictures = torch.from_numpy(np.stack([plain.normalised(plain.read(file).pixels) for file in files]))
    for name in NETWORKS:
        network = weighed(name, folder / WEIGHTS, pictures)
        run = run_of(network, place / "data", place / name)
        publisher = "bvlc" if name == "googlenet" else "torchvision"
        state = {key: tensor.contiguous() for key, tensor in to_state_dict(network, publisher).items()}
        save_file(state, place / f"{name}.safetensors")
        (place / f"{name}.json").write_text(json.dumps(asdict(network.preprocess)))
        model = assembled(run)
        (place / f"{name}.onnx").write_bytes(sealed(model))
        narrow, notes = quantised(model, run, pictures=64)
        (place / f"{name}-int8.onnx").write_bytes(sealed(narrow))
        print(f"{NETWORKS[name]} in int8: {'; '.join(notes)}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
