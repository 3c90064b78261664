"""A run whose answers change with every pixel, and graphs that answer otherwise, to be put in place of its own."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from untrained import noisy, untrained

from striate.ship.assembly import assembled
from striate.train.run import Run

THERE = {"pets.onnx", "pets.certificate.json", "pets.certificate.html"}


def there(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def sharp(coloured, tmp_path_factory) -> Run:
    """A run whose answers change with every pixel, and pictures of noise for its certificate."""
    folder = tmp_path_factory.mktemp("sharp")
    noisy(folder / "noise", coloured.classes)
    return untrained(coloured, "conv 3x3x8 same, relu, maxpool 2, fc 3", folder / "run")


@pytest.fixture(scope="module")
def sharp_model(sharp) -> onnx.ModelProto:
    return assembled(sharp)


def noise_of(run: Run) -> Path:
    return run.folder.parent / "noise"


def put_in(run: Run, model: onnx.ModelProto, monkeypatch) -> None:
    """What `export` finds in place of the run's graph."""
    monkeypatch.setattr(importlib.import_module("striate.ship.export"), "assembled", lambda _: model)


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[1:]  # the map
    return copy


def without_change(model: onnx.ModelProto, run: Run) -> onnx.ModelProto:
    return copied(model)


def swapped_channels(model: onnx.ModelProto, run: Run) -> onnx.ModelProto:
    changed = copied(model)
    nodes = changed.graph.node
    place = next(place for place, node in enumerate(nodes) if "pictures" in node.input and node.op_type == "Transpose")
    changed.graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0]), "backwards"))
    nodes[place].input[0] = "swapped"
    nodes.insert(place, helper.make_node("Gather", ["pictures", "backwards"], ["swapped"], axis=3))
    return changed


def crop_shifted_by_a_pixel(model: onnx.ModelProto, run: Run) -> onnx.ModelProto:
    changed = copied(model)
    nodes = changed.graph.node
    place = max(place for place, node in enumerate(nodes) if node.op_type == "Round")  # where the rows begin
    changed.graph.initializer.append(numpy_helper.from_array(np.array(1.0), "a_pixel"))
    start = nodes[place].output[0]
    nodes[place].output[0] = "start_before"
    nodes.insert(place + 1, helper.make_node("Add", ["start_before", "a_pixel"], [start]))
    return changed


def one_mean_changed(model: onnx.ModelProto, run: Run) -> onnx.ModelProto:
    changed = copied(model)
    shift = next(each for each in changed.graph.initializer if each.name.endswith("shift"))
    values = numpy_helper.to_array(shift).copy()
    values[1] += 0.02 / run.preprocess.std[1]  # the mean of green, 0.02 less
    shift.CopyFrom(numpy_helper.from_array(values, shift.name))
    return changed


def other_interpolation(model: onnx.ModelProto, run: Run) -> onnx.ModelProto:
    return assembled(replace(run, preprocess=replace(run.preprocess, interpolation="bicubic")))


def classes_in_another_order(model: onnx.ModelProto, run: Run) -> onnx.ModelProto:
    changed = copied(model)
    place = next(place for place, node in enumerate(changed.graph.node) if "probabilities" in node.output)
    changed.graph.initializer.append(numpy_helper.from_array(np.array([1, 2, 0]), "turned"))
    changed.graph.node[place].output[0] = "before"
    for node in changed.graph.node:  # such as those of the map
        node.input[:] = ["before" if name == "probabilities" else name for name in node.input]
    changed.graph.node.append(helper.make_node("Gather", ["before", "turned"], ["probabilities"], axis=1))
    return changed
