"""Whole numbers of 8 bits: close to the floats they come from, and only where they are harmless."""

import tarfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from made import encoded, photo
from onnx import numpy_helper
from onnx.utils import Extractor

from striate.errors import DataError, WeightsError
from striate.ship.about import FITTED, PICTURES
from striate.ship.assembly import assembled
from striate.ship.checked import check, sealed
from striate.ship.int8.quantised import LEAST, Calibration, quantised
from striate.ship.proof.record import content_sum
from striate.ship.shipped import Shipped
from striate.train.run import Run
from striate.train.train import train

# what networks are made of: local response normalisation, branches, a residual block with a depthwise convolution
NET = (
    "conv 3x3x16 same, relu, lrn 5, maxpool 2, "
    "[conv 1x1x16, relu | conv 3x3x32 same, relu | maxpool 3 s1 p1, conv 1x1x16, relu], "
    "(depthwise 3x3 p1 nobias, bn, relu6, conv 1x1x64 nobias, bn)+, conv 3x3x96 same, relu, globalpool, fc 3"
)


@pytest.fixture(scope="module")
def blocks(coloured: Run, tmp_path_factory) -> tuple[Run, onnx.ModelProto]:
    """A run with all kinds of blocks, and its float file."""
    where, output = coloured.config["data"]["where"], tmp_path_factory.mktemp("blocks") / "run"
    run = train(where, NET, size="16x16", epochs=4, batch_size=8, lr=0.03, quiet=True, output=output)
    assert run
    return run, assembled(run)


@pytest.fixture(scope="module")
def narrow(blocks) -> tuple[onnx.ModelProto, list[str]]:
    """The same in whole numbers."""
    run, model = blocks
    return quantised(model, run, pictures=24)


def shipped(model: onnx.ModelProto) -> Shipped:
    content = sealed(model)
    return Shipped(Path("made.onnx"), check(content, "made.onnx"), content)


def shown() -> np.ndarray:
    """New pictures, (48, 16, 16, 3)."""
    return np.stack([photo(5000 + number, 16, 16) for number in range(48)])


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def makers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in model.graph.node for name in node.output}


def test_it_answers_like_the_floats_in_a_quarter_of_their_bytes(blocks, narrow):
    floats, whole = (shipped(model) for model in (blocks[1], narrow[0]))
    assert (floats.about.numbers, whole.about.numbers) == ("float32", "int8")
    assert replace(whole.about, numbers="float32") == floats.about
    parts = blocks[0].parts()
    assert parts.val
    pictures = [part.picture(place).pixels for part in (parts.train, parts.val) for place in range(len(part))]
    fitted = np.stack([floats.fit(picture) for picture in pictures])
    assert np.array_equal(fitted, np.stack([whole.fit(picture) for picture in pictures]))
    one, other = floats.answers(fitted), whole.answers(fitted)
    assert (one.probabilities.argmax(1) == other.probabilities.argmax(1)).mean() >= 0.95
    assert 0 < np.abs(one.probabilities - other.probabilities).max() < 0.05
    assert one.maps is not None
    assert other.maps is not None
    assert np.abs(one.maps - other.maps).max() < 0.1 * np.abs(one.maps).max()
    before, after = (
        sum(each.nbytes for name, each in constants(model).items() if "fitting" not in name and "band" not in name)
        for model in (blocks[1], narrow[0])
    )
    assert after < 0.3 * before


def test_any_number_of_pictures_of_any_size(narrow):
    whole = shipped(narrow[0])
    for count, height, width in ((1, 16, 16), (5, 31, 77)):
        pictures = np.stack([photo(number, height, width) for number in range(count)])
        together = whole(pictures).probabilities
        fitted = np.stack([whole.fit(picture) for picture in pictures])
        apart = np.concatenate([whole.answers(each[None]).probabilities for each in fitted])
        assert np.abs(together - apart).max() < 1e-3


def test_openvino_answers_alike(narrow):
    from openvino import Core

    core = Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(narrow[0].SerializeToString()), "CPU", settings)
    theirs = compiled({PICTURES: shown()})[0]
    assert np.abs(theirs - shipped(narrow[0])(shown()).probabilities).max() < 0.02


