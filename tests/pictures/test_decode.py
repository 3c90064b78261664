"""Decoding: the right pixels for every mode, EXIF turn and number of frames, in any thread, whole or reduced."""

import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, features
from samples import RAINBOW, blocks, chunk, close, exif, luma, png, repeated, saved, stored

from striate.errors import PictureError
from striate.pictures.decode import decode, upright_size
from striate.pictures.opened import opened

HEIGHT, WIDTH = 3, 5
COLOUR = (np.arange(HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3) * 5 + 20).astype(np.uint8)
GRAY = np.ascontiguousarray(COLOUR[:, :, 0])
ALPHA = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 18).astype(np.uint8)
DEEP = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 4681).astype(np.uint16)  # 0 … 65,534
PAPERS = [(255, 255, 255), (0, 0, 0), (200, 30, 90)]


def blended(colour: np.ndarray, alpha: np.ndarray, paper: tuple[int, int, int]) -> np.ndarray:
    share = alpha[:, :, None] / 255
    return colour * share + np.array(paper) * (1 - share)


# ---- every mode


PLAIN = {  # mode: format, what is saved, and what it must become
    "1": ("PNG", GRAY > 60, lambda: repeated((GRAY > 60) * 255)),
    "L": ("PNG", GRAY, lambda: repeated(GRAY)),
    "RGB": ("PNG", COLOUR, lambda: COLOUR),
    "RGB WebP": ("WEBP", COLOUR, lambda: COLOUR),
    "RGB TIFF": ("TIFF", COLOUR, lambda: COLOUR),
    "16 bits": ("PNG", DEEP, lambda: repeated(np.rint(DEEP / 257))),
    "16 bits TIFF": ("TIFF", DEEP, lambda: repeated(np.rint(DEEP / 257))),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", PLAIN)
def test_opaque_pictures_upright(mode, orientation):
    format, values, expected = PLAIN[mode]
    data = saved(Image.fromarray(stored(values, orientation)), format, exif=exif(orientation), lossless=True)
    whole = decode(data, "it")
    close(whole.pixels, expected())
    assert any("upright" in note for note in whole.notes) == (orientation != 1)
    with opened(data, "it") as image:
        assert upright_size(image) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_transparent_colour_lies_on_the_background(format, paper, orientation):
    both = stored(np.dstack([COLOUR, ALPHA]), orientation)
    data = saved(Image.fromarray(both), format, exif=exif(orientation), lossless=True, exact=True)
    whole = decode(data, "it", background=paper)
    close(whole.pixels, blended(COLOUR, ALPHA, paper), 1)
    close(whole.pixels[:1, :1], np.array([[paper]]))  # wholly transparent
    assert sum("transparent parts laid on" in note for note in whole.notes) == 1
    assert ("white" in str(whole.notes)) == (paper == PAPERS[0])


@pytest.mark.parametrize("paper", PAPERS)
def test_other_kinds_of_transparency(paper):
    gray = Image.merge("LA", (Image.fromarray(GRAY), Image.fromarray(ALPHA)))
    close(decode(saved(gray, "PNG"), "it", background=paper).pixels, blended(repeated(GRAY), ALPHA, paper), 1)

    palette = Image.fromarray(np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)).convert("P")
    palette.putpalette(COLOUR.reshape(-1).tolist())
    close(decode(saved(palette, "PNG"), "it", background=paper).pixels, COLOUR)
    data = saved(palette, "PNG", transparency=bytes(ALPHA.reshape(-1).tolist()))
    close(decode(data, "it", background=paper).pixels, blended(COLOUR, ALPHA, paper), 1)
    one = np.full((HEIGHT, WIDTH), 255)
    one[1, 2] = 0  # the colour with index 7
    for format in ("PNG", "GIF"):
        data = saved(palette, format, transparency=7)
        close(decode(data, "it", background=paper).pixels, blended(COLOUR, one, paper))

    with_alpha = Image.fromarray(np.dstack([np.asarray(palette), ALPHA]), "LA")
    both = Image.new("PA", palette.size)
    both.putpalette(palette.getpalette())
    both.putdata(list(with_alpha.get_flattened_data()))
    data = saved(both, "TIFF")
    close(decode(data, "it", background=paper).pixels, blended(COLOUR, ALPHA, paper), 1)


