"""The one warp, by OpenCV and by PyTorch: both are the float64 reference, and neither aliases."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from warp_reference import allowed, distortions, reference

from striate.data.distort.distortion import PRESETS, Distortion, distortion
from striate.data.distort.draw import NUMBERS, Drawn, draw
from striate.data.distort.warp import warp
from striate.data.distort.warp_torch import warp_batch
from striate.errors import StriateError

SPREAD = np.array([[40.0, 20, 10], [20, 50, 30], [10, 30, 45]])
SAME = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def warp_by_torch(picture: np.ndarray, drawn: Drawn) -> np.ndarray:
    batch = torch.from_numpy(np.moveaxis(picture, 2, 0).copy())[None]
    return np.moveaxis(warp_batch(batch, [drawn])[0].numpy(), 0, 2)


both = pytest.mark.parametrize("by", [warp, warp_by_torch], ids=["opencv", "torch"])


def noise(size: tuple[int, int], channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, channels), dtype=np.uint8)


def check(by, picture: np.ndarray, drawn: Drawn, tolerance: float = 0.55) -> None:
    """The last rounding takes half a level."""
    view = by(picture, drawn)
    assert view.dtype == np.uint8
    assert view.shape == (*drawn.size, picture.shape[2])
    assert np.abs(view - reference(picture, drawn)).max() <= tolerance + allowed(picture, drawn)


sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))
small = st.tuples(st.integers(1, 24), st.integers(1, 24))
maps = st.lists(st.floats(-9, 9) | st.integers(-4, 4).map(float), min_size=6, max_size=6)


@both
@given(distortions(), sizes, small, st.sampled_from([1, 3]), st.integers(0, 2**32))
@settings(max_examples=150)
def test_whatever_is_drawn_equals_the_reference(by, strengths, size_in, size_out, channels, seed):
    numbers = np.random.default_rng(seed).random(NUMBERS)
    check(by, noise(size_in, channels, seed), draw(strengths, size_in, size_out, numbers, SPREAD))


@both
@given(maps.map(tuple), sizes, st.sampled_from([1, 3]))
@example((2.0, 0.0, 0.0, 0.0, 4.0, 0.0), (61, 33), 3)
@example((-1.0, 0.0, 7.0, 0.0, 1.0, 2.0), (9, 9), 1)
@settings(max_examples=150)
def test_any_map_equals_the_reference_also_outside_the_picture(by, affine, size_in, channels):
    check(by, noise(size_in, channels), Drawn((7, 9), affine))


@both
@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1), (3, 4001), (40_000, 2)])
@pytest.mark.parametrize("text", ["none", "strong", "strong, crop 0, padding 3"])
def test_extreme_shapes(by, size, text):
    picture = noise(size)
    for sample in range(3):
        check(by, picture, distortion(text).draw(size, (16, 24), 0, 0, sample), 0.7)
    stretched = Drawn((16, 24), (size[1] / 24, 0, 0, 0, size[0] / 16, 0))
    check(by, picture, stretched, 0.6)


@both
@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "none"])
def test_presets_on_a_larger_picture(by, preset):
    picture = noise((150, 211))
    for sample in range(6):
        check(by, picture, distortion(preset).draw((150, 211), (64, 64), 7, 1, sample))


@both
def test_nothing_drawn_is_the_same_picture(by):
    picture = noise((20, 30))
    np.testing.assert_array_equal(by(picture, Drawn((20, 30), SAME)), picture)
    np.testing.assert_array_equal(by(picture, distortion("none").draw((20, 30), (20, 20), 0, 0, 0)), picture[:, 5:25])


@both
def test_a_mirror_swaps_left_and_right_of_the_same_crop(by):
    picture, numbers = noise((40, 50)), np.random.default_rng(0).random(NUMBERS)
    plain, mirrored = (draw(Distortion(mirror=p, crop=0.3), (40, 50), (16, 16), numbers) for p in (0, 1))
    np.testing.assert_allclose(by(picture, mirrored)[:, ::-1], by(picture, plain).astype(float), atol=1)


@both
def test_a_positive_turn_is_to_the_left_and_a_growth_enlarges(by):
    picture = np.zeros((41, 41, 1), np.uint8)
    picture[20, 30] = 255  # ten pixels right of the middle
    numbers = np.full(NUMBERS, 1 - 1e-12)
    turned = by(picture, draw(Distortion(rotate=90), (41, 41), (41, 41), numbers))
    assert np.argwhere(turned[:, :, 0] > 128).tolist() == [[10, 20]]  # ten pixels above it
    grown = by(picture, draw(Distortion(scale=0.5), (41, 41), (41, 41), numbers))
    assert np.unravel_index(grown.argmax(), grown.shape)[:2] == (20, 35)


@both
def test_padding_and_crop_moves_by_whole_pixels(by):
    picture, seen = noise((12, 12)), set()
    around = np.pad(picture, ((2, 2), (2, 2), (0, 0)), mode="edge")
    for sample in range(60):
        drawn = Distortion(padding=2).draw((12, 12), (12, 12), 0, 0, sample)
        down, right = int(drawn.amounts["down"]), int(drawn.amounts["right"])
        view = by(picture, drawn)
        np.testing.assert_array_equal(view, around[2 - down : 14 - down, 2 - right : 14 - right])
        seen.add((down, right))
    assert len(seen) > 20  # of 25


@both
@pytest.mark.parametrize("step", [1.7, 1.9, 2.0, 2.6, 3.7])
@pytest.mark.parametrize("turn", [0, 13])
def test_a_checkerboard_of_pixels_becomes_gray(by, step, turn):
    board = np.repeat((np.indices((300, 300)).sum(axis=0) % 2 * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    cosine, sine = np.cos(np.radians(turn)) * step, np.sin(np.radians(turn)) * step
    affine = (cosine, -sine, 150 - 20 * (cosine - sine), sine, cosine, 150 - 20 * (cosine + sine))
    apart = np.abs(by(board, Drawn((40, 40), affine)) - 127.5).max()
    bare = cv2.warpAffine(
        board, np.array(affine).reshape(2, 3), (40, 40), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    w = (step**2 - 1) / 12
    assert apart <= (1 + 127.5 * (1 - 4 * w) ** 2 if step < 2 else 1)  # 18 levels at 1.7, 3 at 1.9
    assert np.abs(bare - 127.5).max() > 100


def test_one_pixel_wide_rings_do_not_alias():
    y, x = np.indices((512, 512)) - 256
    zone_plate = np.round(127.5 + 127.5 * np.cos((x**2 + y**2) * np.pi / 512)).astype(np.uint8)[:, :, None]
    view = warp(zone_plate, Drawn((138, 138), (512 / 138, 0, 0, 0, 512 / 138, 0)))[:, :, 0].astype(float)
    # the rings get narrower outwards; beyond half-way to the edge the view's pixels cannot show them
    y, x = np.indices((138, 138)) - 68.5
    assert np.abs(view[np.hypot(x, y) > 45] - 127.5).mean() < 8
    assert np.abs(view[np.hypot(x, y) < 8] - 127.5).mean() > 40


def test_the_same_bits_for_any_number_of_threads():
    picture, views = noise((600, 800)), []
    for threads in (1, 2, 5):
        cv2.setNumThreads(threads)
        views.append([warp(picture, distortion("strong").draw((600, 800), (224, 224), 3, 0, n)) for n in range(8)])
    cv2.setNumThreads(1)
    np.testing.assert_array_equal(views[0], views[1])
    np.testing.assert_array_equal(views[0], views[2])


@pytest.mark.parametrize("channels", [1, 3])
def test_it_fills_what_it_is_given_and_leaves_the_picture_alone(channels):
    picture = noise((50, 60), channels)
    picture.flags.writeable = False
    drawn = distortion("strong").draw((50, 60), (20, 30), 1, 2, 3)
    batch = np.zeros((3, 20, 30, channels), np.uint8)
    assert warp(picture, drawn, batch[1]) is not None
    np.testing.assert_array_equal(batch[1], warp(picture, drawn))
    assert not batch[::2].any()
    with pytest.raises(StriateError, match="the view is 20×30×"):
        warp(picture, drawn, np.zeros((20, 31, channels), np.uint8))
    np.testing.assert_array_equal(warp(picture[::-1, ::-1], drawn), warp(picture[::-1, ::-1].copy(), drawn))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mirror", [0, 1])
def test_a_plain_crop_of_what_must_not_be_written_to(channels, mirror):
    drawn = distortion(f"none, crop 0.3, mirror {mirror}").draw((50, 60), (20, 30), 1, 2, 3)
    whole = noise((50, 60), channels)
    expected, before = warp(whole.copy(), drawn), whole.copy()
    own = whole.copy()
    own.flags.writeable = False
    kept = np.frombuffer(before.tobytes(), np.uint8).reshape(before.shape)  # no array behind it may be written to
    shown = whole[:]
    shown.flags.writeable = False
    for picture in (own, shown, kept, np.asfortranarray(whole), whole[::-1, ::-1][::-1, ::-1]):
        np.testing.assert_array_equal(warp(picture, drawn), expected)
        assert np.array_equal(picture, before)
    assert not shown.flags.writeable
    np.testing.assert_array_equal(warp(whole[:, ::-1], drawn), warp(whole[:, ::-1].copy(), drawn))
