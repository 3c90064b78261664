"""A folder that NVIDIA Triton serves, and KServe by it: for who outgrows one machine."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import onnx

from striate.errors import StriateError
from striate.files import check_folder, whole_folder, write_text, write_whole, writing
from striate.ship.about import PROBABILITIES
from striate.show.names import listed, printable

# how a configuration of striate's begins
MARK = "# written by striate export; delete this line after editing, then it is not written over\n"
FILES = {"1", "1/model.onnx", "config.pbtxt", "labels.txt"}  # of a model; 1 is its version
TYPES: dict[int, str] = {onnx.TensorProto.UINT8: "TYPE_UINT8", onnx.TensorProto.FLOAT: "TYPE_FP32"}
MOST = 32  # pictures that are answered at once


def write_triton(content: bytes, classes: Sequence[str], folder: Path, name: str) -> list[str]:
    """Write an exported file into a model repository of Triton, which was checked; gives what there is to tell.

    Parameters
    ----------
    content
        the file
    classes
        their names, in order
    folder
        the repository: it may hold other models, and is made where it is not there
    name
        of the model
    """
    text = config(onnx.load_model_from_string(content), name)
    new = not folder.exists()
    with writing(folder):
        folder.mkdir(exist_ok=True)
    try:
        with whole_folder(folder / name, _own) as part:
            (part / "1").mkdir()
            write_whole(part / "1" / "model.onnx", lambda file: file.write(content))
            write_text(part / "labels.txt", "".join(f"{printable(label)}\n" for label in classes))
            write_text(part / "config.pbtxt", text)
    except BaseException:
        if new:
            folder.rmdir()
        raise
    return [
        f"{printable(folder)} is for Triton (--model-repository), which serves it as {name}, and for KServe "
        "(an InferenceService with model format triton, protocol v2 and a copy of the folder as storageUri)"
    ]


def check_triton(folder: Path, output: Path) -> None:
    """Say what is wrong with a model repository before anything is computed.

    Parameters
    ----------
    folder
        the repository
    output
        the exported file, which gives the model its name
    """
    if (fits := model_name(output.stem)) != output.stem:
        raise StriateError(
            f"Triton's name of a model has the signs A to Z, a to z, 0 to 9, _ and -, but --output gives "
            f"'{printable(output.stem)}'; --output {fits}.onnx would fit"
        )
    if output.parent.resolve() == folder.resolve():
        raise StriateError(
            f"--triton is a folder of models alone, but {printable(output)} lies in it; --output beside it would fit"
        )
    if folder.exists() and not folder.is_dir():
        raise StriateError(f"--triton is a folder of models, but {printable(folder)} is a file")
    if not folder.parent.is_dir():
        raise StriateError(f"--triton is a folder in one that exists, but {printable(folder.parent)} does not")
    if not os.access(into := folder if folder.exists() else folder.parent, os.W_OK):
        raise StriateError(f"--triton is a folder that can be written, but {printable(into)} cannot")
    if folder.exists():
        if others := [path.name for path in folder.iterdir() if not path.is_dir()]:
            raise StriateError(f"--triton is a folder of models alone, but {printable(folder)} has {listed(others)}")
        check_folder(folder / output.stem, _own)


def model_name(text: str) -> str:
    """A name that folders and addresses can have, the same one where it is such already.

    Parameters
    ----------
    text
        any name

    >>> model_name("My pets (2)")
    'My-pets-2'
    """
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-") or "model"


def config(model: onnx.ModelProto, name: str) -> str:
    """What Triton has to know of a model, in its own form.

    Parameters
    ----------
    model
        whose first axes are batches
    name
        as which it is served
    """
    inputs, outputs = (
        "\n".join(_tensor(kind, value) for value in values)
        for kind, values in (("input", model.graph.input), ("output", model.graph.output))
    )
    # of requests that wait, Triton makes batches where their pictures are of one size
    return f"""{MARK}# what certifies it was computed on a processor: KIND_GPU may differ in the last digits
name: "{name}"
backend: "onnxruntime"
max_batch_size: {MOST}
{inputs}
{outputs}
dynamic_batching {{ }}
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
"""


def _tensor(kind: str, value: onnx.ValueInfoProto) -> str:
    """An input or output; Triton takes its first axis for granted."""
    type = value.type.tensor_type
    batch, *sides = type.shape.dim
    if not batch.dim_param:
        raise StriateError(f"Triton takes batches of any length, but {value.name} has batches of {batch.dim_value}")
    dims = ", ".join(str(-1 if side.dim_param else side.dim_value) for side in sides)
    labels = ' label_filename: "labels.txt"' if value.name == PROBABILITIES else ""
    return f'{kind} [ {{ name: "{value.name}" data_type: {TYPES[type.elem_type]} dims: [ {dims} ]{labels} }} ]'


def _own(folder: Path) -> bool:
    """Whether a folder holds a model that was written here, and nothing else."""
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    return there <= FILES and (folder / "config.pbtxt").is_file() and _begins(folder / "config.pbtxt")


def _begins(path: Path) -> bool:
    return path.read_text(encoding="utf-8", errors="replace").startswith(MARK)