@pytest.mark.parametrize("paper", PAPERS)
def test_one_transparent_level_is_found_in_every_depth(paper):
    def clear(*levels: int) -> bytes:
        return chunk(b"tRNS", struct.pack(f">{len(levels)}H", *levels))

    for depth, row, levels in ((1, 0b01000000, 2), (2, 0b00_01_10_11, 4), (4, 0x2A, 2), (8, 0x42, 1)):
        data = png(
            [bytes([row])], levels, depth, 0, clear(row >> (8 - 2 * depth) & (2**depth - 1) if depth < 8 else row)
        )
        at = 1 if depth < 8 else 0
        whole = decode(data, "it", background=paper)
        close(whole.pixels[:, at : at + 1], np.array([[paper]]))
        if at:
            first = (row >> (8 - depth)) * 255 // (2**depth - 1)
            close(whole.pixels[:, :1], np.full((1, 1, 3), first))
        gray = decode(data, "it", background=paper, channels="L").pixels
        close(gray[:, at : at + 1], luma(np.array(paper))[None, None, None], 0.51)

    deep = png([struct.pack(">2H", 0x1234, 0x8000)], 2, 16, 0, clear(0x1234))
    whole = decode(deep, "it", background=paper)
    close(whole.pixels, np.array([[paper, (128, 128, 128)]]), 0.51)
    assert len(whole.notes) == 2
    close(decode(deep, "it", background=paper, channels="L").pixels[:, :1], np.array([[[luma(np.array(paper))]]]), 0.51)

    colours = png([struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 1, 2, 0xFFFF)], 2, 16, 2, clear(0x1234, 0x5678, 0x9ABC))
    close(decode(colours, "it", background=paper).pixels, np.array([[paper, (0, 0, 255)]]))


def test_16_bits_are_scaled_and_never_clipped():
    data = b"P5 5 3 65535\n" + DEEP.astype(">u2").tobytes()
    close(decode(data, "it").pixels, repeated(np.rint(DEEP / 257)))
    tens = np.array([[0, 1, 511, 1022, 1023]])  # the file says what its white is
    close(decode(b"P5 5 1 1023\n" + tens.astype(">u2").tobytes(), "it").pixels, repeated(tens / 1023 * 255), 0.51)
    rows = [row.tobytes() for row in np.repeat(DEEP[:, :, None], 3, 2).astype(">u2")]
    whole = decode(png(rows, WIDTH, 16, 2), "it")
    close(whole.pixels, repeated(DEEP >> 8))
    assert whole.notes == ("16-bit colour, of which Pillow keeps 8 bits",)


@pytest.mark.parametrize(("bits", "white"), [(12, 1), (16, 0)])
def test_gray_of_unknown_white_is_refused(bits, white):
    data = saved(Image.fromarray(DEEP), "TIFF", tiffinfo={262: white})
    if bits == 12:
        data = data.replace(struct.pack("<HHIH", 258, 3, 1, 16), struct.pack("<HHIH", 258, 3, 1, 12))
    with pytest.raises(PictureError, match=f"0 is black in it, but it has {bits}, and its .* is {white}"):
        decode(data, "it")


