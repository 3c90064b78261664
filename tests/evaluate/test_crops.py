"""Crops of a picture, beside slices of what its preprocess makes."""

import numpy as np
import pytest
import torch

from striate.data.batches import Batch
from striate.errors import StriateError
from striate.evaluate.crops import crops
from striate.preprocess import Preprocess

PICTURE = np.random.default_rng(0).integers(0, 256, (61, 90, 3)).astype(np.uint8)
OWN = Preprocess(size=(32, 32), resize=40)


def shown(text: str, preprocess: Preprocess = OWN) -> list[np.ndarray]:
    found = crops(text, preprocess)
    pixels = torch.from_numpy(found.preprocess.pixels(PICTURE)).permute(2, 0, 1)[None]
    batch = Batch(pixels, torch.zeros(1), np.zeros(1, int), 0, 0)
    views = [view[0].permute(1, 2, 0).numpy() for view in found.of(batch)]
    assert len(views) == len(found)
    return views


def test_one_is_what_the_network_is_used_with_and_flip_its_mirror():
    plain = OWN.pixels(PICTURE)
    assert np.array_equal(shown("1")[0], plain)
    assert all(np.array_equal(a, b) for a, b in zip(shown("flip"), (plain, plain[:, ::-1]), strict=True))


@pytest.mark.parametrize("resize", [40, 36, 48])
def test_the_first_of_five_is_the_middle_and_the_others_are_corners(resize):
    preprocess = Preprocess(size=(32, 32), resize=resize)
    whole = Preprocess(size=(resize, resize), resize=resize).pixels(PICTURE)
    five = shown("5", preprocess)
    assert np.array_equal(five[0], preprocess.pixels(PICTURE))
    assert np.array_equal(five[1], whole[:32, :32])
    assert np.array_equal(five[4], whole[-32:, -32:])
    ten = shown("10", preprocess)
    assert len(ten) == 10
    assert np.array_equal(ten[8][:, ::-1], ten[9])


def test_a_grid_reaches_all_of_the_picture():
    found = crops("9", OWN)
    assert found.places[0] == (0, 0)
    assert found.places[-1] == (8, 8)
    assert len(set(found.places)) == 9
    assert crops("4", OWN).places == ((0, 0), (0, 8), (8, 0), (8, 8))


def test_an_input_that_is_all_of_the_picture_gets_a_margin_and_an_oblong_one_keeps_its_shape():
    assert crops("5", Preprocess(size=(28, 28), resize=None)).preprocess.size == (32, 32)
    oblong = crops("5", Preprocess(size=(32, 64), resize=40))
    assert oblong.preprocess.size == (40, 80)
    assert oblong.places[-1] == (8, 16)


@pytest.mark.parametrize("text", ["0", "2", "7", "-4", "ten", "", "1.5", "10000000", "²"])
def test_other_numbers_are_refused(text):
    with pytest.raises(StriateError, match="crops are 1, flip, 5, 10 or a square number from 4 to 400"):
        crops(text, OWN)


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_what_shows_all_of_a_picture_has_no_crops(fit):
    whole = Preprocess(size=(32, 32), fit=fit)
    assert len(crops("flip", whole)) == 2
    with pytest.raises(StriateError, match=f"whole picture \\({fit}\\); flip shows it mirrored"):
        crops("10", whole)
