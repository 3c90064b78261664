"""What a graph makes of pictures is what `Preprocess` makes of them, to the bit."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnxscript import GraphBuilder

from striate.preprocess import Preprocess
from striate.ship.fitting import FITTED, fit

SIDES = st.integers(1, 90)


def graph_of(preprocess: Preprocess) -> onnx.ModelProto:
    """Pictures in; what the network sees, as bytes and as numbers, out."""
    pictures = ir.Value(
        name="pictures", type=ir.TensorType(ir.DataType.UINT8), shape=ir.Shape(["batch", "height", "width", 3])
    )
    graph = ir.Graph([pictures], [], nodes=[], name="fitting", opset_imports={"": 20})
    numbers = fit(GraphBuilder(graph).op, pictures, preprocess)
    bytes_ = next(value for node in graph for value in node.outputs if value.name == FITTED)
    for value, type in ((bytes_, ir.DataType.UINT8), (numbers, ir.DataType.FLOAT)):
        value.type = ir.TensorType(type)
        graph.outputs.append(value)
    return ir.to_proto(ir.Model(graph, ir_version=10))


def compare(preprocess: Preprocess, pictures: np.ndarray, bytes_: np.ndarray, numbers: np.ndarray) -> None:
    channels = [np.asarray(preprocess.pixels(_gray(each) if preprocess.channels == "L" else each)) for each in pictures]
    expected = np.stack(channels)  # (n, rows, columns, channels)
    assert np.array_equal(bytes_, np.moveaxis(expected, 3, 1))
    assert np.allclose(numbers, np.stack([preprocess.normalised(each) for each in expected]), rtol=1e-6, atol=1e-6)


def _gray(picture: np.ndarray) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(picture).convert("L"))[:, :, None]


@settings(max_examples=40, deadline=None)
@given(
    picture=st.tuples(SIDES, SIDES),
    size=st.tuples(SIDES, SIDES),
    larger=st.none() | st.integers(0, 30),
    fit=st.sampled_from(["crop", "pad", "squash"]),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    channels=st.sampled_from(["RGB", "BGR", "L"]),
    seed=st.integers(0, 9),
)
def test_pictures_of_any_size(picture, size, larger, fit, interpolation, channels, seed):
    statistics = {"mean": (0.5,), "std": (0.3,)} if channels == "L" else {}
    preprocess = Preprocess(
        size=size,
        resize=None if larger is None else min(size) + larger,
        fit=fit,
        interpolation=interpolation,
        channels=channels,
        background=(200, 10, 60),
        **statistics,
    )
    # levels of 0 and 255 alone, in the even seeds, are where a cubic goes beyond them
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 256, (2, *picture, 3), dtype=np.uint8)
    if seed % 2 == 0:
        pictures = np.where(pictures > 127, 255, 0).astype(np.uint8)
    session = onnxruntime.InferenceSession(graph_of(preprocess).SerializeToString(), providers=["CPUExecutionProvider"])
    compare(preprocess, pictures, *session.run(None, {"pictures": pictures}))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_openvino_fits_as_well(interpolation):
    from openvino import Core

    preprocess = Preprocess(size=(50, 40), resize=48, interpolation=interpolation)
    core = Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    model = core.compile_model(core.read_model(graph_of(preprocess).SerializeToString()), "CPU", settings)
    pictures = np.random.default_rng(0).choice(np.array([0, 3, 254, 255], np.uint8), (2, 90, 130, 3))
    found = model({0: pictures})
    compare(preprocess, pictures, found[0], found[1])