@pytest.mark.parametrize("values", [np.ones((2, 2), np.float32), np.ones((2, 2), np.int32)])
def test_32_bits_are_refused(values):
    with pytest.raises(PictureError, match=r"has 8 or 16 bits per value.* has 32"):
        decode(saved(Image.fromarray(values), "TIFF"), "it")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpegs_upright(orientation):
    turn = {"quality": 100, "subsampling": 0, "exif": exif(orientation)}
    colour = saved(Image.fromarray(stored(RAINBOW, orientation)), "JPEG", **turn)
    close(decode(colour, "it").pixels, RAINBOW, 3)
    close(decode(colour, "it", channels="L").pixels, luma(RAINBOW)[:, :, None], 3)
    gray = stored(RAINBOW[:, :, 0], orientation)
    close(decode(saved(Image.fromarray(gray), "JPEG", **turn), "it").pixels, repeated(RAINBOW[:, :, 0]), 2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_inks_of_a_cmyk_jpeg(orientation):
    # Pillow writes what Adobe's programs write: the inks upside down, and a segment that says so
    inks = blocks([(255, 0, 0, 0), (0, 128, 0, 64), (0, 0, 0, 255)])
    turned = Image.fromarray(stored(inks, orientation), "CMYK")
    data = saved(turned, "JPEG", quality=100, subsampling=0, exif=exif(orientation))
    assert b"Adobe" in data
    shares = inks / 255
    paper = 255 * (1 - shares[:, :, :3]) * (1 - shares[:, :, 3:])
    close(decode(data, "it").pixels, paper, 4)


def test_a_white_that_is_zero_is_known_for_8_bits():
    data = saved(Image.fromarray(GRAY), "TIFF", tiffinfo={262: 0})
    assert (255 - GRAY).tobytes() in data
    close(decode(data, "it").pixels, repeated(GRAY))


# ---- several frames


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_the_first_frame_is_shown_and_told(format):
    if format == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    first, second = (Image.fromarray(np.full((16, 16, 3), level, np.uint8)) for level in (40, 200))
    options = {} if format == "TIFF" else {"lossless": True} if format == "WEBP" else {}
    whole = decode(saved(first, format, save_all=True, append_images=[second], **options), "it")
    close(whole.pixels, np.full((16, 16, 3), 40), 2)
    assert whole.notes == ("it has several frames; this is the first",)


def test_a_telephones_second_picture_is_no_frame():
    first, second = (Image.fromarray(np.full((16, 16, 3), level, np.uint8)) for level in (40, 200))
    data = saved(first, "MPO", save_all=True, append_images=[second])
    whole = decode(data, "it")
    close(whole.pixels, np.full((16, 16, 3), 40), 1)
    assert not whole.notes


# ---- less of a JPEG than there is


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize("least", [(1, 1), (40, 40), (100, 50), (150, 201), (300, 400), (301, 1), (999, 999)])
def test_at_least_what_is_enough_is_decoded(least, orientation):
    y, x = np.mgrid[0:300, 0:400]
    upright = np.rint(np.stack([y * 0.8, x * 0.6, 100 + 0 * x], axis=2)).astype(np.uint8)
    data = saved(Image.fromarray(stored(upright, orientation)), "JPEG", quality=95, exif=exif(orientation))
    whole, part = decode(data, "it").pixels, decode(data, "it", least=least).pixels
    assert whole.shape == upright.shape
    scale = min(8, 300 // least[0], 400 // least[1])
    scale = max((s for s in (1, 2, 4, 8) if s <= scale), default=1)
    assert part.shape[:2] == (-(-300 // scale), -(-400 // scale))
    if scale == 1:
        np.testing.assert_array_equal(part, whole)
    else:
        assert part.shape[0] >= least[0]
        assert part.shape[1] >= least[1]
        middle = slice(scale // 2, None, scale)
        assert np.abs(part[:37, :50] - whole[middle, middle][:37, :50].astype(float)).mean() < 4


def test_least_is_for_jpegs_alone_and_loses_no_note():
    deep = png([bytes(12)], 2, 16, 2)
    assert decode(deep, "it", least=(1, 1)).notes == ("16-bit colour, of which Pillow keeps 8 bits",)


def test_threads_see_what_one_thread_sees():
    files = [saved(Image.fromarray(stored(RAINBOW, turn)), "JPEG", exif=exif(turn)) for turn in range(1, 9)]
    files += [saved(Image.fromarray(RAINBOW), "PNG", exif=b"Exif\0\0junk"), files[3][:400], b"text"]

    def outcome(data: bytes):
        try:
            whole = decode(data, "it")
        except PictureError as error:
            return str(error)
        return whole.pixels.tobytes(), whole.notes

    alone = [outcome(data) for data in files]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(outcome, files * 20)) == alone * 20


def test_brightness_is_that_of_the_colours_whatever_the_file_keeps():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))
    for data in (saved(picture.convert("YCbCr"), "TIFF"), saved(picture, "PNG"), saved(picture.convert("P"), "GIF")):
        colours = Image.fromarray(decode(data, "it").pixels)
        assert np.array_equal(decode(data, "it", channels="L").pixels[:, :, 0], np.asarray(colours.convert("L")))
