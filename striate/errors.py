"""What can go wrong, as one tree.

    StriateError                 everything that striate raises on purpose; the command line prints it and exits with 2
    ├── UnknownName              a network, kernel, layer or option that does not exist; names the nearest ones
    ├── GeometryError            a window, stride or size that leaves no output; states the formula with its numbers
    │   └── ShapeError           the same inside a network that was run: the shapes up to the layer that failed
    ├── NotationError            a text that is not a network; says where
    ├── WeightsError             weights that do not fit, or a file that cannot be trusted
    ├── PictureError             a picture that cannot be read
    ├── DataError                pictures with labels that cannot be opened, or cannot be trusted
    └── Unwritten                work that was done, but not written; has its result

A message states the rule, the value received and what would work.
"""

from collections.abc import Iterable
from typing import Any, get_args


class StriateError(Exception):
    """The root of the tree."""


class UnknownName(StriateError):
    """A name that is not in a list of known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        from difflib import get_close_matches  # an error may take its time; a start may not

        known = list(known)
        longer = [other for other in known if name and other.startswith(name)]
        near = list(dict.fromkeys(longer + get_close_matches(name, known, n=3, cutoff=0.5)))[:3]
        more = f", … ({len(known)} in all)" if len(known) > 12 else ""
        offer = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known[:12])}{more}"
        super().__init__(f"no {kind} is called '{name}'; {offer}")


def one_of(kind: str, value: str, choices: Any) -> Any:
    """A value, if it is one of a Literal's."""
    if value not in get_args(choices):
        raise UnknownName(kind, str(value), get_args(choices))
    return value


class GeometryError(StriateError):
    """Sizes that leave no output."""


class ShapeError(GeometryError):
    """A network whose layers do not fit each other or its input."""


class NotationError(StriateError):
    """A text that does not describe a network."""


class WeightsError(StriateError):
    """Weights that do not fit, or that cannot be trusted."""


class PictureError(StriateError):
    """A picture that cannot be read."""


class DataError(StriateError):
    """Pictures with labels that cannot be opened, or that cannot be trusted."""


class Unwritten(StriateError):
    """Work that was done, but of which a file could not be written: `result` is what the work found."""

    def __init__(self, message: str, result: Any):
        super().__init__(message)
        self.result = result
