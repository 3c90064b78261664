"""Files that cannot be trusted: refused in one sentence, and nothing that they hold is run."""

import json
import os
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small import refused, small_state


def safetensors_bytes(header: bytes | dict, data: bytes = b"", length: int | None = None) -> bytes:
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


LIES = {
    "empty": (b"", "8 bytes"),
    "cut in its first bytes": (b"\x10\x00\x00", "8 bytes"),
    "a header beyond the file": (safetensors_bytes({"a": entry()}, bytes(8), length=5000), "claims 5,000 bytes"),
    "a header of absurd length": (safetensors_bytes({}, length=2**60), "claims 1,152,921,504,606,846,976 bytes"),
    "a text": (b"These are no weights, and that is a fact.", "header"),
    "no JSON": (safetensors_bytes(b"{not json at all}"), "JSON"),
    "a list": (safetensors_bytes(b"[1, 2, 3]"), "JSON"),
    "no tensors": (safetensors_bytes({}), "no tensors"),
    "overlapping": (
        safetensors_bytes({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)),
        "at byte 8, but begins at 4",
    ),
    "behind the end": (
        safetensors_bytes({"a": entry(shape=(200,), offsets=(0, 800))}, bytes(8)),
        "ends at byte 800, but 8 bytes",
    ),
    "another dtype": (safetensors_bytes({"a": entry(dtype="F64")}, bytes(8)), "a dtype and shape that do not make"),
    "an unknown dtype": (safetensors_bytes({"a": entry(dtype="F33")}, bytes(8)), "a dtype that does not exist"),
    "a shape too large": (safetensors_bytes({"a": entry(shape=(2**40, 2**40))}, bytes(8)), "shape"),
    "data behind the last tensor": (
        safetensors_bytes({"a": entry()}, bytes(9)),
        "tells of 8 bytes of data, but 9 follow",
    ),
    "offsets missing": (safetensors_bytes({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)), "but does not"),
    "cut off": (safetensors_bytes({"a": entry()}, bytes(5)), "cut off"),
    "a zip": (b"PK\x03\x04" + bytes(200), "rename it to .pth"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_safetensors_file_is_refused_in_words(tmp_path, lie):
    content, told = LIES[lie]
    (tmp_path / "lie.safetensors").write_bytes(content)
    message = refused(weights=tmp_path / "lie.safetensors")
    assert told in message
    assert "Error" not in message and "Invalid" not in message


def test_cut_at_any_byte_is_refused(tmp_path):
    file = tmp_path / "cut.safetensors"
    save_file(small_state(), file)
    whole = file.read_bytes()
    for length in range(0, len(whole), 97):
        file.write_bytes(whole[:length])
        assert "not a sound safetensors file" in refused(weights=file)


class Payload:
    """Unpickled, it would make a file."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("suffix", ["pth", "bin"])
def test_a_pickle_that_carries_code_runs_nothing(tmp_path, suffix, old_format):
    target, file = tmp_path / "ran", tmp_path / f"evil.{suffix}"
    torch.save({"a": Payload(target)}, file, _use_new_zipfile_serialization=not old_format)
    message = refused(weights=file)
    assert "mkdir" in message and "nothing was run" in message
    assert not target.exists()


def test_a_whole_module_is_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    assert "torch.nn.modules.linear.Linear" in refused(weights=tmp_path / "module.pth")


@pytest.mark.parametrize("content", [b"", b"hello, I am a text", b"PK\x03\x04 and then nothing", b"\x80\x02}q\x00."])
def test_what_torch_save_did_not_write_is_refused(tmp_path, content):
    (tmp_path / "text.pth").write_bytes(content)
    refused(weights=tmp_path / "text.pth")


def test_a_cut_pth_is_refused(tmp_path):
    torch.save(small_state(), file := tmp_path / "cut.pth")
    whole = file.read_bytes()
    for length in range(1, len(whole), len(whole) // 20):
        file.write_bytes(whole[:length])
        refused(weights=file)


@pytest.mark.parametrize("content", [[1, 2], {}, {"a": 3}, {1: torch.zeros(2)}, torch.zeros(3)])
def test_what_is_no_dictionary_of_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "odd.pth")
    assert "dictionary of tensors by name" in refused(weights=tmp_path / "odd.pth")


def test_no_file_a_directory_and_another_suffix(tmp_path):
    assert "is a directory" in refused(weights=tmp_path)
    assert "there is no file" in refused(weights=tmp_path / "nowhere.pth")
    assert "did you mean timm/resnet18.a1_in1k?" in refused("resnet18", weights="resnet18.a1_in1")
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in refused(
        "resnet18", weights=tmp_path / "resnet18-f37072fd.pth"
    )
    (tmp_path / "weights.onnx").write_bytes(b"x")
    assert ".safetensors" in refused(weights=tmp_path / "weights.onnx")


@pytest.mark.parametrize(
    ("value", "given"), [("", "''"), (True, "True"), (False, "False"), (3, "3"), ({"a": torch.zeros(3)}, "a dict")]
)
def test_weights_are_a_file_or_a_name(value, given):
    message = refused(weights=value)
    assert "a file or a Hugging Face name" in message
    assert f"but {given} is given" in message
