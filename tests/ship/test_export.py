"""`striate export`: what differs from the trained network is refused, and nothing is half there."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from made import encoded, photo
from sharpened import classes_in_another_order, copied, noise_of, one_mean_changed, put_in, there
from sharpened import sharp as sharp  # fixtures
from sharpened import sharp_model as sharp_model
from shipped_files import unsealed

from striate.errors import DataError, StriateError, WeightsError
from striate.ship.about import certificate_path
from striate.ship.checked import sealed
from striate.ship.export import export
from striate.ship.proof.certify import certify
from striate.ship.proof.record import content_sum
from striate.train.run import MODEL


def test_limits_can_be_set_and_an_earlier_file_stays(sharp, sharp_model, tmp_path, monkeypatch, inside):
    put_in(sharp, one_mean_changed(sharp_model, sharp), monkeypatch)
    output = tmp_path / "pets.onnx"
    found = export(sharp, data=noise_of(sharp), output=output, max_difference=1, min_agreement=0)
    assert not isinstance(found, str)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(StriateError, match="not written"):
        export(sharp, data=noise_of(sharp), output=output, max_difference=found.alone.largest * 0.99, min_agreement=0)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert export(
        sharp, data=noise_of(sharp), output=output, max_difference=found.alone.largest * 1.01, min_agreement=0
    )


def test_whole_numbers_are_judged_by_what_they_lose(coloured, coloured_file, tmp_path, monkeypatch, inside):
    asked = {}

    def quantised(model, run, *, apart):
        asked.update(apart=apart, run=run)
        return classes_in_another_order(model, run), ["made up"]

    put_in(coloured, unsealed(coloured_file.read_bytes()), monkeypatch)
    monkeypatch.setattr(importlib.import_module("striate.ship.int8.quantised"), "quantised", quantised)
    with pytest.raises(
        StriateError, match=r"what is lost of the accuracy is .* must be at most 0\.5 points"
    ) as refused:
        export(coloured, output=tmp_path / "pets.onnx", int8=True)
    assert "in probability" not in str(refused.value)
    assert there(tmp_path) == set()
    found = export(coloured, output=tmp_path / "pets.onnx", int8=True, max_drop=100)
    assert not isinstance(found, str)
    assert found.notes[-2] == "made up"
    assert found.alone.same < found.alone.pictures  # which is told, and no limit
    assert [each.holds for each in found.checks] == [None] * 4 + [True]
    assert "answers" in found.checks[1].what
    data = coloured.parts().val
    assert data
    assert asked["apart"] == {content_sum(data.source.read(int(row))) for row in data.rows}
    assert asked["run"] is coloured


def test_pictures_that_scales_were_found_by_are_in_no_certificate(sharp, sharp_model, tmp_path, monkeypatch, inside):
    module = importlib.import_module("striate.ship.int8.quantised")

    def quantised(model, run, *, apart):
        changed = copied(model)
        told = json.dumps({"seed": 0, "sums": [min(apart)]})
        changed.metadata_props.add(key=module.CALIBRATION, value=told)
        return changed, []

    put_in(sharp, sharp_model, monkeypatch)
    monkeypatch.setattr(module, "quantised", quantised)
    with pytest.raises(DataError, match="found by other pictures than a certificate shows"):
        export(sharp, data=noise_of(sharp), output=tmp_path / "pets.onnx", int8=True, max_drop=100)
    assert there(tmp_path) == set()


# ---- nothing is half there


@pytest.mark.slow
def test_a_kill_while_it_measures_leaves_nothing_and_nobody(coloured, tmp_path):
    words = [sys.executable, "-m", "striate", "export", str(coloured.folder), "-o", str(tmp_path / "pets.onnx")]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert any("timing both" in line for line in process.stderr)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        assert "Traceback" not in process.stderr.read()  # until the last of them let go of it
    assert process.returncode == -signal.SIGKILL
    assert len(children) == 2
    limit = time.monotonic() + 20
    while any(alive(child) for child in children):
        assert time.monotonic() < limit, "a side outlives who asks it"
        time.sleep(0.05)
    assert there(tmp_path) == set()


def alive(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_an_end_between_two_names_looks_certified_to_nobody(
    sharp,
    sharp_model,
    renames,
    tmp_path,
    monkeypatch,
    inside,
):
    put_in(sharp, sharp_model, monkeypatch)
    output = tmp_path / "pets.onnx"
    done = []
    real = Path.replace

    def replaced(self, target):
        if self.suffix == ".part" and len(done) == renames:
            raise KeyboardInterrupt
        done.append(target)
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replaced)
        with pytest.raises(KeyboardInterrupt):
            export(sharp, data=noise_of(sharp), output=output)
    assert not output.exists()
    # and over an earlier file: it is never taken for what the new certificate is about
    other = copied(sharp_model)
    other.doc_string = "an earlier one"
    output.write_bytes(sealed(other))
    if certificate_path(output).exists():
        with pytest.raises(WeightsError, match="certificate of another file"):
            certify(output, sharp.folder.parent.parent / "none")


def test_a_full_disk_leaves_nothing(sharp, sharp_model, tmp_path, monkeypatch, inside):
    put_in(sharp, sharp_model, monkeypatch)
    real = os.fsync
    written = []

    def full(number):
        written.append(number)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        real(number)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StriateError, match=r"pets\.onnx cannot be written: No space left on device"):
            export(sharp, data=noise_of(sharp), output=tmp_path / "pets.onnx")
    assert there(tmp_path) == set()


# ---- wrong input


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"output": "pets.pt"}, r"must end in \.onnx"),
        ({"output": "no/pets.onnx"}, "folder must exist"),
        ({"output": "."}, "is a folder"),
        ({"pictures": 0}, "a number of at least 1, but is 0"),
        ({"max_difference": -1}, "max-difference is a number from 0 to 1, but is -1"),
        ({"max_difference": float("nan")}, "max-difference is a number from 0 to 1"),
        ({"min_agreement": 100.1}, "min-agreement is a number from 0 to 100"),
        ({"min_agreement": 0.995}, "min-agreement is a number of percent, but is 0.995; 99.5 may be meant"),
        ({"int8": True, "max_drop": 101}, "max-drop is a number from 0 to 100"),
        ({"int8": True, "max_difference": 0.1}, "--max-difference means nothing with --int8"),
        ({"max_drop": 0.5}, "--max-drop means nothing with a file that is not --int8"),
        ({"to": "timm", "data": "digits", "pictures": 3}, "--data and --pictures mean nothing with --to timm"),
        ({"to": "hub", "on_bad": "skip"}, "--on-bad means nothing with --to hub"),
        ({"to": "tflite"}, "did you mean|known: onnx"),
        ({"data": "digits"}, "the classes must be those that the network learned"),
        ({"data": "nowhere"}, "nowhere"),
        ({"on_bad": "skip"}, "--on-bad means nothing with the pictures that the training held out"),
    ],
)
def test_mistakes_are_one_sentence(coloured, options, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_in(coloured, None, monkeypatch)  # type: ignore[arg-type]  # it is told before anything takes long
    with pytest.raises(StriateError, match=sentence):
        export(coloured, **{"output": "pets.onnx", **options, "output": Path(options.get("output", "pets.onnx"))})  # noqa: F601
    assert there(tmp_path) == set()


def test_a_run_without_weights_or_without_held_out_pictures(coloured, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(coloured.folder, bare)
    (bare / MODEL).unlink()
    with pytest.raises(WeightsError, match="has no weights yet"):
        export(bare, output=tmp_path / "pets.onnx")
    config = {**coloured.config, "data": {**coloured.config["data"], "pictures": {"train": 48, "val": 0, "test": 0}}}
    with pytest.raises(DataError, match="held none out; name some with --data"):
        export(replace(coloured, config=config), output=tmp_path / "pets.onnx")
    with pytest.raises(StriateError, match="a run is a folder"):
        export(tmp_path / "nothing", output=tmp_path / "pets.onnx")
    assert there(tmp_path) == {"bare"}


def test_pictures_that_cannot_be_read_are_told(sharp, sharp_model, tmp_path, monkeypatch, inside):
    put_in(sharp, sharp_model, monkeypatch)
    for name in sharp.classes:
        (tmp_path / "more" / name).mkdir(parents=True)
        (tmp_path / "more" / name / "fine.png").write_bytes(encoded(photo(5)))
    (tmp_path / "more" / sharp.classes[0] / "torn.png").write_bytes(encoded(photo(5))[:200])
    found = export(sharp, output=tmp_path / "pets.onnx", data=tmp_path / "more")
    assert not isinstance(found, str)
    assert found.alone.pictures == 3
    assert [f"{sharp.classes[0]}/torn.png" in reason for reason in found.data["left_out"]] == [True]
    assert any("1 picture left out, which cannot be read" in note for note in found.notes)
    for name in sharp.classes:
        (tmp_path / "more" / name / "fine.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="needs pictures that can be read"):
        export(sharp, output=tmp_path / "others.onnx", data=tmp_path / "more")


def test_an_end_of_a_side_is_told(coloured, coloured_file):
    from striate.ship.proof.sides import Picture, Side

    with Side("file", coloured_file.read_bytes()) as side:
        assert side.ask("answers", [Picture("a", photo(1))]).alone.shape == (1, 3)
        with pytest.raises(StriateError, match="a is not a picture"):
            side.ask("timed", [Picture("a", b"text")])
        with pytest.raises(RuntimeError, match="has no attribute 'nonsense'"):
            side.ask("nonsense")
        side.process.kill()
        side.process.wait()
        with pytest.raises(StriateError, match="asks the file was ended by SIGKILL"):
            side.ask("answers", [])


def test_it_computes_without_pytorch(coloured_file):
    code = f"""
import sys
from pathlib import Path
import numpy as np
from striate.ship.proof.by_file import ByFile
from striate.ship.proof.sides import Picture
file = ByFile(Path({str(coloured_file)!r}).read_bytes())
file.answers([Picture("a", np.zeros((9, 9, 3), np.uint8))], True)
print(sorted({{"torch", "openvino"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
