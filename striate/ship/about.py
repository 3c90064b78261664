"""What a shipped file says of itself, and what its tensors are called: enough to open one without PyTorch."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from striate.preprocess import Preprocess
from striate.show.table import json_text

PICTURES = "pictures"  # the name of the input
FITTED = "fitted"  # of what the network sees, still as bytes
PROBABILITIES, MAP = "probabilities", "map"  # of the outputs
FORMAT = 1  # of what the metadata say
KEY = "striate"  # under which they stand in the file


@dataclass(frozen=True)
class About:
    """What a file says of itself.

    Parameters
    ----------
    name
        of the network
    classes
        names, in the order of the probabilities
    several
        whether a picture may have several labels: then each class has a probability of its own
    preprocess
        what the graph does to a picture first
    licence
        of the weights that the training began with, as their publisher states it; "" where nothing is known
    run
        SHA-256 of the run's weights
    fingerprint
        of the data that it learned from
    numbers
        what it computes with: float32 or int8
    versions
        of what made it
    format
        of these entries
    """

    name: str
    classes: tuple[str, ...]
    several: bool
    preprocess: Preprocess
    licence: str
    run: str
    fingerprint: str
    numbers: str = "float32"
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def to_json(self) -> str:
        """As it stands in the file."""
        return json_text(asdict(self))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "About":
        """Back from JSON."""
        plain = {
            **values,
            "classes": tuple(values["classes"]),
            "preprocess": Preprocess.from_dict(values["preprocess"]),
        }
        return cls(**plain)


def certificate_path(file: Path) -> Path:
    """Where the certificate of a file lies.

    Parameters
    ----------
    file
        such as pets.onnx
    """
    return file.with_suffix(".certificate.json")
