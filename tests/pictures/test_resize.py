"""Resizing: the definition in whole numbers, the same pixels from every engine, extreme shapes, memory."""

import tracemalloc
from fractions import Fraction
from itertools import accumulate
from math import floor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from samples import FILTERS, noise

from striate.errors import GeometryError
from striate.pictures.resize import BITS, Interpolation, resize, resize_weights

filters = st.sampled_from(FILTERS)
sides = st.integers(1, 40)


# ---- an independent definition: fractions, one output position at a time


def triangle(distance: Fraction) -> Fraction:
    return max(1 - abs(distance), Fraction(0))


def cubic(distance: Fraction) -> Fraction:
    t = abs(distance)
    if t < 1:
        return Fraction(3, 2) * t**3 - Fraction(5, 2) * t**2 + 1
    return Fraction(-1, 2) * t**3 + Fraction(5, 2) * t**2 - 4 * t + 2 if t < 2 else Fraction(0)


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def weights_by_fractions(before: int, after: int, interpolation: Interpolation) -> list[list[int]]:
    """Each row: the filter's values at the input pixels, as shares of their sum, rounded as a running sum."""
    scale = Fraction(before, after)
    kernel = triangle if interpolation == "bilinear" else cubic
    rows = []
    for output in range(after):
        centre = (output + Fraction(1, 2)) * scale
        values = [kernel((i + Fraction(1, 2) - centre) / max(scale, 1)) for i in range(before)]
        total = sum(values)
        ends = [half_up(part / total * 2 ** BITS[interpolation]) for part in accumulate(values)]
        rows.append([end - start for start, end in zip([0, *ends], ends, strict=False)])
    return rows


def resized_with_integers(pixels: np.ndarray, size: tuple[int, int], interpolation: Interpolation) -> np.ndarray:
    half, whole = 2 ** (BITS[interpolation] - 1), BITS[interpolation]
    across, down = (
        np.array(weights_by_fractions(before, after, interpolation), np.int64)
        for before, after in ((pixels.shape[1], size[1]), (pixels.shape[0], size[0]))
    )
    narrow = np.clip((np.einsum("ow, hwc -> hoc", across, pixels.astype(np.int64)) + half) >> whole, 0, 255)
    return np.clip((np.einsum("oh, hwc -> owc", down, narrow) + half) >> whole, 0, 255)


def all_weights(before: int, after: int, interpolation: Interpolation) -> np.ndarray:
    """(after, before), zeros included."""
    seen, some = resize_weights(before, after, interpolation)
    whole = np.zeros((after, before), np.float32)
    whole[:, seen] = some
    return whole


@given(sides, sides)
def test_bilinear_weights_are_those_of_fractions(before, after):
    np.testing.assert_array_equal(
        all_weights(before, after, "bilinear"), weights_by_fractions(before, after, "bilinear")
    )


@given(sides, sides)
def test_bicubic_weights_are_those_of_fractions_but_for_a_tie(before, after):
    # its values are no whole numbers, so float64 may see a running sum of exactly one half on the other side
    here = all_weights(before, after, "bicubic")
    exact = np.array(weights_by_fractions(before, after, "bicubic"))
    assert np.abs(here - exact).max() <= 1
    assert (here != exact).mean() < 0.02 or here.size < 200


@given(st.tuples(sides, sides, st.sampled_from((1, 3))), st.tuples(sides, sides), filters, st.integers(0, 99))
def test_pixels_are_those_of_the_definition(shape, size, interpolation, seed):
    pixels = noise(*shape, seed)
    expected = resized_with_integers(pixels, size, interpolation)
    actual = resize(pixels, size, interpolation)
    assert actual.dtype == np.uint8
    assert actual.shape == (*size, shape[2])
    if interpolation == "bilinear":
        np.testing.assert_array_equal(actual, expected)
    else:
        assert np.abs(actual - expected).max() <= 1


# ---- every sum is exact, so every engine agrees


