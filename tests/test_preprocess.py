"""Preprocess: the same pixels by every way in, the geometry of each fit, numbers for the network, what is refused."""

import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.errors import PictureError, StriateError
from striate.pictures.resize import resize
from striate.preprocess import Preprocess

sides = st.integers(1, 90)
inputs = st.tuples(st.integers(1, 40), st.integers(1, 40))


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


# ---- every way in


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_path_its_bytes_and_its_pixels_give_the_same(tmp_path, fit, interpolation):
    how = Preprocess(size=(20, 30), resize=24, fit=fit, interpolation=interpolation)
    pixels = noise(50, 41)
    path = tmp_path / "it.png"
    Image.fromarray(pixels).save(path)
    by_path, by_bytes = how.read(path), how.read(path.read_bytes())
    assert by_path.pixels.shape == (20, 30, 3)
    np.testing.assert_array_equal(by_path.pixels, by_bytes.pixels)
    np.testing.assert_array_equal(by_path.pixels, how.pixels(pixels))


def test_gray_networks_see_brightness_and_notes_stay(tmp_path):
    how = Preprocess(size=(4, 4), resize=None, channels="L", mean=(0.5,), std=(0.5,), background=(255, 0, 0))
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "it.png")
    seen = how.read(tmp_path / "it.png")
    assert (seen.pixels == 76).all()  # 0.299 · 255
    assert seen.pixels.shape == (4, 4, 1)
    assert seen.notes == ("transparent parts laid on (255, 0, 0)",)


def test_a_picture_that_cannot_be_read_is_named():
    with pytest.raises(PictureError, match="the picture is empty"):
        Preprocess().read(b"")
    with pytest.raises(PictureError, match="row 7 is not a picture"):
        Preprocess().read(b"text", "row 7")
    with pytest.raises(PictureError, match=r"gone\.jpg cannot be read"):
        Preprocess().read(Path("gone.jpg"))


# ---- fits


@given(sides, sides, st.integers(1, 40), st.integers(0, 30))
def test_a_square_crop_follows_the_documented_rule(height, width, side, more):
    """Torchvision's Resize(short) and CenterCrop(side): the long side is cut to a whole number, the margin is rounded
    half to even."""
    short = side + more
    scaled = int(short * height / width) if width <= height else short
    other = int(short * width / height) if height < width else short
    top, left = round((scaled - side) / 2), round((other - side) / 2)
    pixels = noise(height, width, 1)
    expected = resize(pixels, (scaled, other))[top : top + side, left : left + side]
    np.testing.assert_array_equal(Preprocess(size=(side, side), resize=short).pixels(pixels), expected)


