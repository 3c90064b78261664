"""The numbers that lecture notes print about operators, one after the other."""

import json

import numpy as np
import pytest

from striate.errors import GeometryError
from striate.ops.commands import size
from striate.ops.conv import convolve
from striate.ops.dense import fully_connected
from striate.ops.filters import KERNELS, find_kernel, on_channels
from striate.ops.pool import average_pool, max_pool
from striate.ops.size import Window, left_over
from striate.ops.windows import pad, per_side

HALVES = np.repeat([[[[10.0, 10, 10, 0, 0, 0]]]], 6, axis=2)


def answer(words: str) -> dict:
    """What `striate op size` says: its last row, with the remarks."""
    told = json.loads(size(*words.split()).to_json())
    return {**told["total"], "notes": told["notes"], "formula": told["rows"][0]["formula"]}


@pytest.mark.parametrize(
    ("words", "out"),
    [
        ("7x7 f3 s1", "5×5"),
        ("7x7 f3 s2", "3×3"),
        ("7x7 f3 s3", "2×2"),
        ("7x7 f3 s1 p1", "7×7"),
        ("6x6 f3", "4×4"),
        ("6x6 f3 p1", "6×6"),
        ("6x6x3 f3 n2", "4×4×2"),
        ("32x32x3 f5 s1 p2 n10", "32×32×10"),
        ("32x32x3 f5 n6", "28×28×6"),
        ("39x39x3 f3 s1 n10", "37×37×10"),
        ("37x37x10 f5 s2 n20", "17×17×20"),
        ("17x17x20 f5 s2 n40", "7×7×40"),
        ("28x28x192 f1 n32", "28×28×32"),
        ("28x28x192 f5 p same n32", "28×28×32"),
        ("6x6x3 f3 p valid n5", "4×4×5"),
        ("55x55x96 f3 s2", "27×27×96"),  # AlexNet's overlapping pooling
        ("9x12 f3x5 s2x1 p1,0,2,2", "4×12"),  # kernels, strides and paddings may differ by axis
    ],
)
def test_output_sizes(words, out):
    assert answer(words)["out"] == out


@pytest.mark.parametrize(
    ("words", "parameters", "macs"),
    [
        ("32x32x3 f5 s1 p2 n10", 760, 32 * 32 * 10 * 75),
        ("32x32x3 f5 n6", 456, 28 * 28 * 6 * 75),
        ("32x32x1 f5 n6", 156, 28 * 28 * 6 * 25),  # what the notes count for three channels is right for one
        ("9x9x3 f3 n10", 280, 7 * 7 * 10 * 27),
        ("28x28x192 f1 n32", 6_144 + 32, 4_816_896),
        ("28x28x192 f5 p same n32", 192 * 25 * 32 + 32, 120_422_400),
        ("6x6x3 f3 n5", 140, 2_160),
        ("3x3x3 f3 n64", 1_728 + 64, 1_728),
        ("32x32x3 f32 n4704", 14_450_688 + 4_704, 14_450_688),  # fully connected instead
        ("128x128x3 f128 n64", 3_145_728 + 64, 3_145_728),
        ("1000x1000x3 f1000 n1000", 3_000_000_000 + 1_000, 3_000_000_000),
    ],
)
def test_parameters_and_multiplications(words, parameters, macs):
    told = answer(words)
    assert (told["parameters"], told["macs"]) == (parameters, macs)


def test_a_bottleneck_saves_nine_tenths():
    squeezed = answer("28x28x192 f1 n16")["macs"] + answer("28x28x16 f5 p same n32")["macs"]
    assert squeezed == 12_443_648


def test_a_depthwise_separable_convolution_saves_two_thirds():
    depthwise = 3 * answer("6x6x1 f3 n1")["macs"]
    pointwise = answer("4x4x3 f1 n5")["macs"]
    assert (depthwise, pointwise, depthwise + pointwise) == (432, 240, 672)
    assert (depthwise + pointwise) / answer("6x6x3 f3 n5")["macs"] == pytest.approx(1 / 5 + 1 / 3**2)


