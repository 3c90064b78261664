"""Weights become whole numbers so that outputs change least."""

import numpy as np
import onnx_ir as ir
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as some

from striate.ship.int8.rounding import LARGEST, PLACES, Products, rounded


def layer(kind: str = "Conv", **how: list[int] | int) -> ir.Node:
    value = ir.Value(name="read")
    attributes = [
        ir.AttrInt64s(name, each) if isinstance(each, list) else ir.AttrInt64(name, each) for name, each in how.items()
    ]
    return ir.Node("", kind, [value], attributes)


@given(
    some.integers(0, 10**6),
    some.integers(1, 3),
    some.integers(1, 3),
    some.integers(1, 2),
    some.integers(1, 3),
    some.tuples(*[some.integers(0, 2)] * 2),
)
def test_what_a_convolution_sees_is_what_pytorch_unfolds(seed, channels, size, dilation, stride, pads):
    draw = np.random.default_rng(seed)
    reach = dilation * (size - 1) + 1
    height, width = (max(reach - 2 * pad, 1) for pad in pads)  # one place, so that each that is drawn is that one
    activations = draw.normal(size=(20, channels, height, width)).astype(np.float32)
    where = {"dilation": dilation, "padding": pads, "stride": stride}
    columns = torch.nn.functional.unfold(torch.from_numpy(activations), size, **where)
    assume(columns.shape[2] == 1)
    node = layer(dilations=[dilation] * 2, pads=[*pads, *pads], strides=[stride] * 2)
    seen = Products(node, np.zeros((5, channels, size, size), np.float32))
    for activation in activations:
        seen.add(activation[None], draw)
    flat = columns[:, :, 0].double().numpy()
    assert np.allclose(seen.mean(), flat.T @ flat / len(flat), atol=1e-4)
    assert seen.places == len(activations) * PLACES


def test_places_are_all_over_a_picture():
    seen = Products(layer(strides=[2, 2]), np.zeros((1, 1, 1, 1), np.float32))
    picture = np.zeros((1, 1, 40, 30), np.float32)
    picture[..., ::2, ::2] = np.arange(300).reshape(20, 15)
    draw = np.random.default_rng(0)
    for _ in range(100):
        seen.add(picture, draw)
    assert seen.mean()[0, 0] == pytest.approx((np.arange(300.0) ** 2).mean(), rel=0.05)


def test_a_fully_connected_layer_sees_its_inputs():
    seen, draw = Products(layer("Gemm"), np.zeros((2, 3), np.float32)), np.random.default_rng(0)
    inputs = draw.normal(size=(40, 3)).astype(np.float32)
    for each in inputs:
        seen.add(each[None], draw)
    assert np.allclose(seen.mean(), inputs.T @ inputs / 40, atol=1e-5)


@pytest.mark.parametrize(
    ("node", "shape"), [(layer(group=4), (4, 1, 3, 3)), (layer("Gemm"), (2, LARGEST + 1))], ids=["groups", "large"]
)
def test_others_go_to_the_nearest(node, shape):
    assert Products.of(node, np.zeros(shape, np.float32)) is None
    weights, steps = np.array([[0.24, -0.26, 1.0]], np.float32), np.array([0.1], np.float32)
    assert rounded(weights, steps, None).tolist() == [[2, -3, 10]]


@given(some.integers(0, 10**6), some.integers(1, 300), some.integers(1, 4), some.integers(1, 40))
def test_outputs_change_less_and_each_weight_stays_beside_where_it_was(seed, inputs, outputs, rank):
    draw = np.random.default_rng(seed)
    pictures = draw.normal(size=(60, rank)) @ draw.normal(size=(rank, inputs)) + 0.1 * draw.normal(size=(60, inputs))
    seen = Products(layer("Gemm"), np.zeros((outputs, inputs), np.float32))
    for each in pictures.astype(np.float32):
        seen.add(each[None], draw)
    weights = draw.normal(size=(outputs, inputs)).astype(np.float32)
    steps = np.full(outputs, 0.1, np.float32)
    whole, nearest = rounded(weights, steps, seen), rounded(weights, steps, None)
    exact = weights / steps[:, None].astype(float)
    assert np.array_equal(whole, np.rint(whole))
    assert (np.abs(whole - exact) <= 1).all()
    ours, theirs = (((each - exact) @ pictures.T) ** 2 for each in (whole, nearest))
    if inputs > 20 * rank:  # where much is alike, much can be made up for
        assert ours.mean() < 0.5 * theirs.mean()
    assert ours.mean() < 1.5 * theirs.mean() + 1e-9


def test_inputs_that_never_were_change_nothing():
    seen, draw = Products(layer("Gemm"), np.zeros((2, 3), np.float32)), np.random.default_rng(0)
    seen.add(np.zeros((1, 3), np.float32), draw)
    weights = draw.normal(size=(2, 3)).astype(np.float32)
    steps = np.array([0.1, 0.2], np.float32)
    assert np.array_equal(rounded(weights, steps, seen), rounded(weights, steps, None))
