"""What whole numbers of 8 bits cost in accuracy on real photos, in ONNX Runtime and in OpenVINO.

    python -m bench int8_accuracy FOLDER

FOLDER holds googlenet_bvlc.safetensors, imagenet_classes.txt, imagenet-sample/<WordNet id>_<name>.JPEG and flowers, a
folder of classes. GoogLeNet is judged by the sample's 100 photos, and a head that learned flowers on top of it by
flowers' validation photos. The scales of both are found by flowers' training photos: the sample has none to spare, and
what GoogLeNet computes of a photo is much alike whatever it shows. No photo is judged that a scale was found by.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx.utils import Extractor

import striate as st
from bench.look import WEIGHTS
from bench.ship_made import run_of
from bench.train import given_folder
from striate.ship.about import FITTED, PROBABILITIES
from striate.ship.assembly import assembled
from striate.ship.checked import check, sealed
from striate.ship.int8.quantised import Calibration, quantised
from striate.ship.proof.by_file import read
from striate.ship.proof.record import content_sum
from striate.ship.proof.sides import Picture
from striate.ship.shipped import Shipped
from striate.train.learn.tally import wilson
from striate.train.transfer.compare import compare

AT_ONCE = 20  # photos


def onnx_runtime(model: onnx.ModelProto, fitted: np.ndarray) -> np.ndarray:
    """Probabilities (n, classes) of what the network sees of photos, (n, channels, rows, columns)."""
    opened = shipped(model)
    return np.concatenate([opened.answers(fitted[place : place + AT_ONCE]).probabilities for place in starts(fitted)])


def openvino(model: onnx.ModelProto, fitted: np.ndarray) -> np.ndarray:
    """The same by OpenVINO, which would by itself take bfloat16 for what stays float."""
    from openvino import Core

    core = Core()
    part = Extractor(model).extract_model([FITTED], [PROBABILITIES]).SerializeToString()
    compiled = core.compile_model(core.read_model(part), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled({FITTED: fitted[place : place + AT_ONCE]})[0] for place in starts(fitted)])


def starts(fitted: np.ndarray) -> range:
    """Where batches begin."""
    return range(0, len(fitted), AT_ONCE)


def shipped(model: onnx.ModelProto) -> Shipped:
    """A model, as its file would be opened."""
    content = sealed(model)
    return Shipped(Path("made.onnx"), check(content, "made.onnx"), content)


def judge(model: onnx.ModelProto, run: "st.Run", judged: Sequence[Picture], labels: np.ndarray) -> None:
    """Print what floats and whole numbers are worth on photos with labels.

    Parameters
    ----------
    model
        in floats
    run
        whose training photos tell the scales
    judged
        photos
    labels
        (n,) places in the outputs
    """
    sums = {content_sum(picture.content) for picture in judged}
    whole, notes = quantised(model, run, apart=sums)
    calibration = Calibration.of(whole)
    assert calibration
    assert not set(calibration.sums) & sums
    opened = shipped(model)
    background = opened.about.preprocess.background
    fitted = np.stack([opened.fit(read(picture, background)) for picture in judged])
    exact = onnx_runtime(model, fitted)
    for name, told in (
        ("float32", exact),
        ("int8, ONNX Runtime", onnx_runtime(whole, fitted)),
        ("int8, OpenVINO", openvino(whole, fitted)),
    ):
        right = int((told.argmax(1) == labels).sum())
        low, high = wilson(right, len(labels))
        line = f"  {name:20} {100 * right / len(labels):5.1f} % right ({100 * low:.1f} … {100 * high:.1f})"
        if told is not exact:
            agreed = int((told.argmax(1) == exact.argmax(1)).sum())
            named = np.abs(told - exact)[np.arange(len(exact)), exact.argmax(1)]
            line += f"   {compare(told, exact, labels).points}   {agreed} of {len(labels)} named alike   "
            line += f"{named.mean():.3f} on average, {np.abs(told - exact).max():.3f} at most"
        print(line)
    print(f"  {notes[0]}; scales by {len(calibration.sums)} of flowers' training photos\n", flush=True)


def main() -> None:
    """Print both tables: right answers with 95 % intervals, differences from float32 on the same photos."""
    folder = given_folder("int8_accuracy")
    print("right answers; difference from float32; how far the probability of what float32 names is away\n")
    with tempfile.TemporaryDirectory() as place:
        network = st.net("googlenet", weights=str(folder / WEIGHTS)).eval()
        run = run_of(network, folder / "flowers", Path(place) / "googlenet")
        ids = [line.split()[0] for line in (folder / "imagenet_classes.txt").read_text(encoding="utf-8").splitlines()]
        photos = sorted((folder / "imagenet-sample").glob("*.JPEG"))
        print(f"GoogLeNet, BVLC, {len(photos)} photos of ImageNet")
        labels = np.array([ids.index(photo.name.partition("_")[0]) for photo in photos])
        model = assembled(replace(run, classes=tuple(ids)))  # flowers gives the photos, not the classes
        judge(model, run, [Picture(photo.name, photo.read_bytes()) for photo in photos], labels)

        options = {"weights": str(folder / WEIGHTS), "freeze": "all", "quiet": True, "output": Path(place) / "flowers"}
        trained = st.train(folder / "flowers", "googlenet", **options)
        assert trained
        val = trained.parts().val
        assert val
        print(f"a head for flowers on GoogLeNet, {len(val)} validation photos")
        shown = [Picture(name, val.source.read(int(row))) for name, row in zip(val.names, val.rows, strict=True)]
        judge(assembled(trained), trained, shown, val.labels)
