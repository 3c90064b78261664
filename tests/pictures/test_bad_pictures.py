"""Pictures that are cut, broken, too large or of other formats end in pixels and a note, or in a reason."""

import io
import struct
import time
import tracemalloc
import warnings

import numpy as np
import pytest
from PIL import Image, features
from samples import RAINBOW, chunk, close, exif, saved

from striate.errors import PictureError
from striate.pictures.decode import ORIENTATION, SCAN, decode

# ---- what is refused

SCENE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_file_cut_short_is_refused(format, share):
    if format == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    data = saved(Image.fromarray(SCENE), format)
    with pytest.raises(
        PictureError, match=r"^it (cannot be read as a picture: .|is not a picture in a f|is empty: it h)"
    ):
        decode(data[: int(len(data) * share)], "it")


@pytest.mark.parametrize("format", ["PCX", "ICO", "EPS", "TGA", "ICNS", "DDS", "SGI", "PDF", "JPEG2000"])
def test_other_formats_stay_shut_whatever_they_are_called(format, tmp_path):
    if format == "JPEG2000" and not features.check("jpg_2000"):
        pytest.skip("this Pillow has no JPEG 2000")
    (tmp_path / "it.png").write_bytes(saved(Image.fromarray(SCENE), format))
    with pytest.raises(PictureError, match=r"it\.png is not a picture in a format that can be read"):
        decode(tmp_path / "it.png", "it.png")


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_is_told_by_what_it_is(brand, tmp_path):
    head = b"\0\0\0\x18ftyp" + brand + bytes(50)
    (tmp_path / "it.jpg").write_bytes(head)  # as telephones' programs may call it
    for source in (head, tmp_path / "it.jpg"):
        with pytest.raises(PictureError, match=r"it\.jpg is a picture in HEIC, which is not read; as JPEG it would be"):
            decode(source, "it.jpg")
    with pytest.raises(PictureError, match="is not a picture in a format"):  # an AVIF that is cut short
        decode(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif" + bytes(50), "it")


def test_a_photoshop_file_and_text_are_no_pictures():
    for data in (b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 2, 2, 8, 3) + bytes(99), b"hello", b"<svg></svg>"):
        with pytest.raises(PictureError, match="is not a picture in a format that can be read"):
            decode(data, "it")


def bombs() -> dict[str, bytes]:
    large = saved(Image.new("1", (9000, 9000)), "PNG")
    jpeg = bytearray(saved(Image.new("L", (8, 8)), "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 9000, 9000)
    gif = bytearray(saved(Image.new("L", (8, 8)), "GIF"))
    gif[6:10] = struct.pack("<HH", 9000, 9000)
    return {
        "png": large,
        "jpeg": bytes(jpeg) + bytes(9000),
        "gif": bytes(gif),
        "tiff": saved(Image.new("1", (9000, 9000)), "TIFF", compression="group4"),
        "pgm": b"P5 9000 9000 255\n",
    }


@pytest.mark.parametrize("channels", ["RGB", "L"])
def test_a_jpeg_whose_scans_are_repeated_is_refused(channels):
    data = saved(Image.fromarray(SCENE), "JPEG", progressive=True)
    assert decode(data, "it", channels=channels).pixels.shape[:2] == (60, 80)
    last, end = data.rindex(SCAN), len(data) - 2
    again = data[:end] + 5000 * data[last:end] + data[end:]
    with pytest.raises(PictureError, match=r"a JPEG has at most 100 scans, but it has 5,0\d\d"):
        decode(again, "it", channels=channels)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "tiff", "pgm"])
def test_81_million_pixels_in_a_small_file_cost_nothing(kind):
    data = bombs()[kind]
    assert len(data) < 20_000
    with pytest.raises(PictureError):
        decode(data, "it")  # imports are paid for
    tracemalloc.start()
    begin = time.perf_counter()
    with pytest.raises(PictureError, match="64,000,000 pixels, but it is 9000×9000, which is 81,000,000"):
        decode(data, "it")
    seconds = time.perf_counter() - begin
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6
    assert seconds < 0.05


def test_sides_have_a_limit():
    for shape in ((1, 65_536), (65_536, 1)):
        with pytest.raises(PictureError, match="65,535 pixels high and wide, but it is"):
            decode(saved(Image.fromarray(np.zeros(shape, np.uint8)), "PNG"), "it")


