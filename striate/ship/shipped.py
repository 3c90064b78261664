"""A shipped file, opened: what it says of itself, and its answers by ONNX Runtime.

The graph is one, but is run in two halves that meet in a tensor of bytes: pictures of many sizes are fitted one by one,
and what the network sees of them, which is of one size, is answered in batches.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from striate.errors import PictureError, WeightsError
from striate.processors import processors
from striate.ship.about import FITTED, FORMAT, KEY, MAP, PICTURES, PROBABILITIES, About
from striate.show.names import printable

WHAT_WORKS = "a file of `striate export`, ending in .onnx"
Part = Literal["whole", "front", "rest"]  # of the graph; what is fitted lies between the last two
OWN_DOMAINS = ("", "ai.onnx")  # of ONNX itself


class Answers(NamedTuple):
    """What a file says of pictures.

    Parameters
    ----------
    probabilities
        (n, classes) of float32
    maps
        (n, rows, columns) of float32: what each position adds to the likeliest class; None without a closed form
    """

    probabilities: np.ndarray
    maps: np.ndarray | None


@dataclass(frozen=True, eq=False, repr=False)
class Shipped:
    """An exported file; several threads may ask it at once.

    Parameters
    ----------
    path
        where it was read from
    about
        what it says of itself
    content
        its bytes
    threads
        that answer one batch; None is one per processor
    """

    path: Path
    about: About
    content: bytes
    threads: int | None = None
    _sessions: dict[Part, Any] = field(default_factory=dict, init=False)
    _making: Lock = field(default_factory=Lock, init=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the order of the probabilities."""
        return self.about.classes

    @cached_property
    def sum(self) -> str:
        """SHA-256 of the file."""
        return sha256(self.content).hexdigest()

    def __call__(self, pictures: np.ndarray) -> Answers:
        """Pictures of one size, (n, height, width, 3) of uint8, through the whole graph at once."""
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3 or not pictures.size:
            raise PictureError(
                "pictures are uint8 of shape (n, height, width, 3), but these are "
                f"{pictures.dtype} of shape {pictures.shape}"
            )
        return self._answers("whole", {PICTURES: pictures})

    def fit(self, picture: np.ndarray) -> np.ndarray:
        """What the network sees of a picture (height, width, 3): (channels, rows, columns) of uint8."""
        return np.asarray(self._session("front").run(None, {PICTURES: picture[None]})[0])[0]

    def answers(self, fitted: np.ndarray) -> Answers:
        """Answers to what `fit` gave, (n, channels, rows, columns)."""
        return self._answers("rest", {FITTED: fitted})

    def _answers(self, part: Part, given: dict[str, np.ndarray]) -> Answers:
        probabilities, *maps = (np.asarray(output) for output in self._session(part).run(None, given))
        return Answers(numbers(probabilities, self.path), maps[0] if maps else None)

    def _session(self, part: Part) -> Any:
        """The engine of the graph, or of a part of it; made at the first call, once for all threads."""
        with self._making:
            if part not in self._sessions:
                # pictures are fitted side by side, by threads of who asks
                self._sessions[part] = session(self._model(part), 1 if part == "front" else self.threads)
        return self._sessions[part]

    def _model(self, part: Part) -> bytes:
        from onnx.utils import Extractor

        if part == "whole":
            return self.content
        model = onnx.load_model_from_string(self.content)
        outputs = [FITTED] if part == "front" else [output.name for output in model.graph.output]
        return Extractor(model).extract_model([PICTURES if part == "front" else FITTED], outputs).SerializeToString()

    def __repr__(self) -> str:
        return f"<Shipped {printable(self.path)}: {self.about.name}, {len(self.classes)} classes>"


def numbers(probabilities: np.ndarray, path: Path) -> np.ndarray:
    """Probabilities, if all are numbers.

    Parameters
    ----------
    probabilities
        any
    path
        of the run or file that gave them
    """
    if not np.isfinite(probabilities).all():
        raise WeightsError(
            f"probabilities are numbers, but those of {printable(path)} are {probabilities.min()}: its training "
            "diverged, or its weights are damaged"
        )
    return probabilities


def session(model: bytes, threads: int | None) -> Any:
    """A model in ONNX Runtime on the processor.

    Parameters
    ----------
    model
        its bytes
    threads
        for one call; None is one per processor
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # errors, which are raised as well; no remarks
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or processors()
    # a plan of the memory would be kept for each size of pictures; without any, answers take as long
    options.enable_mem_pattern = False
    # threads wait for each other in a loop, which is fast; but not beyond a call, when others need the processors
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def open_shipped(path: str | Path, threads: int | None = None) -> Shipped:
    """Open a file that `striate export` wrote.

    Parameters
    ----------
    path
        ends in .onnx
    threads
        that answer one batch; None is one per processor
    """
    path = Path(path)
    if path.is_dir():
        raise WeightsError(
            f"what is opened here must be {WHAT_WORKS}, but {printable(path)} is a folder; of a run's, "
            f"`striate export {printable(path)} -o pets.onnx` makes one"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{printable(path)} cannot be read: {error.strerror or error}") from error
    return Shipped(path, check(content, printable(path)), content, threads)


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
    told = {entry.key: entry.value for entry in model.metadata_props}.get(KEY)
    if told is None:
        raise WeightsError(
            f"{name} must be a file of `striate export`, ending in .onnx, which says in its metadata what its answers "
            "mean, but has none"
        )
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
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") or attribute.graphs else ():
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