def test_the_flattened_end_of_the_small_network_has_1960_values():
    x = np.zeros((1, 3, 39, 39))
    for f, s, n in ((3, 1, 10), (5, 2, 20), (5, 2, 40)):
        x = convolve(x, np.zeros((n, x.shape[1], f, f)), stride=s)
    assert x.shape == (1, 40, 7, 7)
    assert x.size == 1_960


def test_what_does_not_fit_is_a_note_with_its_numbers():
    told = answer("7x7 f3 s3")
    assert told["formula"] == "(7 + 2·0 − 3)/3 + 1 = 2.33 → 2"
    assert told["notes"] == [
        "(7 + 2·0 − 3)/3 + 1 = 2.33 → 2: 1 row and 1 column are never seen; p 1 or s 2 or a side of 9 would fit"
    ]
    for offered in (Window(7, 3, s=3, p=(1, 1)), Window(7, 3, s=2)):
        assert left_over(offered, offered) is None


def test_only_padding_goes_unseen_in_the_first_layer_of_resnet():
    told = answer("224x224x3 f7 s2 p3 n64")
    assert told["formula"] == "(224 + 2·3 − 7)/2 + 1 = 112.50 → 112"
    assert told["notes"][0] == "height and width: 2 does not divide 223: the end of the padding is never seen"


def test_no_whole_output_is_an_error():
    with pytest.raises(GeometryError, match="3 on 2 leaves no output; f 2 or less, p 1 or more"):
        size("2x2", "f3")


def test_ceil_lets_the_last_window_run_over_the_end():
    told = answer("112x112x64 f3 s2 ceil")
    assert told["out"] == "56×56×64"
    assert told["notes"][0].endswith("the last window runs over the end")