@given(sides, sides, inputs, st.sampled_from(["crop", "pad"]), st.integers(0, 9))
def test_aspect_is_kept_within_a_pixel(height, width, size, fit, more):
    short = min(size) + more
    how = Preprocess(size=size, fit=fit, resize=short)
    after = how.fitted((height, width))
    room = tuple(side * short // min(size) for side in size) if fit == "crop" else size
    scale = (max if fit == "crop" else min)(room[0] / height, room[1] / width)
    assert abs(after[0] - height * scale) < 1 + 1e-9
    assert abs(after[1] - width * scale) < 1 + 1e-9
    for side, whole in zip(after, room, strict=True):
        assert side >= whole if fit == "crop" else 1 <= side <= whole
    assert any(side == whole for side, whole in zip(after, room, strict=True))


@given(sides, sides, inputs)
def test_padding_is_the_background_and_the_picture_stands_in_the_middle(height, width, size):
    how = Preprocess(size=size, fit="pad", background=(1, 2, 3))
    pixels = np.full((height, width, 3), 200, np.uint8)
    seen = how.pixels(pixels)
    inside = (seen == 200).all(axis=2)
    assert ((seen == (1, 2, 3)).all(axis=2) | inside).all()
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    assert inside.sum() == len(rows) * len(columns)
    assert (len(rows), len(columns)) == how.fitted((height, width))
    for found, side in ((rows, size[0]), (columns, size[1])):
        assert found[0] in (side - 1 - found[-1], side - 1 - found[-1] - 1)  # an odd pixel is below or to the right


@given(sides, sides, inputs)
def test_squashing_is_one_resize(height, width, size):
    pixels = noise(height, width, 1)
    how = Preprocess(size=size, fit="squash")
    np.testing.assert_array_equal(how.pixels(pixels), resize(pixels, size))
    assert how.fitted((height, width)) == size


@pytest.mark.parametrize("shape", [(1, 1), (1, 20_000), (20_000, 1), (1, 65_535)])
@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_extreme_shapes_take_no_more_than_others(shape, fit):
    pixels = np.full((*shape, 3), 90, np.uint8)
    how = Preprocess(fit=fit, background=(90, 90, 90))
    tracemalloc.start()
    seen = how.pixels(pixels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen.shape == (224, 224, 3)
    assert (seen == 90).all()
    assert peak < 80e6  # the whole of what is cropped would be gigabytes


def test_an_extreme_crop_shows_the_middle():
    pixels = np.zeros((1, 20_000, 1), np.uint8)
    pixels[0, 10_000:] = 255  # 256 times as wide after the resize; the window sees 112 pixels on either side
    seen = Preprocess(channels="L", mean=(0.0,), std=(1.0,)).pixels(pixels)[:, :, 0]
    assert (seen == seen[0]).all()
    assert (np.diff(seen[0].astype(int)) >= 0).all()
    assert (seen[0].astype(int) + seen[0, ::-1] == 255).mean() > 0.9


# ---- numbers for the network


@pytest.mark.parametrize("channels", ["RGB", "BGR", "L"])
@pytest.mark.parametrize("scale", [1, 255])
def test_numbers_are_those_of_the_formula(channels, scale):
    count = 1 if channels == "L" else 3
    mean, std = (0.4, 0.5, 0.6)[:count], (0.2, 0.3, 0.25)[:count]
    how = Preprocess(channels=channels, scale=scale, mean=mean, std=std)
    pixels = noise(5, 4, count)
    order = [2, 1, 0] if channels == "BGR" else list(range(count))
    seen = how.normalised(pixels)
    assert seen.dtype == np.float32
    assert seen.shape == (count, 5, 4)
    for position, channel in enumerate(order):
        expected = (pixels[:, :, channel] * (scale / 255.0) - mean[position]) / std[position]
        np.testing.assert_allclose(seen[position], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(how.normalised(np.stack([pixels, pixels]))[1], seen)


# ---- as data, and what is refused


def test_it_travels_through_json():
    how = Preprocess(size=(99, 98), resize=None, fit="pad", channels="BGR", background=(1, 2, 3), scale=255)
    assert Preprocess.from_dict(json.loads(json.dumps(how.to_dict()))) == how
    with pytest.raises(StriateError, match="mean, resize, scale, size, std are missing"):
        Preprocess.from_dict({})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mean": (0.5,)}, r"hold 3 value\(s\) for RGB"),
        ({"channels": "L"}, r"hold 1 value\(s\) for L"),
        ({"std": (0.2, 0.0, 0.2)}, "must be above 0, but is"),
        ({"size": (0, 5)}, r"at least 1, but is \(0, 5\)"),
        ({"size": (224, 224, 3)}, "a height and a width"),
        ({"resize": 223}, "resize is 223 for an input of 224×224"),
        ({"background": (0, 0, 256)}, "each 0 to 255"),
        ({"background": (0, 0)}, "red, green and blue"),
        ({"scale": 2}, "scale is 1 or 255, but here it is 2"),
        ({"fit": "stretch"}, "fit is crop or pad or squash, but here it is 'stretch'"),
        ({"interpolation": "lanczos"}, "interpolation is bilinear or bicubic"),
        ({"channels": "CMYK"}, "channels is RGB or BGR or L"),
        ({"colour": 1}, r"\['colour'\] are there"),
    ],
)
def test_what_cannot_be_is_refused(change, words):
    with pytest.raises(StriateError, match=words):
        Preprocess.from_dict({**Preprocess().to_dict(), **change})


def test_a_short_side_is_asked_of_crops_alone():
    for fit in ("pad", "squash"):
        assert Preprocess(size=(299, 299), fit=fit).pixels(noise(9, 9)).shape == (299, 299, 3)


def test_a_whole_chain_written_down():
    """Two halves, cropped, in another order of colours: values that a person can check."""
    halves = np.zeros((4, 8, 3), np.uint8)
    halves[:, 4:] = (255, 0, 51)
    file = io.BytesIO()
    Image.fromarray(halves).save(file, "PNG")
    how = Preprocess(size=(2, 2), resize=4, channels="BGR", mean=(0.2, 0.0, 0.0), std=(0.1, 1.0, 0.5))
    seen = how.normalised(how.read(file.getvalue()).pixels)
    np.testing.assert_allclose(seen[:, 0], [[-2, 0], [0, 0], [0, 2]], atol=1e-6)
