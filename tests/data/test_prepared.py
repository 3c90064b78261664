"""What is kept of a picture: enough for every later view, and nothing of another picture or another setting."""

import io
from math import hypot

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import dataset, encoded, photo
from PIL import Image

from striate.data.batches import Batches
from striate.data.distort.distortion import PRESETS, distortion
from striate.data.prepared import FinalPictures, WholePictures, plain_jpeg_size, shaped, shrunk
from striate.errors import DataError
from striate.pictures.decode import decode
from striate.preprocess import Preprocess

SMALL = Preprocess(size=(16, 16), resize=18)
pytestmark = pytest.mark.usefixtures("own_cache")
sides = st.integers(1, 5000)


@given(
    before=st.tuples(sides, sides), size=st.sampled_from([(224, 224), (32, 96)]), preset=st.sampled_from(list(PRESETS))
)
def test_a_shrunk_picture_still_has_a_pixel_for_each_of_every_view(before, size, preset):
    how = distortion(preset)
    after = shrunk(before, size, how)
    if after == before:
        return
    assert after < before
    for sample in range(40):
        a, b, _, d, e, _ = how.draw(after, size, 0, 0, sample).affine
        # boxes are whole pixels; a crop of another shape than the view has more pixels one way, and fewer the other
        assert hypot(a, d) * hypot(b, e) > 0.93
        assert min(hypot(a, b), hypot(d, e)) > 0.93 / how.aspect**0.5


def test_a_large_photo_is_decoded_small_and_kept_smaller():
    content = encoded(photo(1, 600, 800), "JPEG", quality=95)
    kept = WholePictures(dataset([content]), SMALL, distortion("none, crop 0.25"), "ram")[0]
    assert kept.shape[:2] == (28, 37)  # a quarter of its area has as many pixels as the view
    whole = Image.fromarray(decode(content, "whole").pixels).resize((37, 28), Image.Resampling.BOX)
    assert np.abs(kept - np.asarray(whole, float)).max() < 4  # the same picture, though decoded at an eighth


def test_a_small_photo_is_kept_as_it_is():
    pixels = photo(2, 40, 60)
    kept = WholePictures(dataset([encoded(pixels)]), SMALL, distortion("strong"), "off")[0]
    np.testing.assert_array_equal(kept, pixels)


@pytest.mark.parametrize("orientation", [1, 6])
def test_testing_keeps_the_final_pixels_of_the_whole_original(orientation):
    image = encoded(photo(3, 300, 200), "JPEG", quality=90, exif=exif(orientation))
    kept = FinalPictures(dataset([image]), SMALL, "ram")
    np.testing.assert_array_equal(kept[0], SMALL.read(image).pixels)
    assert sum(kept.notes.values()) == (orientation != 1)  # it says that it turned the picture


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("fit", ["pad", "squash"])
@pytest.mark.parametrize(("height", "width"), [(30, 120), (120, 30), (7, 9), (16, 16), (1, 200)])
def test_training_sees_whole_pictures_where_validation_does(height, width, fit, gray):
    channels = {"channels": "L", "mean": (0.5,), "std": (0.5,)} if gray else {}
    preprocess = Preprocess((16, 24), None, fit, background=(255, 0, 9), **channels)
    data = dataset([encoded(photo(1, height, width))], gray=gray)
    plain, trained = (
        next(iter(Batches(data, preprocess, distortion=how, cache="ram", batch_size=1))).pixels.numpy()
        for how in (None, distortion("none"))
    )
    np.testing.assert_allclose(trained, plain.astype(int), atol=4)  # what is kept of a large one was shrunk before
    crops = Batches(data, preprocess, distortion=distortion("none, crop 0.2"), cache="off", batch_size=1)
    seen = {batch.pixels.numpy().tobytes() for _ in range(9) for batch in crops}  # epochs
    assert len(seen) > 3


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_a_picture_of_the_input_s_size_is_taken_as_it_is(fit):
    pixels = photo(1, 16, 24)
    assert shaped(pixels, Preprocess((16, 24), None, fit), distortion("strong")) is pixels


