"""Runs that are shipped, each trained for a moment, and their files; made once for all tests."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from certified import file as file  # fixtures, as the others
from certified import run as run
from certified import told as told
from inside import inside as inside  # a fixture
from made import dataset, encoded, photo
from tinting import tinted

from striate.data.dataset import Dataset
from striate.ship.assembly import assembled
from striate.ship.checked import sealed
from striate.train.run import Run
from striate.train.train import train

NET = "conv 3x3x8 same, bn, relu, maxpool 2, conv 3x3x12 same, relu, globalpool, fc 3"
CLASSES = ("ash", "elm & 'oak'", "été")


def learned(data: Dataset | Path, folder: Path, net: str = NET, size: str = "16x16", **options) -> Run:
    """Train for a moment."""
    run = train(data, net, size=size, epochs=4, batch_size=8, lr=0.03, quiet=True, output=folder, **options)
    assert run
    return run


@pytest.fixture(scope="session")
def coloured(tmp_path_factory) -> Run:
    """A run on coloured pictures, in whose folder `photos` they lie: 16 of each class."""
    folder = tmp_path_factory.mktemp("coloured")
    for place, name in enumerate(CLASSES):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(16):
            pixels = tinted(100 * place + number, place, 20 + number, 26)
            (folder / "photos" / name / f"{number}.png").write_bytes(encoded(pixels))
    return learned(folder / "photos", folder / "run")


@pytest.fixture(scope="session")
def coloured_file(coloured: Run) -> Path:
    """Its file."""
    return written(coloured)


@pytest.fixture(scope="session")
def gray(tmp_path_factory) -> Run:
    """A run on gray pictures of the classes a and b, of 8×8 pixels."""
    pictures = [photo(number, 8, 8).mean(2, keepdims=True).astype(np.uint8) for number in range(32)]
    data = dataset(pictures, [int(picture.mean() > 127) for picture in pictures], gray=True)
    net = "conv 3x3x6 same, relu, maxpool 2, fc 2"
    return learned(halved(data), tmp_path_factory.mktemp("gray") / "run", net, "8x8")


@pytest.fixture(scope="session")
def gray_file(gray: Run) -> Path:
    """Its file."""
    return written(gray)


@pytest.fixture(scope="session")
def several(tmp_path_factory) -> Run:
    """A run on pictures that may have both of the labels a and b, or none."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (32, 2))
    contents = [
        encoded(np.clip(random.normal(90 + 80 * np.array([*label, 0]), 20, (16, 16, 3)), 0, 255).astype(np.uint8))
        for label in labels
    ]
    data = halved(dataset(contents, labels.astype(np.float64)))
    return learned(data, tmp_path_factory.mktemp("several") / "run", NET.replace("fc 3", "fc 2"))


def halved(data: Dataset) -> Dataset:
    """Every fourth picture is for validation."""
    return replace(data, splits=np.where(np.arange(len(data)) % 4 == 3, "val", "train"))


def written(run: Run) -> Path:
    """A run's file, beside its folder."""
    path = run.folder.parent / "exported.onnx"
    path.write_bytes(sealed(assembled(run)))
    return path
