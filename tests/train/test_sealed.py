"""Sealed files: what is read is what was written, or a sentence."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from limits import longest_file
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from striate.errors import StriateError, WeightsError
from striate.train.keep.sealed import DTYPES, load_sealed, save_sealed


def tensors() -> dict[str, torch.Tensor]:
    shared = torch.arange(24.0)
    return {
        "step": torch.tensor(7),
        "none": torch.empty(0, 3),
        "mask": torch.tensor([True, False, True]),
        "half": torch.linspace(-1, 1, 5).bfloat16(),
        "last": torch.arange(48.0).reshape(2, 3, 4, 2).contiguous(memory_format=torch.channels_last),
        "turned": torch.arange(6, dtype=torch.float64).reshape(2, 3).T,
        "one": shared,
        "other": shared[3:9],
        "same": torch.ones(1).expand(4),
        "trained": torch.nn.Parameter(torch.tensor([[1.5]])),
        "größe": torch.tensor([float("nan"), -0.0, float("inf")]),
    }


ABOUT = {"network": "lenet5", "best": 0.1, "worst": float("-inf"), "names": ["Kätzchen", '"quoted"'], "none": None}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    def key(value: torch.Tensor):
        return value.dtype, value.shape, value.detach().contiguous().reshape(-1).view(torch.uint8).tolist()

    return one.keys() == other.keys() and all(key(one[name]) == key(other[name]) for name in one)


def test_what_is_read_is_what_was_written(tmp_path):
    path = tmp_path / "a.safetensors"
    total = save_sealed(path, tensors(), ABOUT)
    found, about = load_sealed(path)
    assert same(found, tensors())
    assert about == ABOUT
    assert all(value.is_contiguous() for value in found.values())
    assert same(load_file(path), tensors())  # the library's own reader
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0  # numbers lie where processors like them
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"sha256": total, "striate": json.dumps(ABOUT)}
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_the_sum_is_of_the_content_alone(tmp_path):
    turned = dict(reversed(tensors().items()))
    sums = [save_sealed(tmp_path / name, given, ABOUT) for name, given in (("a", tensors()), ("b", turned))]
    assert sums[0] == sums[1]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_tensors_are_a_file_too(tmp_path):
    save_sealed(tmp_path / "a.safetensors", {}, {})
    assert load_sealed(tmp_path / "a.safetensors") == ({}, {})


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=5).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(list(DTYPES)), st.lists(st.integers(0, 3), max_size=3)),
        max_size=5,
    ),
    st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.floats(allow_nan=False)),
)
@settings(max_examples=50)
def test_any_dtypes_and_shapes_come_back(tmp_path_factory, kinds, about):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    made = {name: torch.ones(shape).mul(3).to(dtype) for name, (dtype, shape) in kinds.items()}
    save_sealed(path, made, about)
    assert same(load_sealed(path)[0], made)
    assert same(load_file(path), made)
    assert load_sealed(path)[1] == about


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("sealed") / "whole.safetensors"
    save_sealed(path, tensors(), ABOUT)
    return path.read_bytes()


@given(at=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
@example(at=0.0, bits=1)
@example(at=0.999999, bits=128)
def test_any_flipped_byte_is_told(tmp_path_factory, content, at, bits):
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    place = int(at * len(content))
    path.write_bytes(content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :])
    with pytest.raises(
        WeightsError, match=r"flipped\.safetensors (is not a sound|must carry|must be those)|the bytes of"
    ):
        load_sealed(path)


def test_every_byte_of_a_small_file_is_guarded(tmp_path):
    path = tmp_path / "small.safetensors"
    save_sealed(path, {"a": torch.ones(2)}, {"x": 1})
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bits in (1, 32):  # 32 turns a hexadecimal letter into its capital
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bits]) + whole[place + 1 :])
            with pytest.raises(WeightsError):
                load_sealed(path)


@given(at=st.floats(0, 1, exclude_max=True))
@example(at=0.0)
def test_any_cut_is_told(tmp_path_factory, content, at):
    path = tmp_path_factory.getbasetemp() / "cut.safetensors"
    path.write_bytes(content[: int(at * len(content))])
    with pytest.raises(WeightsError, match=r"cut\.safetensors is not a sound safetensors file: "):
        load_sealed(path)


def test_bytes_behind_the_end_are_told(tmp_path, content):
    path = tmp_path / "long.safetensors"
    path.write_bytes(content + b"\0")
    with pytest.raises(WeightsError, match=r"data, but .* follow"):
        load_sealed(path)


def test_what_is_not_sealed_is_told(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(WeightsError, match=r"must be there, but .*a\.safetensors is not"):
        load_sealed(path)
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match="8 bytes that give its header's length, but has 0 in all"):
        load_sealed(path)
    save_file({"a": torch.ones(2)}, path, {"format": "pt"})
    with pytest.raises(WeightsError, match="must carry striate's seal, but has none"):
        load_sealed(path)
    torch.save({"a": torch.ones(2)}, path)
    with pytest.raises(WeightsError, match="zip archive"):
        load_sealed(path)
    with pytest.raises(WeightsError, match="cannot be read: Is a directory"):
        load_sealed(tmp_path)


def test_a_damaged_number_is_named_as_such(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(WeightsError, match=r"the bytes of .*a\.safetensors must be those that were written, but"):
        load_sealed(path)


def test_a_dtype_without_a_name_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(StriateError, match=r"float64, .*bool, but 'wave' is torch\.complex64"):
        save_sealed(tmp_path / "a.safetensors", {"wave": torch.ones(2, dtype=torch.complex64)}, {})
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.safetensors"
    save_sealed(path, {"a": torch.ones(3)}, {"step": 1})
    with longest_file(10_000), pytest.raises(StriateError, match=r"a\.safetensors cannot be written: File too large"):
        save_sealed(path, {"a": torch.ones(100_000)}, {"step": 2})
    assert load_sealed(path)[1] == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StriateError, match=r"taken/a\.safetensors cannot be written: Not a directory"):
        save_sealed(tmp_path / "taken" / "a.safetensors", {}, {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StriateError, match="cannot be written: Permission denied"):
        save_sealed(tmp_path / "a.safetensors", {}, {})


WRITER = """
import sys, torch
from pathlib import Path
from striate.train.keep.checkpoints import Checkpoints
states = Checkpoints(Path(sys.argv[1]))
for step in range(1, 100_000):
    states.save(step, {"a": torch.full((300_000,), float(step))}, {"step": step})
    print(step, flush=True)
"""


def test_a_killed_writer_leaves_the_last_state_whole(tmp_path):
    from striate.train.keep.checkpoints import Checkpoints

    last = 0
    for lines in (1, 5):
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            told = [int(process.stdout.readline()) for _ in range(lines)][-1]
            process.send_signal(signal.SIGKILL)
        found = Checkpoints(tmp_path).newest()
        assert found
        assert (found.step >= told, found.notes, found.about) == (True, [], {"step": found.step})
        assert bool((found.tensors["a"] == found.step).all())
        last = max(last, found.step)
    assert last >= 5
    Checkpoints(tmp_path).save(last, {}, {})
    assert not list(Path(tmp_path).glob(".*"))
