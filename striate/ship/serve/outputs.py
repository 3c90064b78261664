"""Answers of the Open Inference Protocol: which outputs are wanted, and how; in JSON, or binary behind it."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from fastapi import Response

from striate.ship.about import MAP, PROBABILITIES
from striate.ship.serve.crew import Answer
from striate.ship.serve.refusal import Refusal
from striate.ship.serve.served import Served
from striate.ship.serve.tensors import HEADER, a_list, an_object
from striate.show.names import printable

VERSION = "1"  # of each model: a file has no other
LONGEST_ID = 256  # signs of what a request may be called


class Output(NamedTuple):
    """How an output is wanted.

    Parameters
    ----------
    binary
        behind the JSON
    classes
        how many of the likeliest are named instead of all probabilities; 0 names none
    """

    binary: bool
    classes: int


class Wanted(NamedTuple):
    """What a request wants.

    Parameters
    ----------
    id
        that its client gave it
    outputs
        by name
    """

    id: str | None
    outputs: dict[str, Output]


def wanted(told: dict[str, Any], model: Served) -> Wanted:
    """What a request wants of a model.

    Parameters
    ----------
    told
        the request's JSON
    model
        that is asked
    """
    an_object(told, "a request", "id", "inputs", "outputs", "parameters", "model_name")  # as KServe's client says again
    if (named := told.get("model_name", model.name)) != model.name:
        raise Refusal(400, f"the address names '{model.name}', but model_name is {printable(named, 100)}")
    known = [PROBABILITIES, MAP] if model.has_map else [PROBABILITIES]
    binary = _flag(an_object(told.get("parameters", {}), "parameters", "binary_data_output"), "binary_data_output")
    outputs: dict[str, Output] = {}
    asked = told.get("outputs")
    for given in a_list([{"name": name} for name in known] if asked is None else asked, "outputs"):
        output = an_object(given, "an output", "name", "parameters")
        name, how = output.get("name"), output.get("parameters", {})
        how = an_object(how, "an output's parameters", "binary_data", "classification")
        if name not in known:
            raise Refusal(
                400, f"'{model.name}' has the outputs {', '.join(known)}, but '{printable(name, 100)}' is asked"
            )
        classes = how.get("classification", 0)
        if not (type(classes) is int and 0 <= classes < 2**31) or (classes and name != PROBABILITIES):
            what = f"for {name} {printable(classes, 50)} is given"
            raise Refusal(400, f"classification is how many classes {PROBABILITIES} names, but {what}")
        outputs[name] = Output(_flag(how, "binary_data", binary), classes)
    id = told.get("id")
    if id is not None and not (isinstance(id, str) and len(id) <= LONGEST_ID):
        raise Refusal(400, f"a request's id is a text of up to {LONGEST_ID} signs, but {printable(id, 50)} is given")
    return Wanted(id, outputs)


def _flag(parameters: dict[str, Any], name: str, usual: bool = False) -> bool:
    value = parameters.get(name, usual)
    if not isinstance(value, bool):
        raise Refusal(400, f"{name} is true or false, but {printable(value, 50)} is given")
    return value


def response(model: Served, asked: Wanted, answers: list[Answer]) -> Response:
    """The outputs that were asked for, in JSON or behind it."""
    outputs, rest = [], []
    for name, (binary, classes) in asked.outputs.items():
        values = np.stack([answer.probabilities if name == PROBABILITIES else answer.map for answer in answers])  # type: ignore[misc]
        texts: list[str] = []
        output: dict[str, Any] = {"name": name, "datatype": "FP32", "shape": list(values.shape)}
        if classes:
            named = [classified(row, model.beside.classes, classes) for row in values]
            texts = [text for row in named for text in row]
            output |= {"datatype": "BYTES", "shape": [len(named), len(named[0])]}
        if binary:
            raw = _in_binary(texts) if classes else values.astype("<f4").tobytes()
            rest.append(raw)
            output["parameters"] = {"binary_data_size": len(raw)}
        else:
            output["data"] = texts or values.ravel().tolist()
        outputs.append(output)
    told = {"model_name": model.name, "model_version": VERSION, "outputs": outputs}
    if asked.id is not None:
        told["id"] = asked.id
    head = json.dumps(told).encode()
    if not rest:
        return Response(head, media_type="application/json")
    return Response(b"".join([head, *rest]), headers={HEADER: str(len(head))}, media_type="application/octet-stream")


def _in_binary(texts: list[str]) -> bytes:
    """Each after its length; names of folders that are no text are the bytes that they were."""
    elements = [text.encode("utf-8", "surrogateescape") for text in texts]
    return b"".join(len(element).to_bytes(4, "little") + element for element in elements)


def classified(probabilities: np.ndarray, classes: Sequence[str], most: int) -> list[str]:
    """The likeliest classes, as the protocol's classification writes them: probability, place and name.

    >>> classified(np.float32([0.25, 0.75]), ["cat", "dog"], 5)
    ['0.750000:1:dog', '0.250000:0:cat']
    """
    order, values = (-probabilities).argsort(kind="stable")[:most].tolist(), probabilities.tolist()
    return [f"{values[place]:f}:{place}:{classes[place]}" for place in order]
