"""Facts of exported graphs, one for each kind of block; and every network of the zoo, where there is time."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from untrained import noise, untrained

import striate
from striate.data.normalise import normalised
from striate.evaluate.ensemble import ensemble
from striate.nets.zoo import zoo
from striate.ship.about import KEY
from striate.ship.assembly import assembled
from striate.ship.checked import SUM, check, sealed
from striate.ship.shipped import Shipped, open_shipped
from striate.train.keep.sealed import stated_sum
from striate.train.run import MODEL, Run

KINDS = {
    "plain": "conv 3x3x8 same, relu, maxpool 2, dropout 0.2, flatten, fc 16, relu, fc 3",
    "residual": "conv 3x3x8 p1 nobias, bn, relu, (conv 3x3x16 s2 p1 nobias, bn, relu, conv 3x3x16 p1 nobias, bn | "
    "conv 1x1x16 s2 nobias, bn)+, relu, globalpool, fc 3",
    "inception": "conv 3x3x8 same, relu, lrn 5, [conv 1x1x8, relu | conv 1x1x4, relu, conv 3x3x8 p1, relu | "
    "maxpool 3 s1 p1, conv 1x1x4, relu], lrn 5, globalpool, fc 3",
    "gate": "conv 3x3x8 p1 nobias, bn, silu, (globalpool, conv 1x1x4, silu, conv 1x1x8, sigmoid)*, conv 1x1x12 nobias, "
    "bn, globalpool, fc 3",
    "depthwise": "conv 3x3x8 p1 nobias, bn, relu6, depthwise 3x3 s2 p1 nobias, bn, relu6, conv 1x1x12 nobias, bn, "
    "globalpool, fc 3",
    "layernorm": "conv 4x4x8 s4, layernorm, (depthwise 7x7 p3, layernorm, conv 1x1x16, gelu, conv 1x1x8, scale 0.5)+, "
    "globalpool, layernorm, fc 3",
}
LARGE = ("alexnet", "nin")  # whose first layers leave nothing of less


@pytest.fixture(scope="module", params=KINDS)
def shipped(request, coloured, tmp_path_factory) -> tuple[Run, Shipped]:
    run = untrained(coloured, KINDS[request.param], tmp_path_factory.mktemp(request.param) / "run", name=request.param)
    return run, opened(run)


def opened(run: Run) -> Shipped:
    content = sealed(assembled(run))
    return Shipped(Path("it.onnx"), check(content, "it"), content)


def by_pytorch(run: Run, pictures: np.ndarray) -> np.ndarray:
    """(n, classes) probabilities of pictures (n, height, width, 3)."""
    pixels = np.stack([run.preprocess.pixels(each) for each in pictures])
    with torch.inference_mode():
        return run.net()(normalised(torch.from_numpy(pixels).permute(0, 3, 1, 2), run.preprocess)).softmax(1).numpy()


def test_it_needs_onnx_alone_and_batch_norm_is_folded(shipped):
    model = onnx.load_model_from_string(shipped[1].content)
    onnx.checker.check_model(model, full_check=True)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 20)]
    assert not model.functions
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"BatchNormalization", "LRN", "Dropout", "Resize", "If", "Loop"}
    folder = Path(striate.__file__).parent
    assert str(folder).encode() not in shipped[1].content  # where it was exported is nobody's business


def test_it_answers_as_pytorch_does_for_batches_and_pictures_of_any_size(shipped):
    run, file = shipped
    for count, height, width in ((1, 16, 16), (3, 37, 21), (2, 9, 40)):
        pictures = np.stack([noise(number, height, width) for number in range(count)])
        expected = by_pytorch(run, pictures)
        assert np.allclose(file(pictures).probabilities, expected, atol=2e-5)
        fitted = np.stack([file.fit(each) for each in pictures])
        assert np.allclose(file.answers(fitted).probabilities, expected, atol=2e-5)


@pytest.mark.parametrize("kind", ["coloured_file", "gray_file"])
def test_large_pictures_become_the_same_bytes_without_the_graph(kind, request, monkeypatch):
    file, without = (open_shipped(request.getfixturevalue(kind)) for _ in range(2))
    pictures = [noise(0, 150, 141), noise(1, 24, 200), noise(2, 9, 11)]
    by_graph = [file.fit(each) for each in pictures]
    monkeypatch.setattr("striate.ship.shipped.LARGE", 0)
    for picture, fitted in zip(pictures, by_graph, strict=True):
        assert np.array_equal(without.fit(picture), fitted)
    assert not without._sessions


def test_openvino_answers_the_same(shipped):
    from openvino import Core

    run, file = shipped
    core = Core()
    compiled = core.compile_model(core.read_model(file.content), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for count, height, width in ((1, 37, 21), (3, 20, 33)):
        pictures = np.stack([noise(number, height, width) for number in range(count)])
        found = compiled({"pictures": pictures})["probabilities"]
        assert np.abs(found - by_pytorch(run, pictures)).max() < 1e-4


def test_it_says_what_it_is(shipped):
    run, file = shipped
    about = file.about
    assert (about.name, about.classes, about.several) == (run.config["network"]["name"], run.classes, False)
    assert about.preprocess == run.preprocess
    assert about.run == stated_sum(run.folder / MODEL)
    assert about.fingerprint == run.config["data"]["fingerprint"]
    assert set(about.versions) >= {"striate", "torch", "onnx"}
    model = onnx.load_model_from_string(file.content)
    assert [entry.key for entry in model.metadata_props] == [KEY, SUM]
    shape = model.graph.input[0].type.tensor_type
    assert shape.elem_type == onnx.TensorProto.UINT8
    assert [each.dim_param or each.dim_value for each in shape.shape.dim] == ["batch", "height", "width", 3]


def test_response_normalisation_is_a_band_of_1x1(coloured, tmp_path):
    run = untrained(coloured, KINDS["inception"], tmp_path / "run")
    model = onnx.load_model_from_string(opened(run).content)
    weights = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    convolved = [weights[node.input[1]] for node in model.graph.node if node.op_type == "Conv"]
    bands = [kernel[:, :, 0, 0] for kernel in convolved if kernel.shape[2:] == (1, 1) and len(np.unique(kernel)) == 2]
    assert [band.shape for band in bands] == [(8, 8), (20, 20)]
    for band in bands:
        near = np.abs(np.subtract.outer(np.arange(len(band)), np.arange(len(band)))) <= 2
        assert ((band != 0) == near).all()


def test_an_ensemble_of_two_answers_their_mean(coloured, tmp_path):
    members = [untrained(coloured, KINDS[kind], tmp_path / kind) for kind in ("plain", "residual")]
    run = ensemble(members, output=tmp_path / "both")
    pictures = np.stack([noise(number, 30, 25) for number in range(3)])
    mean = np.mean([by_pytorch(member, pictures) for member in members], axis=0)
    assert np.allclose(opened(run)(pictures).probabilities, mean, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(zoo()))
def test_every_network_of_the_zoo(coloured, name, tmp_path):
    size = (227, 227) if name.startswith(LARGE) else (64, 64)
    run = untrained(coloured, name, tmp_path / "run", size)
    model = sealed(assembled(run))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    pictures = np.stack([noise(number, 70, 81) for number in range(2)])
    found = np.asarray(session.run(["probabilities"], {"pictures": pictures})[0])
    assert np.allclose(found, by_pytorch(run, pictures), atol=2e-3)
    assert not [node for node in onnx.load_model_from_string(model).graph.node if node.op_type == "BatchNormalization"]
