"""A server of two models, pictures to ask it about, and what is to be answered."""

import numpy as np
import pytest
from made import encoded
from served_files import served
from tinting import tinted

from striate.ship.shipped import open_shipped
from striate.train.run import Run


@pytest.fixture(scope="module")
def server(coloured_file, gray_file, tmp_path_factory):
    words = [f"trees={coloured_file}", f"letters={gray_file}"]
    with served(words, tmp_path_factory.mktemp("answers")) as server:
        yield server


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    """Pictures of several sizes and formats."""
    kinds = ["PNG", "JPEG", "WEBP", "BMP"]
    return [encoded(tinted(n, n % 3, 30 + 7 * n, 26 + 3 * n), kind) for n, kind in enumerate(kinds)]


def expected(run: Run, path, file: bytes) -> np.ndarray:
    """What the file says of a picture that is read as training reads it."""
    fitted = run.preprocess.read(file).pixels.transpose(2, 0, 1)
    return open_shipped(path).answers(fitted[None]).probabilities[0]
