"""A file that answers otherwise than the trained network is refused, however little it differs."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from sharpened import (
    THERE,
    classes_in_another_order,
    copied,
    crop_shifted_by_a_pixel,
    noise_of,
    one_mean_changed,
    other_interpolation,
    put_in,
    swapped_channels,
    there,
    without_change,
)
from sharpened import sharp as sharp  # fixtures
from sharpened import sharp_model as sharp_model

from striate.cli import main
from striate.errors import StriateError, WeightsError
from striate.ship.export import export

SABOTAGES = [
    swapped_channels,
    crop_shifted_by_a_pixel,
    one_mean_changed,
    other_interpolation,
    classes_in_another_order,
]


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_file_that_answers_otherwise_is_refused(sharp, sharp_model, sabotage, tmp_path, monkeypatch, capsys, inside):
    model = sabotage(sharp_model, sharp)
    onnx.checker.check_model(model, full_check=True)  # it is a sound file, but another
    put_in(sharp, model, monkeypatch)
    with pytest.raises(SystemExit) as stop:
        main(["export", str(sharp.folder), "-o", str(tmp_path / "pets.onnx"), "--data", str(noise_of(sharp))])
    told = capsys.readouterr()
    assert stop.value.code == 2
    assert "pets.onnx is not written, since the largest difference in probability is " in told.err
    assert "must be at most 0.005" in told.err
    assert not told.out
    assert there(tmp_path) == set()


def test_the_same_file_without_a_change_is_written(sharp, sharp_model, tmp_path, monkeypatch, inside):
    put_in(sharp, without_change(sharp_model, sharp), monkeypatch)
    assert export(sharp, data=noise_of(sharp), output=tmp_path / "pets.onnx", max_difference=1e-4)
    assert there(tmp_path) == THERE


def test_what_only_batches_do_otherwise_is_refused_as_well(sharp, sharp_model, tmp_path, monkeypatch, inside):
    changed = copied(sharp_model)
    nodes = changed.graph.node
    place = next(place for place, node in enumerate(nodes) if "fitted" in node.input)
    changed.graph.initializer.append(numpy_helper.from_array(np.array([0]), "batch_axis"))
    nodes[place].input[0] = "brightest"  # of all pictures of a batch, in each place
    nodes.insert(place, helper.make_node("Max", ["fitted", "others"], ["brightest"]))
    nodes.insert(place, helper.make_node("ReduceMax", ["fitted", "batch_axis"], ["others"], keepdims=1))
    put_in(sharp, changed, monkeypatch)
    with pytest.raises(StriateError, match="in batches is") as refused:
        export(sharp, data=noise_of(sharp), output=tmp_path / "pets.onnx")
    assert "in probability is" not in str(refused.value)  # each alone is as it should be
    nodes[place + 1].op_type = "Identity"
    del nodes[place + 1].input[0]  # one answer for all
    with pytest.raises(WeightsError, match=r"one for each picture and class, 12×3 here, but .* gives 1×3"):
        export(sharp, data=noise_of(sharp), output=tmp_path / "pets.onnx")
    assert there(tmp_path) == set()


# ---- whole numbers of 8 bits
