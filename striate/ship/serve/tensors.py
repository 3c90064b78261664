"""Requests of the Open Inference Protocol as its clients write them: JSON, and a binary tensor behind it."""

import base64
import binascii
import json
from math import prod
from typing import Any

import numpy as np

from striate.pictures.opened import SIDE_LIMIT
from striate.ship.about import PICTURES
from striate.ship.serve.limits import Limits
from striate.ship.serve.places import Place
from striate.ship.serve.reading import Read, read
from striate.ship.serve.refusal import Refusal
from striate.ship.serve.served import Served
from striate.show.names import listed, printable
from striate.show.numbers import show_size

HEADER = "inference-header-content-length"
NUMBERS = 400_000  # in JSON: reading them holds up everything else, and binary tensors need no reading
BESIDE = 1_000  # commas of what is no number


def parsed(content: bytes, header: str | None) -> tuple[dict[str, Any], bytes]:
    """The JSON of a request, and the binary rest.

    Parameters
    ----------
    content
        of the body
    header
        how long the JSON is, if something follows it
    """
    length = len(content)
    if header is not None:
        if not (header.isascii() and header.isdigit() and len(header) < 20 and int(header) <= length):
            raise Refusal(400, f"{HEADER} is a number of bytes of the body, which has {length:,}, but '{header[:50]}'")
        length = int(header)
    if content.count(b",", 0, length) > NUMBERS + BESIDE:
        raise Refusal(413, f"a request may hold {NUMBERS:,} numbers in JSON; binary tensors are not limited so")
    if sum(content.count(sign, 0, length) for sign in (b"[", b"{", b":")) > NUMBERS // 2:
        raise Refusal(413, f"a request may hold {NUMBERS // 2:,} lists and names in JSON; binary tensors need none")
    try:
        told = json.loads(content[:length])
    except json.JSONDecodeError as error:
        raise Refusal(400, f"the request must be JSON, but is not: {error}") from error
    except (ValueError, RecursionError) as error:  # which speak to programmers
        deep = isinstance(error, RecursionError)
        fault = "too many lists in each other" if deep else "signs or numbers that it cannot have"
        raise Refusal(400, f"the request must be JSON, but has {fault}") from error
    if not isinstance(told, dict):
        raise Refusal(400, "the request must be a JSON object with inputs")
    return told, content[length:]


def an_object(value: Any, what: str, *known: str) -> dict[str, Any]:
    """A value that must be an object, called so in the refusal; where names are known, it has no others."""
    if not isinstance(value, dict):
        raise Refusal(400, f"{what} must be a JSON object, but is {type(value).__name__}")
    if known and (others := value.keys() - {*known}):
        raise Refusal(400, f"{what} may have {', '.join(known)}, but not {printable(listed(sorted(others)), 100)}")
    return value


def a_list(value: Any, what: str) -> list[Any]:
    """A value that must be a list, likewise."""
    if not isinstance(value, list):
        there = "are missing" if value is None else f"is {printable(value, 50)}"
        raise Refusal(400, f"{what} must be a list, but {there}")
    return value