@given(before=st.tuples(sides, sides), fit=st.sampled_from(["pad", "squash"]), preset=st.sampled_from(list(PRESETS)))
def test_a_whole_picture_in_the_input_s_shape_is_no_larger_than_views_need(before, fit, preset):
    how = distortion(preset)
    inner = Preprocess((32, 24), None, fit)
    found = shaped(np.zeros((min(before[0], 300), before[1], 1), np.uint8), inner, how)
    height, width = found.shape[:2]
    assert abs(height * 24 - width * 32) <= 32
    least = (1 + how.scale) / (how.crop**0.5 if how.crop else 1)  # times the input's sides
    assert 32 <= height <= 32 * least + 2
    assert 24 <= width <= 24 * least + 2


def exif(orientation: int):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_turned_pictures_are_kept_upright(format):
    pixels = photo(4, 50, 30)
    content = encoded(pixels, format, exif=exif(6))
    kept = WholePictures(dataset([content]), SMALL, distortion("none, crop 0.08"), "ram")
    assert kept[0].shape == (30, 50, 3)


@pytest.mark.parametrize(
    ("mode", "options"),
    [("RGB", {}), ("L", {}), ("CMYK", {}), ("RGB", {"progressive": True}), ("RGB", {"comment": b"\xff\xc0" * 40})],
)
def test_a_plain_jpeg_tells_its_size(mode, options):
    file = io.BytesIO()
    Image.fromarray(photo(4, 37, 61)).convert(mode).save(file, "JPEG", **options)
    assert plain_jpeg_size(file.getvalue()) == (37, 61)
    assert plain_jpeg_size(file.getvalue()[:60]) is None


@given(st.binary(max_size=60), st.booleans())
def test_anything_else_is_left_to_pillow(rest, marked):
    found = plain_jpeg_size((b"\xff\xd8" if marked else b"") + rest)
    assert found is None or (found[0] > 0 and found[1] > 0 and marked)


def test_a_jpeg_with_exif_or_too_many_pixels_is_left_to_pillow():
    assert plain_jpeg_size(encoded(photo(3), "JPEG", exif=exif(6))) is None
    assert plain_jpeg_size(encoded(photo(3))) is None
    huge = encoded(photo(3, 40, 50), "JPEG").replace(b"\x00\x28\x00\x32", b"\xff\xff\xff\xff")
    assert plain_jpeg_size(huge) is None
    with pytest.raises(DataError, match="64,000,000 pixels"):
        WholePictures(dataset([huge]), SMALL, distortion("none"), "off")


def test_what_is_kept_depends_on_the_picture_and_the_settings():
    folders = set()
    for contents, preset, background in (
        ([photo(5, 90, 90)], "none", (255, 255, 255)),
        ([photo(6, 90, 90)], "none", (255, 255, 255)),
        ([photo(5, 90, 90)], "none, crop 0.25", (255, 255, 255)),
        ([photo(5, 90, 90)], "none", (0, 0, 0)),
        ([photo(5, 90, 90)] * 2, "none", (255, 255, 255)),
    ):
        preprocess = Preprocess(size=(16, 16), resize=18, background=background)
        kept = WholePictures(dataset(contents), preprocess, distortion(preset), "disk")
        assert kept.store
        folders.add(kept.store.folder)
    assert len(folders) == 5
    again = WholePictures(dataset([photo(5, 90, 90)]), SMALL, distortion("none, mirror 0.5"), "disk")
    assert again.store
    assert again.store.folder in folders  # another distortion that needs the same pixels shares them


def test_transparent_parts_lie_on_the_background_of_the_preprocess():
    clear = np.dstack([photo(7, 20, 20), np.zeros((20, 20), np.uint8)])
    preprocess = Preprocess(size=(16, 16), resize=16, background=(1, 2, 3))
    for made in (
        WholePictures(dataset([encoded(clear)]), preprocess, distortion("none"), "off"),
        FinalPictures(dataset([encoded(clear)]), preprocess, "off"),
    ):
        assert (made[0] == (1, 2, 3)).all()


def test_bad_headers_are_counted_before_training_starts():
    contents = [encoded(photo(8)), b"", b"no picture"]
    with pytest.raises(DataError, match=r"001\.png is empty.*; 1 more of 3 cannot be read; `striate check` lists all"):
        WholePictures(dataset(contents), SMALL, distortion("none"), "off")
