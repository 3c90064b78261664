"""A model repository for Triton: its configuration in Triton's own schema, held against the file that it is of."""

import re
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import text_format

from striate.errors import StriateError
from striate.ship.others.triton import MARK, check_triton, config, model_name, write_triton
from striate.ship.shipped import open_shipped


@pytest.fixture(scope="module")
def schema():
    """Triton's messages, as its client ships them; the package that they are in would want gRPC."""
    client = PathFinder.find_spec("tritonclient", sys.path)
    assert client and client.submodule_search_locations
    path = Path(client.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"
    loader = SourceFileLoader("model_config_pb2", str(path))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def written(file: Path, folder: Path, name: str = "pets") -> list[str]:
    shipped = open_shipped(file)
    check_triton(folder, Path(f"{name}.onnx"))
    return write_triton(shipped.content, shipped.classes, folder, name)


@pytest.mark.parametrize("which", ["coloured_file", "gray_file"])
def test_the_configuration_fits_the_schema_and_the_file(request, schema, tmp_path, which):
    file = request.getfixturevalue(which)
    told = written(file, tmp_path / "models", "pets_2")
    folder = tmp_path / "models" / "pets_2"
    assert "pets_2" in told[0]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {"1/model.onnx", "config.pbtxt", "labels.txt"}
    assert (folder / "1" / "model.onnx").read_bytes() == file.read_bytes()
    model = text_format.Parse((folder / "config.pbtxt").read_text(), schema.ModelConfig())
    assert (model.name, model.backend) == (folder.name, "onnxruntime")
    assert model.HasField("dynamic_batching")
    assert [(group.kind, group.count) for group in model.instance_group] == [(schema.ModelInstanceGroup.KIND_CPU, 1)]
    assert (folder / model.output[0].label_filename).read_text().splitlines() == list(open_shipped(file).classes)

    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
    types = {"tensor(uint8)": schema.TYPE_UINT8, "tensor(float)": schema.TYPE_FP32}
    for ours, theirs in ((model.input, session.get_inputs()), (model.output, session.get_outputs())):
        assert [tensor.name for tensor in ours] == [tensor.name for tensor in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert one.data_type == types[other.type]
            assert list(one.dims) == [side if isinstance(side, int) else -1 for side in other.shape[1:]]
            assert isinstance(other.shape[0], str)  # so that Triton may make batches
    pictures = np.zeros((model.max_batch_size, 9, 11, 3), np.uint8)
    for output, answer in zip(model.output, session.run(None, {model.input[0].name: pictures}), strict=True):
        assert list(answer.shape) == [model.max_batch_size, *output.dims]


def test_a_file_for_batches_of_one_length_is_refused(coloured_file):
    model = onnx.load(coloured_file)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(StriateError, match="batches of any length, but pictures has batches of 1"):
        config(model, "pets")


def test_other_models_stay_and_only_striate_s_are_replaced(coloured_file, gray_file, tmp_path):
    written(coloured_file, tmp_path, "one")
    written(coloured_file, tmp_path, "two")
    written(gray_file, tmp_path, "one")
    assert (tmp_path / "one" / "1" / "model.onnx").read_bytes() == gray_file.read_bytes()
    assert (tmp_path / "two" / "1" / "model.onnx").read_bytes() == coloured_file.read_bytes()
    other = tmp_path / "two" / "config.pbtxt"
    other.write_text(other.read_text().removeprefix(MARK))
    (tmp_path / "one" / "2").mkdir()
    for name in ("one", "two"):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(StriateError, match=f"{name} holds other files"):
            written(coloured_file, tmp_path, name)
        assert sorted(tmp_path.rglob("*")) == before


def test_wrong_places_are_refused_and_nothing_is_left(coloured_file, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(StriateError, match=r"--triton is a folder of models, but .*file is a file"):
        written(coloured_file, tmp_path / "file")
    with pytest.raises(StriateError, match=r"--triton is a folder in one that exists, but .*no does not"):
        written(coloured_file, tmp_path / "no" / "models")
    with pytest.raises(StriateError, match=r"a folder of models alone, but .* has file"):
        written(coloured_file, tmp_path)
    with pytest.raises(StriateError, match=r"pets\.onnx lies in it; --output beside it would fit"):
        check_triton(tmp_path, tmp_path / "pets.onnx")

    for name in ("My pets (2)", "花"):
        told = f"gives '{re.escape(name)}'; --output {model_name(name)}.onnx would fit"
        with pytest.raises(StriateError, match=told):
            check_triton(tmp_path / "models", Path(f"{name}.onnx"))
    with monkeypatch.context() as patch:
        patch.setattr("striate.ship.others.triton.os.access", lambda *_: False)
        with pytest.raises(StriateError, match=r"--triton is a folder that can be written, but .* cannot"):
            check_triton(tmp_path / "models", Path("pets.onnx"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("striate.ship.others.triton.write_text", full)
    with pytest.raises(StriateError, match="No space left on device"):
        written(coloured_file, tmp_path / "models")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
