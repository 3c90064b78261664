"""A run that is undecided about noise, its file and its certificate; made once for all tests."""

import json
from pathlib import Path

import numpy as np
import pytest
from made import encoded, photo
from PIL import Image
from untrained import noise, noisy, untrained

from striate.cli import main
from striate.train.run import Run


@pytest.fixture(scope="session")
def run(coloured, tmp_path_factory) -> Run:
    """A run that is undecided about noise, and a folder `noise` beside it."""
    folder = tmp_path_factory.mktemp("certified")
    noisy(folder / "noise", coloured.classes, each=5)
    torn = folder / "noise" / coloured.classes[1] / "torn.png"
    torn.write_bytes(encoded(photo(3))[:99])
    turned = Image.fromarray(noise(77))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(folder / "noise" / coloured.classes[0] / "turned.jpg", exif=exif, quality=90)
    clear = Image.fromarray(np.dstack([noise(78), noise(79)[:, :, 0]]))
    clear.save(folder / "noise" / coloured.classes[0] / "clear.png")
    return untrained(coloured, "conv 3x3x8 same, bn, relu, maxpool 2, fc 3", folder / "run")


@pytest.fixture(scope="session")
def file(run) -> Path:
    """Its file, written by the command, each side in a process of its own."""
    folder = run.folder.parent
    main(["export", str(run.folder), "-o", str(folder / "pets.onnx"), "--data", str(folder / "noise"), "--json"])
    return folder / "pets.onnx"


@pytest.fixture(scope="session")
def told(file) -> dict:
    return json.loads(file.with_suffix(".certificate.json").read_text(encoding="utf-8"))
