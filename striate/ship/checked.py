"""What a shipped file must be before it is run: as it was written, of ONNX's own operators, nothing kept elsewhere."""

import json
from hashlib import sha256
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from striate.errors import WeightsError
from striate.ship.about import FORMAT, KEY, MAP, PICTURES, PROBABILITIES, About
from striate.show.names import printable

WHAT_WORKS = "a file of `striate export`, ending in .onnx"
OWN_DOMAINS = ("", "ai.onnx")  # of ONNX itself
SUM = "striate.sha256"  # the last entry of a file's metadata: the sum of all bytes before it


def sealed(model: onnx.ModelProto) -> bytes:
    """A model as the bytes of a file that shows each later change of itself.

    Parameters
    ----------
    model
        with its metadata
    """
    content = model.SerializeToString()
    return content + _seal(content)


def _seal(content: bytes | memoryview) -> bytes:
    """One more entry of the metadata; in ONNX's encoding, what is appended to a model is added to its lists."""
    model = onnx.ModelProto()
    model.metadata_props.add(key=SUM, value=sha256(content).hexdigest())
    return model.SerializeToString()


def check(content: bytes, name: str) -> About:
    """What a file says of itself, if it is whole, keeps nothing elsewhere, and needs no operator that is not ONNX's.

    Parameters
    ----------
    content
        its bytes
    name
        how messages call it
    """
    if not content:
        raise WeightsError(f"{name} must be {WHAT_WORKS}, but is empty: it has 0 bytes")
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise WeightsError(
            f"{name} must be a whole ONNX file, {WHAT_WORKS}, but is cut short or none; "
            ".pt2, .pth and .safetensors hold weights for other programs"
        ) from error
    entries = {entry.key: entry.value for entry in model.metadata_props}
    if (told := entries.get(KEY)) is None:
        raise WeightsError(
            f"{name} must be a file of `striate export`, ending in .onnx, which says in its metadata what its answers "
            "mean, but has none"
        )
    end = len(content) - len(_seal(b""))
    if content[end:] != _seal(memoryview(content)[:end]):
        why = "its SHA-256 is not the one that stands in it: it was damaged, cut short or changed"
        if SUM not in entries:
            why = "no SHA-256 stands at its end: it was cut short or changed, or is of another version"
        raise WeightsError(f"{name} must be as `striate export` wrote it, but {why}; copy or export it anew")
    try:
        values = json.loads(told)
        if values.get("format") != FORMAT:
            raise WeightsError(
                f"this version of striate opens files of format {FORMAT}, but {name} is of {values.get('format')!r}"
            )
        about = About.from_dict(values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"the metadata of {name} are not as `striate export` writes them: {error!r}") from error
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in _nodes(model) if node.domain not in OWN_DOMAINS})
    if foreign or model.functions:
        what = ", ".join(foreign) or "functions of its own"
        raise WeightsError(f"{name} must need nothing but ONNX's own operators, but has {what}")
    if outside := [tensor.name for tensor in _tensors(model) if tensor.data_location == onnx.TensorProto.EXTERNAL]:
        raise WeightsError(
            f"{name} must hold all of its weights, but keeps {printable(outside[0])} in another file: "
            "such a file is not opened, since it could name any"
        )
    if any(_sparse(graph) for graph in _graphs(model.graph)):  # nothing else looks where their numbers are kept
        raise WeightsError(f"{name} must hold plain weights, as `striate export` writes them, but has sparse ones")
    inputs, outputs = ([value.name for value in side] for side in (model.graph.input, model.graph.output))
    if inputs != [PICTURES] or outputs not in ([PROBABILITIES], [PROBABILITIES, MAP]):
        raise WeightsError(f"{name} must go from {PICTURES} to {PROBABILITIES}, but goes from {inputs} to {outputs}")
    answers = model.graph.output[0].type.tensor_type.shape.dim
    if [side.dim_value for side in answers][1:] != [len(about.classes)]:
        raise WeightsError(
            f"{name} must give a probability for each of the {len(about.classes)} classes that it names, but gives "
            f"{[side.dim_value for side in answers][1:]}"
        )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise WeightsError(f"{name} is not a sound ONNX model: {str(error).splitlines()[0]}") from error
    return about


def _graphs(graph: Any) -> Any:
    """A graph and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                yield from _graphs(inner)


def _sparse(graph: onnx.GraphProto) -> bool:
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    return bool(graph.sparse_initializer) or any(
        attribute.HasField("sparse_tensor") or attribute.sparse_tensors for attribute in attributes
    )


def _nodes(model: onnx.ModelProto) -> Any:
    return (node for graph in _graphs(model.graph) for node in graph.node)


def _tensors(model: onnx.ModelProto) -> Any:
    """All constants, wherever they stand."""
    for graph in _graphs(model.graph):
        yield from graph.initializer
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