def test_same_is_half_the_window_for_odd_windows():
    for f in (1, 3, 5, 7, 11):
        assert per_side("same", f)[0] == ((f - 1) // 2, (f - 1) // 2)


def test_the_6x6_picture_of_two_halves_has_two_columns_of_30():
    out = convolve(HALVES, on_channels(KERNELS["vertical"], 1))
    np.testing.assert_array_equal(out[0, 0], [[0, 30, 30, 0]] * 4)


def test_cross_correlation_does_not_flip_and_convolution_does():
    weights = on_channels(KERNELS["vertical"], 1)
    np.testing.assert_array_equal(convolve(HALVES, weights, flip=True), -convolve(HALVES, weights))
    impulse = np.zeros((1, 1, 5, 5))
    impulse[0, 0, 2, 2] = 1
    kernel = np.arange(9.0).reshape(1, 1, 3, 3)
    np.testing.assert_array_equal(convolve(impulse, kernel, flip=True), kernel)
    np.testing.assert_array_equal(convolve(impulse, kernel), kernel[:, :, ::-1, ::-1])


# a picture that is light where the name says and dark on the other side
LIGHT = {
    "on the left": lambda rows, columns: columns < 3,
    "on the right": lambda rows, columns: columns >= 3,
    "above": lambda rows, columns: rows < 3,
    "below": lambda rows, columns: rows >= 3,
    "at the top left": lambda rows, columns: rows + columns < 5,
    "at the top right": lambda rows, columns: rows < columns,
    "around the pixel": lambda rows, columns: (rows != 2) | (columns != 2),
}


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_the_sign_of_every_edge_filter_is_as_told(kernel):
    light = LIGHT[kernel.lighter](*np.indices((6, 6))).astype(float)[None, None]
    weights = on_channels(kernel, 1)
    out = convolve(light, weights)[0, 0]
    assert kernel.signed
    assert out[out != 0].size
    assert out[2, 2] > 0 if kernel.lighter != "around the pixel" else out[1, 1] > 0
    flipped = convolve(light, weights, flip=True)[0, 0]
    here, there = kernel.sign(), kernel.sign(flip=True)
    if kernel.lighter == "around the pixel":
        assert here == there
        np.testing.assert_array_equal(flipped, out)
    else:
        assert here != there
        np.testing.assert_array_equal(flipped, -out)


def test_the_usual_sobel_has_the_opposite_sign_of_the_vertical_filter():
    assert KERNELS["vertical"].rows[0] == (1, 0, -1)
    assert KERNELS["sobel-x"].rows == ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
    assert KERNELS["scharr-y"].rows == ((-3, -10, -3), (0, 0, 0), (3, 10, 3))
    assert (KERNELS["prewitt-x"].weights == -KERNELS["vertical"].weights).all()
    assert "opposite" in KERNELS["sobel-x"].remark
    assert "opposite" in KERNELS["vertical"].remark


def test_the_vertical_edges_of_red_ignore_the_other_channels():
    picture = np.random.default_rng(0).random((1, 3, 6, 6))
    red = on_channels(KERNELS["vertical"], 3, only=0)
    np.testing.assert_allclose(convolve(picture, red), convolve(picture[:, :1], red[:, :1]))
    assert not red[0, 1:].any()


def test_kernels_are_also_written_out():
    assert find_kernel("1 0 -1; 1 0 -1; 1 0 -1").weights.tolist() == KERNELS["vertical"].weights.tolist()
    assert find_kernel("1/9,1/9;1/9,1/9").weights.tolist() == [[1 / 9] * 2] * 2


@pytest.mark.parametrize(
    ("border", "row"),
    [
        ("zero", [0, 0, 1, 2, 3, 0]),
        ("reflect", [3, 2, 1, 2, 3, 2]),
        ("replicate", [1, 1, 1, 2, 3, 3]),
        ("circular", [2, 3, 1, 2, 3, 1]),
    ],
)
def test_the_four_borders(border, row):
    assert pad([[[[1, 2, 3]]]], ((0, 0), (2, 1)), border)[0, 0].tolist() == [row]


def test_a_1x1_convolution_is_a_small_fully_connected_layer_at_each_place():
    rng = np.random.default_rng(0)
    x, weights, bias = rng.random((2, 4, 3, 5)), rng.random((6, 4, 1, 1)), rng.random(6)
    per_place = fully_connected(x.transpose(0, 2, 3, 1).reshape(-1, 4), weights[:, :, 0, 0], bias)
    np.testing.assert_allclose(convolve(x, weights, bias), per_place.reshape(2, 3, 5, 6).transpose(0, 3, 1, 2))


def test_a_convolution_over_the_whole_picture_is_fully_connected():
    rng = np.random.default_rng(0)
    x, weights = rng.random((2, 3, 4, 5)), rng.random((6, 3, 4, 5))
    whole = fully_connected(x.reshape(2, -1), weights.reshape(6, -1), np.zeros(6))
    np.testing.assert_allclose(convolve(x, weights)[:, :, 0, 0], whole)


def test_connections_are_sparse_k_to_an_output_where_fully_connected_has_all_m():
    rng = np.random.default_rng(0)
    weights = 1 + rng.random((1, 1, 3, 3))
    m, k, n = 8 * 9, 3 * 3, 6 * 7
    impulses = np.eye(m).reshape(m, 1, 8, 9)
    connections = convolve(impulses, weights).reshape(m, n)  # what each input contributes to each output
    assert (connections.size, np.count_nonzero(connections)) == (m * n, k * n)
    assert (np.count_nonzero(connections, axis=0) == k).all()
    x = rng.random((1, 1, 8, 9))
    dense = fully_connected(x.reshape(1, m), connections.T, np.zeros(n))  # the same answer at m·n multiplications
    np.testing.assert_allclose(convolve(x, weights).reshape(1, n), dense)


def test_pooling_is_per_channel_may_overlap_and_keeps_the_channels():
    x = np.random.default_rng(0).random((1, 4, 7, 7))
    for pooled, value in ((max_pool(x, 3, 2), np.max), (average_pool(x, 3, 2), np.mean)):
        assert pooled.shape == (1, 4, 3, 3)
        assert pooled[0, 2, 1, 1] == pytest.approx(value(x[0, 2, 2:5, 2:5]))
