"""Pictures from files: upright, of every kind, refused with a reason; written whole or not at all."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from striate.errors import PictureError, StriateError
from striate.files import check_output
from striate.ops.picture import read_picture
from striate.ops.scene import scene
from striate.pictures.sheet import PICTURE_ENDINGS, write_picture

COLOUR = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3


def saved(tmp_path, image: Image.Image, name: str = "picture.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


def channels_last(picture) -> np.ndarray:
    return np.moveaxis(picture.values, 0, 2)


def test_colour_is_three_channels_from_0_to_255(tmp_path):
    picture = read_picture(saved(tmp_path, Image.fromarray(COLOUR)))
    assert picture.size == (4, 6, 3)
    assert picture.values.dtype == np.float64
    np.testing.assert_array_equal(channels_last(picture), COLOUR)
    assert not picture.notes


def test_gray_is_one_channel_and_its_own_brightness(tmp_path):
    picture = read_picture(saved(tmp_path, Image.fromarray(COLOUR[:, :, 0])))
    np.testing.assert_array_equal(picture.values, COLOUR[None, :, :, 0])
    np.testing.assert_array_equal(picture.gray(), picture.values)


def test_the_brightness_of_colour_is_that_of_pillow(tmp_path):
    picture = read_picture(saved(tmp_path, Image.fromarray(COLOUR)))
    np.testing.assert_allclose(picture.gray()[0], np.asarray(Image.fromarray(COLOUR).convert("L")), atol=0.51)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path, orientation):
    # what a camera stores for each orientation, so that the upright picture is COLOUR
    stored = {
        1: COLOUR,
        2: COLOUR[:, ::-1],
        3: COLOUR[::-1, ::-1],
        4: COLOUR[::-1],
        5: COLOUR.swapaxes(0, 1),
        6: np.rot90(COLOUR),
        7: np.rot90(COLOUR, 2).swapaxes(0, 1),
        8: np.rot90(COLOUR, -1),
    }[orientation]
    image = Image.fromarray(np.ascontiguousarray(stored))
    exif = image.getexif()
    exif[0x0112] = orientation
    picture = read_picture(saved(tmp_path, image, exif=exif))
    np.testing.assert_array_equal(channels_last(picture), COLOUR)
    assert any("upright" in note for note in picture.notes) == (orientation > 1)


def test_a_palette_is_colour(tmp_path):
    image = Image.fromarray(COLOUR).quantize(4)
    picture = read_picture(saved(tmp_path, image))
    np.testing.assert_array_equal(channels_last(picture), np.asarray(image.convert("RGB")))


def test_transparency_is_laid_on_white_and_told(tmp_path):
    clear = np.dstack([COLOUR, np.zeros((4, 6), np.uint8)])
    clear[0, 0, 3] = 255
    picture = read_picture(saved(tmp_path, Image.fromarray(clear)))
    np.testing.assert_array_equal(picture.values[:, 0, 0], COLOUR[0, 0])
    assert (picture.values[:, 1:] == 255).all()
    assert picture.notes == ("transparent parts laid on white",)


def test_16_bit_gray_keeps_its_levels(tmp_path):
    deep = np.array([[0, 257, 300, 65535]], np.uint16)
    picture = read_picture(saved(tmp_path, Image.fromarray(deep)))
    np.testing.assert_allclose(picture.values[0], deep / 257)
    assert "16-bit" in picture.notes[0]


def test_16_bit_colour_is_told(tmp_path):
    rows = b"".join(b"\0" + bytes(range(12)) for _ in range(2))  # two rows of two pixels, six bytes each
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    (tmp_path / "deep.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + idat(rows) + chunk(b"IEND", b"")
    )
    picture = read_picture(tmp_path / "deep.png")
    assert picture.size == (2, 2, 3)
    assert picture.notes == ("16-bit colour, of which Pillow keeps 8 bits",)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def idat(rows: bytes) -> bytes:
    return chunk(b"IDAT", zlib.compress(rows))


def lying_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has next to no pixels: whoever decodes it finds another error."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + idat(b"\0") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height", "words"),
    [(8001, 8000, "64,000,000 pixels, but .* is 8000×8001, which is 64,008,000"), (60_000, 60_000, "has far more")],
)
def test_the_size_is_checked_before_anything_is_decoded(tmp_path, width, height, words):
    (tmp_path / "big.png").write_bytes(lying_header(width, height))
    with pytest.raises(PictureError, match=words):
        read_picture(tmp_path / "big.png")


def test_what_is_no_picture_is_refused_with_file_and_reason(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "short.png").write_bytes(lying_header(10, 10))
    whole = saved(tmp_path, scene(), "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    saved(tmp_path, Image.fromarray(np.ones((2, 2), np.float32)), "float.tif")
    for name, reason in {
        "text.png": "not a picture in a format that can be read",
        "short.png": "cannot be read as a picture",
        "cut.jpg": "cannot be read as a picture",
        "float.tif": "has 32",
        "missing.png": "is not there",
        ".": "is a folder",
    }.items():
        with pytest.raises(PictureError) as mistake:
            read_picture(tmp_path / name)
        assert str(tmp_path / name) in str(mistake.value)
        assert reason in str(mistake.value)


def test_several_frames_are_told(tmp_path):
    frames = [Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1].copy())]
    path = saved(tmp_path, frames[0], "moving.gif", save_all=True, append_images=frames[1:])
    assert "first" in read_picture(path).notes[0]


def test_the_scene_has_edges_in_every_direction_and_flat_areas():
    gray = read_picture(None).gray()[0]
    assert read_picture(None).size == (160, 240, 3)
    down, right = np.gradient(gray)
    directions = np.degrees(np.arctan2(down, right))[np.hypot(down, right) > 20] % 180
    counts, _ = np.histogram(directions, bins=8, range=(0, 180))
    assert counts.min() > 30
    assert (np.hypot(down, right) < 2).mean() > 0.5


def test_output_paths_are_checked_before_anything_is_computed(tmp_path):
    picture = saved(tmp_path, scene())
    check_output(tmp_path / "new.PNG", PICTURE_ENDINGS, picture)
    check_output(None, PICTURE_ENDINGS, picture)
    for output, words in {
        tmp_path / "none" / "out.png": "folder must exist",
        tmp_path: "is a folder",
        tmp_path / "out.bmp": ".png, .jpg, .jpeg, .webp",
        picture: "must not be the file that is read",
    }.items():
        with pytest.raises(StriateError) as mistake:
            check_output(output, PICTURE_ENDINGS, picture)
        assert words in str(mistake.value)
        assert str(output) in str(mistake.value) or str(output.parent) in str(mistake.value)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    output = tmp_path / "out.png"
    output.write_text("before")

    class Breaks(Image.Image):
        def save(self, fp, format=None, **params):
            fp.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(StriateError, match=r"out\.png cannot be written: No space left on device"):
        write_picture(Breaks(), output)
    assert output.read_text() == "before"
    assert list(tmp_path.iterdir()) == [output]
    write_picture(scene(), output)
    assert read_picture(output).size == (160, 240, 3)
    assert list(tmp_path.iterdir()) == [output]
