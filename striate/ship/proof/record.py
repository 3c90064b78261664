"""What a certificate keeps so that its file can be checked again, later and elsewhere: the network's own answers."""

import base64
import hashlib
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST = 2**18  # probabilities that are kept: a certificate is a small file


@dataclass(frozen=True, eq=False)
class Record:
    """What the trained network said of pictures.

    Parameters
    ----------
    sums
        (n,) SHA-256 of what each picture's file holds
    probabilities
        (n, classes) of float32
    """

    sums: list[str]
    probabilities: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """As plain values; the probabilities as text that holds every bit."""
        packed = zlib.compress(np.ascontiguousarray(self.probabilities, "<f4").tobytes(), 9)
        return {
            "sums": self.sums,
            "classes": self.probabilities.shape[1],
            "probabilities": base64.b64encode(packed).decode("ascii"),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Record":
        """Back from `to_dict`.

        >>> kept = Record(["0f"], np.array([[0.25, 0.75]], np.float32))
        >>> Record.from_dict(kept.to_dict()).probabilities.tolist()
        [[0.25, 0.75]]
        """
        size = 4 * len(values["sums"]) * values["classes"]
        unpacked = zlib.decompressobj().decompress(base64.b64decode(values["probabilities"]), size)
        return cls(values["sums"], np.frombuffer(unpacked, "<f4").reshape(len(values["sums"]), values["classes"]))


def room(classes: int) -> int:
    """How many pictures fit.

    Parameters
    ----------
    classes
        that each has a probability of
    """
    return max(1, MOST // classes)


def content_sum(content: bytes | np.ndarray) -> str:
    """SHA-256 of a picture: of its file's bytes, or of its pixels with their size.

    Parameters
    ----------
    content
        as a data set's source gives it
    """
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha256(f"{content.shape}".encode() + np.ascontiguousarray(content).tobytes()).hexdigest()