@pytest.mark.parametrize("shape", [(1, 1), (1, 20_000), (20_000, 1)])
def test_extreme_shapes_are_read(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    close(decode(saved(Image.fromarray(pixels), "PNG"), "it").pixels, pixels)


# ---- broken records beside good pixels

EXACT = {"JPEG": {"quality": 100, "subsampling": 0}, "PNG": {}, "WEBP": {"lossless": True}}


@pytest.mark.parametrize("value", [0, 9, 77, "banana"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_that_means_nothing_turns_nothing(format, value):
    tags = exif(value)
    if value == "banana":  # text where a number belongs, which Pillow would not write
        entry = struct.pack("<H HHII I", 1, ORIENTATION, 2, 7, 26, 0)
        tags = b"Exif\0\0II*\0" + struct.pack("<I", 8) + entry + b"banana\0"
    whole = decode(saved(Image.fromarray(RAINBOW), format, exif=tags, quality=100), "it")
    assert whole.pixels.shape == RAINBOW.shape
    assert whole.notes == (
        () if value == 0 else (f"its EXIF orientation is {value!r}, which means nothing, so it is not turned",)
    )


@pytest.mark.parametrize(
    "junk", [b"junk", b"II*\0\x08\0\0\0\xff\xff", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\xff\xff\xff"]
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_broken_exif_is_told_and_turns_nothing(format, junk):
    data = saved(Image.fromarray(RAINBOW), format, exif=b"Exif\0\0" + junk, **EXACT[format])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # whatever filter there is
        strict = decode(data, "it")
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        whole = decode(data, "it")
    assert not leaked
    assert strict.notes == whole.notes
    assert len(whole.notes) >= 1
    assert "EXIF" in str(whole.notes) or "while reading" in str(whole.notes)
    close(whole.pixels, RAINBOW, 3)


def test_pillows_own_warnings_still_reach_others():
    data = saved(Image.fromarray(RAINBOW), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    with pytest.warns(UserWarning, match="EXIF"):
        Image.open(io.BytesIO(data)).getexif()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "MPO"])
def test_damaged_bytes_end_in_pixels_or_in_a_reason(format):
    random = np.random.default_rng(0)
    picture = Image.fromarray(SCENE[:32, :32])
    moving = {"save_all": True, "append_images": [picture.rotate(180)]} if format in ("GIF", "MPO") else {}
    data = saved(picture, format, exif=exif(6), **moving)
    read = 0
    for _ in range(150):
        broken = bytearray(data)
        for at in random.integers(0, min(len(data), 400), 3):
            broken[at] = random.integers(256)
        try:
            whole = decode(bytes(broken), "it")  # a warning would be an error here
        except PictureError as error:
            assert "it " in str(error)
        else:
            assert whole.pixels.dtype == np.uint8
            assert whole.pixels.ndim == 3
            read += 1
    assert read < 150


def test_what_a_decoder_warns_about_is_a_note():
    first, second = (Image.fromarray(np.full((16, 16, 3), level, np.uint8)) for level in (40, 200))
    frames = saved(first, "PNG", save_all=True, append_images=[second])
    at = frames.index(b"acTL")
    none = frames[: at - 4] + chunk(b"acTL", bytes(8)) + frames[at + 16 :]  # an animation of no frames
    whole = decode(none, "it")
    close(whole.pixels, np.full((16, 16, 3), 40))
    assert whole.notes == ("while reading: Invalid APNG, will use default PNG image if possible",)


def pieces() -> dict[str, bytes]:
    """Small files, once compressed, of which a decoder would make a great many pieces."""
    jpeg, png = saved(Image.new("RGB", (8, 8)), "JPEG"), saved(Image.new("RGB", (8, 8)), "PNG")
    empty = chunk(b"aaAa", b"")
    comment = b"\x21\xfe\x01a\x00"
    gif = saved(Image.new("L", (8, 8)), "GIF")
    head = 13 + 3 * 2 ** ((gif[10] & 7) + 1)
    return {
        "jpeg of comments": jpeg[:2] + b"\xff\xfe\x00\x02" * 600_000 + jpeg[2:],
        "jpeg of filling": jpeg[:2] + b"\xff" * 600_000 + jpeg[2:],
        "png": png[:33] + empty * 600_000 + png[33:],
        "gif": gif[:head] + comment * 600_000 + gif[head:],
        "ppm": b"P6 900 900 254\n" + bytes(900 * 900 * 3),
    }


@pytest.mark.parametrize(
    "kind",
    [
        "png",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("jpeg of comments", "jpeg of filling", "gif", "ppm")),
    ],
)
def test_a_picture_has_no_more_pieces_than_a_decoder_needs(kind):
    with pytest.raises(PictureError, match="up to 500,000 pieces, but it has more"):
        decode(pieces()[kind], "it")


def test_a_tiff_has_no_more_tiles_than_a_decoder_needs(monkeypatch):
    strips = {278: 1}  # rows in each
    data = saved(Image.new("L", (5, 99)), "TIFF", tiffinfo=strips)
    assert decode(data, "it").pixels.shape == (99, 5, 3)
    monkeypatch.setattr("striate.pictures.opened.TILES", 98)
    with pytest.raises(PictureError, match="up to 98 tiles, but it has 99"):
        decode(data, "it")


def test_texts_and_run_lengths_have_a_size():
    assert decode(b"P3 1 1 255 # red\n255 0 0", "it").pixels.tolist() == [[[255, 0, 0]]]
    with pytest.raises(PictureError, match="up to 4,000,000 bytes, but it has 4,000,0"):
        decode(b"P3 9 9 255\n" + b"0 " * 2_000_000, "it")
    with pytest.raises(PictureError, match="up to 1,000 comments, but it has 1,001"):
        decode(b"P3 9 9 255\n" + b"#\n" * 1_001, "it")


def test_what_lies_behind_a_jpeg_is_no_scan_of_it():
    data = saved(Image.fromarray(SCENE), "JPEG")
    again = decode(data + 500 * SCAN + bytes(999), "it")  # as telephones put a film there
    assert np.array_equal(again.pixels, decode(data, "it").pixels)


def test_a_picture_s_notes_have_an_end():
    plain = saved(Image.new("L", (8, 8)), "TIFF")
    place = struct.unpack_from("<I", plain, 4)[0]
    count = struct.unpack_from("<H", plain, place)[0]
    larger = [struct.pack("<HHII", 30_000 + number, 1, 2**30, 8) for number in range(500)]  # than the file
    tags = struct.pack("<H", count + 500) + plain[place + 2 : place + 2 + 12 * count] + b"".join(larger) + bytes(4)
    notes = decode(plain[:4] + struct.pack("<I", len(plain)) + plain[8:] + tags, "it").notes
    assert (len(notes), notes[-1]) == (11, "while reading: and more")
