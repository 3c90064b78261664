"""A shipped file, opened: what it says of itself, and its answers by ONNX Runtime.

The graph is one, but is run in two halves that meet in a tensor of bytes: pictures of many sizes are fitted one by one,
and what the network sees of them, which is of one size, is answered in batches.
"""

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
from PIL import Image

from striate.errors import PictureError, StriateError, WeightsError
from striate.processors import processors
from striate.ship.about import FITTED, PICTURES, About
from striate.ship.checked import WHAT_WORKS, check
from striate.show.names import printable

Part = Literal["whole", "front", "rest"]  # of the graph; what is fitted lies between the last two
LARGE = 2_000_000  # pixels


class Answers(NamedTuple):
    """What a file says of pictures.

    Parameters
    ----------
    probabilities
        (n, classes) of float32
    maps
        (n, rows, columns) of float32: what each position says for the likeliest class, whose mean is its logit
        less its bias; None without a closed form
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
        """What the network sees of a picture (height, width, 3): (channels, rows, columns) of uint8.

        A large one does without the graph, whose engine would take several times as much memory, and keep it.
        """
        if picture.shape[0] * picture.shape[1] <= LARGE:
            return np.asarray(self._session("front").run(None, {PICTURES: picture[None]})[0])[0]
        preprocess = self.about.preprocess
        if preprocess.channels == "L":
            picture = np.asarray(Image.fromarray(picture).convert("L"))[:, :, None]
        return preprocess.pixels(picture).transpose(2, 0, 1)

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
    if threads is not None and threads < 1:
        raise StriateError(f"answers take at least 1 thread, but threads is {threads}")
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