def test_no_sum_on_the_way_is_cut_off(narrow):
    """With VNNI none ever is; `test_all_other_layers_compute_in_whole_numbers` holds the weights to it anywhere."""
    # one that adds in 16 bits, as processors without instructions for 8 bits make it do, answers like one in floats
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    slow = onnxruntime.InferenceSession(narrow[0].SerializeToString(), settings, providers=["CPUExecutionProvider"])
    exact = np.asarray(slow.run(["probabilities"], {PICTURES: shown()})[0])
    assert np.abs(exact - shipped(narrow[0])(shown()).probabilities).max() < 1e-3


def test_fitting_and_normalisation_stay_as_they_were(blocks, narrow):
    parts = [Extractor(model).extract_model([PICTURES], [FITTED]) for model in (blocks[1], narrow[0])]
    plain, kept = ({node.output[0]: node.SerializeToString() for node in part.graph.node} for part in parts)
    assert plain == kept
    first, second = (constants(part) for part in parts)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)

    (band,) = [name for name in constants(narrow[0]) if name.endswith("band")]
    assert np.array_equal(constants(narrow[0])[band], constants(blocks[1])[band])
    made = makers(narrow[0])
    (norm,) = [node for node in narrow[0].graph.node if node.op_type == "Conv" and node.input[1] == band]
    square = made[norm.input[0]]
    assert square.op_type == "Mul"
    readers = [node.op_type for node in narrow[0].graph.node if norm.output[0] in node.input]
    assert readers
    assert "QuantizeLinear" not in readers
    assert made[made["probabilities"].input[0]].op_type == "Gemm"
    assert made["probabilities"].op_type == "Softmax"


def test_all_other_layers_compute_in_whole_numbers(blocks, narrow):
    made, known, floats = makers(narrow[0]), constants(narrow[0]), constants(blocks[1])
    before = {node.output[0]: node for node in blocks[1].graph.node}
    layers = [node for node in narrow[0].graph.node if node.op_type in ("Conv", "Gemm")]
    whole = [node for node in layers if not node.input[1].endswith("band")]
    assert len(whole) == len(layers) - 1 == 8
    for node in whole:
        activation, weight, bias = (made[name] for name in node.input)
        assert {activation.op_type, weight.op_type, bias.op_type} == {"DequantizeLinear"}
        assert made[activation.input[0]].op_type == "QuantizeLinear"
        assert known[activation.input[2]].dtype == np.uint8
        stored, steps = (known[name] for name in weight.input[:2])
        assert stored.dtype == np.int8
        # each output has a step of its own: its two largest weights of one sign, with 255 each, fill 16 bits
        exact = floats[before[node.output[0]].input[1]]
        each = steps.reshape(-1, *[1] * (exact.ndim - 1))
        assert len(steps) == len(exact)
        assert (np.abs(stored * each - exact) < 1.0001 * each).all()
        rows = stored.reshape(len(stored), -1).astype(int)
        largest = [max(sum(sorted(sign * row)[-2:]) for sign in (1, -1)) for row in rows]
        assert min(largest) >= 124
        assert 255 * max(largest) < 2**15
        assert known[bias.input[0]].dtype == np.int32
        exact_bias = floats[before[node.output[0]].input[2]]
        numbers, steps = (known[name] for name in bias.input[:2])
        assert (np.abs(numbers * steps.astype(float) - exact_bias) <= 0.5001 * steps).all()
    joined = [node for node in narrow[0].graph.node if node.op_type == "Concat" and "fitting" not in node.name]
    for node in joined:  # branches have one scale, so that joining them is no arithmetic
        assert len({known[made[name].input[1]].item() for name in node.input}) == 1


def test_the_same_file_twice(blocks, narrow):
    again, _ = quantised(blocks[1], blocks[0], pictures=24)
    assert again.SerializeToString() == narrow[0].SerializeToString()


def test_a_convolution_may_be_the_last_layer(coloured, tmp_path):
    net = "conv 3x3x16 same, relu, maxpool 2, globalpool, conv 1x1x3, flatten"
    where, output = coloured.config["data"]["where"], tmp_path / "run"
    run = train(where, net, size="16x16", epochs=4, batch_size=8, lr=0.03, quiet=True, output=output)
    assert run
    model = assembled(run)
    one, other = (shipped(each) for each in (model, quantised(model, run, pictures=24)[0]))
    learned = run.parts().train
    fitted = np.stack([one.fit(learned.picture(place).pixels) for place in range(len(learned))])
    floats, whole = one.answers(fitted), other.answers(fitted)
    assert np.abs(floats.probabilities - whole.probabilities).max() < 0.01
    assert floats.maps is not None
    assert whole.maps is not None
    assert np.abs(floats.maps - whole.maps).max() < 0.05 * np.abs(floats.maps).max()