def inputs(told: dict[str, Any], rest: bytes, limits: Limits) -> list[bytes] | np.ndarray:
    """The one input of a request: files, or a tensor (batch, height, width, 3) of uint8.

    Parameters
    ----------
    told
        its JSON
    rest
        what follows it
    limits
        of pictures
    """
    given = a_list(told.get("inputs"), "inputs")
    if len(given) != 1:
        raise Refusal(400, f"there is one input, {PICTURES}, but {len(given)} are given")
    tensor = an_object(given[0], "an input")
    name, kind, shape = tensor.get("name"), tensor.get("datatype"), a_list(tensor.get("shape"), "an input's shape")
    if name != PICTURES:
        raise Refusal(400, f"the input is called {PICTURES}, but '{printable(name, 100)}' is given")
    if not all(type(side) is int and 0 < side < 2**31 for side in shape):
        raise Refusal(400, f"a shape is numbers above 0, but is {printable(shape, 100)}")
    # nor shared memory, which is not read
    parameters = an_object(tensor.get("parameters", {}), "an input's parameters", "binary_data_size", "content_type")
    size, data = parameters.get("binary_data_size"), tensor.get("data")
    if (size is None) == (data is None):
        raise Refusal(400, "an input has data, or binary_data_size and its bytes behind the JSON")
    if size is not None and size != len(rest):
        raise Refusal(400, f"{len(rest):,} bytes follow the JSON, but binary_data_size is {printable(size, 50)}")
    if size is None and rest:
        raise Refusal(400, f"{len(rest):,} bytes follow the JSON, but no input has binary_data_size")
    if shape and shape[0] > limits.pictures:
        raise Refusal(413, f"a request may hold {limits.pictures} pictures, but this one has {shape[0]}")
    if kind == "BYTES":
        return _files(shape, rest if data is None else a_list(data, "data"))
    if kind == "UINT8":
        return _pixels(shape, rest if data is None else data, limits)
    raise Refusal(
        400,
        f"{PICTURES} is UINT8 of shape (batch, height, width, 3), or BYTES of shape (batch) with files, "
        f"but '{printable(kind, 50)}' is given",
    )


def _files(shape: list[int], data: bytes | list[Any]) -> list[bytes]:
    """Files behind each other, each after its length; or in base64, since JSON holds text alone."""
    files: list[bytes] = []
    if len(shape) not in (1, 2):
        raise Refusal(400, f"the shape of files is [batch], but it is {printable(shape, 100)}")
    if isinstance(data, bytes):
        start = 0
        while start < len(data) and len(files) <= shape[0]:
            length = int.from_bytes(data[start : start + 4], "little")
            if start + 4 + length > len(data):
                raise Refusal(400, "an element of BYTES is its length in 4 bytes and as many bytes; these end early")
            files.append(data[start + 4 : start + 4 + length])
            start += 4 + length
    else:
        try:
            files = [base64.b64decode(text, validate=True) for text in data]
        except (binascii.Error, ValueError, TypeError) as error:
            raise Refusal(400, f"BYTES stand in JSON as base64, but: {error}") from error
    if shape not in ([len(files)], [len(files), 1]):
        raise Refusal(400, f"the shape of {len(files)} files is [{len(files)}], but it is {printable(shape, 100)}")
    return files


def _pixels(shape: list[int], data: Any, limits: Limits) -> np.ndarray:
    """A tensor (batch, height, width, 3) of uint8."""
    if len(shape) != 4 or shape[3] != 3:
        raise Refusal(400, f"the shape of UINT8 is [batch, height, width, 3], but it is {printable(shape, 100)}")
    if shape[1] * shape[2] > limits.pixels:
        raise Refusal(422, f"a picture may have {limits.pixels:,} pixels, but {shape[1] * shape[2]:,} are announced")
    if max(shape[1:3]) > SIDE_LIMIT:  # each size of a side has its own weights, and they are kept
        told = show_size((shape[1], shape[2]))
        raise Refusal(422, f"a picture may be {SIDE_LIMIT:,} pixels high and wide, but {told} is announced")
    if isinstance(data, bytes):
        flat = np.frombuffer(data, np.uint8)
    else:
        objects = np.array(data, object).ravel()  # else each text would take as much as the longest
        if not all(type(number) is int and 0 <= number <= 255 for number in objects):
            raise Refusal(400, "data of UINT8 are whole numbers from 0 to 255, in a list or in lists of one length")
        flat = objects.astype(np.uint8)
    if flat.size != prod(shape):
        raise Refusal(400, f"the shape {shape} holds {prod(shape):,} numbers, but {flat.size:,} are given")
    return flat.reshape(shape)


def fitted(given: list[bytes] | np.ndarray, model: Served, limits: Limits, place: Place) -> list[Read]:
    """What the network sees of the pictures in an input."""
    if isinstance(given, list):
        return read([(f"file {n}", content) for n, content in enumerate(given, 1)], model.beside, limits, place)
    seen = []
    for picture in given:
        if place.left:
            return []
        seen.append(Read("", model.beside.fit(picture), picture.shape[:2], ()))
    return seen