@given(st.integers(1, 3000), st.integers(1, 3000), filters)
def test_sums_stay_where_float32_counts(before, after, interpolation):
    few = range(min(after, 40))
    _, weights = resize_weights(before, after, interpolation, few)
    assert (weights == np.rint(weights)).all()
    assert (weights.sum(axis=1, dtype=np.float64) == 2 ** BITS[interpolation]).all()
    # however a sum is ordered, no part of it is larger than all of one sign
    assert 255 * np.abs(weights).sum(axis=1, dtype=np.float64).max() < 2**24


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("before", "after"), [(500, 341), (40, 300), (4000, 224), (65_535, 7)])
def test_every_engine_and_order_gives_the_same_sums(before, after, interpolation):
    seen, weights = resize_weights(before, after, interpolation)
    assert seen == slice(0, before)
    levels = noise(4, before, 1)[:, :, 0]
    levels[0] = 255
    exact = levels.astype(np.int64) @ weights.astype(np.int64).T
    order = np.random.default_rng(1).permutation(before)
    other = levels[:, order].astype(np.float32), weights[:, order]
    one_by_one = np.cumsum(other[0][:, None] * other[1], axis=2, dtype=np.float32)[:, :, -1]
    for sums in (
        levels.astype(np.float32) @ weights.T,
        other[0] @ other[1].T,
        one_by_one,
        levels.astype(np.float64) @ weights.T.astype(np.float64),
        (torch.tensor(levels).float() @ torch.tensor(weights).T).numpy(),
    ):
        np.testing.assert_array_equal(sums, exact)


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("before", "after"), [(65_535, 1), (1, 65_535), (65_535, 65_534), (65_534, 65_535)])
def test_positions_do_not_overflow_at_the_largest_sides(before, after, interpolation):
    # what is compared is a whole number below 4 · before · after + 8 · the larger side, far from 2^63
    last = range(max(0, after - 3), after)
    seen, weights = resize_weights(before, after, interpolation, last)
    assert seen.stop == before
    assert (weights.sum(axis=1, dtype=np.float64) == 2 ** BITS[interpolation]).all()
    mirrored = resize_weights(before, after, interpolation, range(min(3, after)))[1][::-1, ::-1]
    trimmed = [part[:, np.flatnonzero(part.any(axis=0))] for part in (weights, mirrored)]
    assert np.abs(trimmed[0] - trimmed[1]).max() <= 1


# ---- what a resize is for


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.integers(0, 255), filters)
def test_a_plain_colour_stays_plain(before, after, level, interpolation):
    plain = np.full((*before, 1), level, np.uint8)
    assert (resize(plain, after, interpolation) == level).all()


@given(st.tuples(sides, sides), filters)
def test_the_own_size_changes_nothing(size, interpolation):
    pixels = noise(*size)
    np.testing.assert_array_equal(resize(pixels, size, interpolation), pixels)


@given(st.tuples(sides, sides), st.tuples(sides, sides), filters, st.data())
def test_a_window_holds_the_pixels_of_the_whole(before, after, interpolation, data):
    window = tuple(
        slice(start := data.draw(st.integers(0, side - 1)), data.draw(st.integers(start + 1, side))) for side in after
    )
    pixels = noise(*before)
    np.testing.assert_array_equal(
        resize(pixels, after, interpolation, window), resize(pixels, after, interpolation)[window]
    )


def test_rows_come_first_whatever_the_sizes():
    # across, the rows are 1.5 and 0.5, which round to 2 and 1, whose mean rounds to 2; down first they would be 1 and 1
    pixels = np.array([[[1], [2]], [[1], [0]]], np.uint8)
    assert resize(pixels, (1, 1)).item() == 2
    for shape, size in (((300, 20), (30, 200)), ((20, 300), (200, 30))):
        pixels = noise(*shape)
        np.testing.assert_array_equal(resize(pixels, size), resize(resize(pixels, (shape[0], size[1])), size))


@pytest.mark.parametrize(("shape", "size"), [((0, 3, 3), (2, 2)), ((3, 3, 3), (0, 2)), ((3, 3, 3), (2, -1))])
def test_no_pixels_are_refused(shape, size):
    with pytest.raises(GeometryError, match="at least 1×1 pixels"):
        resize(np.zeros(shape, np.uint8), size)


# ---- memory


@pytest.mark.parametrize(
    ("shape", "size", "window"),
    [
        ((8000, 8000, 1), (224, 224), (slice(None), slice(None))),
        ((1, 65_535, 3), (256, 16_776_960), (slice(16, 240), slice(8_388_000, 8_388_224))),
        ((65_535, 1, 3), (224, 224), (slice(None), slice(None))),
    ],
    ids=str,
)
def test_large_pictures_take_little_memory(shape, size, window):
    pixels = np.zeros(shape, np.uint8)
    pixels[..., -1, :] = 255
    tracemalloc.start()
    try:
        result = resize(pixels, size, window=window)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.size <= 224 * 224 * 3
    # rows and columns of float32: (height, width after), and the weights
    assert peak < 4 * shape[0] * 224 * shape[2] + 40e6