def test_nobody_is_told_where_the_pictures_lie(blocks, narrow):
    where = blocks[0].config["data"]["where"]
    assert where.encode() not in narrow[0].SerializeToString()


def test_it_is_calibrated_by_what_was_learned_from_and_by_nothing_that_is_kept_apart(blocks, narrow):
    run, model = blocks
    learned = run.parts().train
    label = {
        content_sum(learned.source.read(int(row))): int(which)
        for row, which in zip(learned.rows, learned.labels, strict=True)
    }
    told = Calibration.of(narrow[0])
    assert told is not None
    assert Calibration.of(model) is None
    assert len(set(told.sums)) == 24
    assert set(told.sums) <= label.keys()
    assert np.bincount([label[each] for each in told.sums]).tolist() == [8, 8, 8]
    apart = told.sums[:5]
    other, notes = quantised(model, run, apart=apart, pictures=24)
    kept = Calibration.of(other)
    assert kept is not None
    assert len(kept.sums) == 24
    assert not set(kept.sums) & set(apart)
    assert "24 pictures" in notes[1]


def moved(run: Run, where: Path, **data) -> Run:
    """A run that learned from elsewhere."""
    return replace(run, config={**run.config, "data": {**run.config["data"], "where": str(where), **data}})


def test_pictures_that_cannot_be_read_are_told_or_too_many(blocks, tmp_path):
    run, model = blocks
    for place, name in enumerate(run.classes):
        for split in ("train", "val"):
            (tmp_path / split / name).mkdir(parents=True)
        (tmp_path / "val" / name / "9.png").write_bytes(encoded(photo(90 + place)))
        for number in range(4):
            content = encoded(photo(10 * place + number))
            (tmp_path / "train" / name / f"{number}.png").write_bytes(content if number else content[:200])
    made, notes = quantised(model, moved(run, tmp_path))
    assert len(Calibration.of(made).sums) == 9  # type: ignore[union-attr]
    assert "3 pictures could not be read" in notes[1]
    assert any("has changed since the training" in note for note in notes)
    for number in (1, 2):
        path = tmp_path / "train" / run.classes[0] / f"{number}.png"
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=f"by {LEAST} pictures or more .* has 7; 5 pictures could not be read: "):
        quantised(model, moved(run, tmp_path))


def test_a_stream_gives_its_first(blocks, tmp_path):
    run, model = blocks
    contents = [encoded(photo(number)) for number in range(20)]
    with tarfile.open(tmp_path / "0.tar", "w") as shard:
        for number, content in enumerate(contents):
            for ending, held in (("png", content), ("cls", str(number % 3).encode())):
                head = tarfile.TarInfo(f"{number:02}.{ending}")
                head.size = len(held)
                shard.addfile(head, BytesIO(held))
    (tmp_path / "classes.txt").write_text("\n".join(run.classes))
    made, _ = quantised(model, moved(run, tmp_path / "0.tar", stream=True), pictures=10)
    assert Calibration.of(made).sums == tuple(map(content_sum, contents[:10]))  # type: ignore[union-attr]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e38])
def test_what_diverged_is_refused(blocks, narrow, wrong):
    run, model = blocks
    diverged = onnx.ModelProto.FromString(model.SerializeToString())
    weights = next(each for each in diverged.graph.initializer if len(each.dims) == 4)
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(wrong), weights.name))
    with pytest.raises(WeightsError, match="its training diverged, or its weights are damaged"):
        quantised(diverged, run, pictures=8)


def test_too_little_to_go_by_is_refused(blocks, narrow):
    run, model = blocks
    with pytest.raises(DataError, match=f"by {LEAST} pictures or more, but 3 was given"):
        quantised(model, run, pictures=3)
    learned = run.parts().train
    every = {content_sum(learned.source.read(int(row))) for row in learned.rows}
    with pytest.raises(DataError, match=r"its certificate does not show, but .* has 0$"):
        quantised(model, run, apart=every)
    with pytest.raises(WeightsError, match="made of float32, but the model has int8 already"):
        quantised(narrow[0], run, pictures=24)
