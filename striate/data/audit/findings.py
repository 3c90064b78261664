"""Findings: what they are made of, and how they are put in words."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from striate.data.audit.duplicates import Copies
from striate.data.audit.examine import Facts
from striate.data.dataset import Dataset
from striate.preprocess import Preprocess
from striate.show.names import printable

Severity = Literal["serious", "look", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "look", "note")


@dataclass(frozen=True)
class Exhibit:
    """A picture that a finding shows.

    Parameters
    ----------
    name
        how people call it
    place
        in the data; None where it was left out at opening
    split, label
        where it belongs; "" where that is unknown
    detail
        what is to be seen
    """

    name: str
    place: int | None = None
    split: str = ""
    label: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Parameters
    ----------
    kind
        one word or a few, the same for every data set
    severity
        serious, worth a look, or a note
    sentence
        what it is
    suggestion
        what to do about it
    groups
        the pictures, those that belong together in one group
    """

    kind: str
    severity: Severity
    sentence: str
    suggestion: str = ""
    groups: tuple[tuple[Exhibit, ...], ...] = ()


class Seen(NamedTuple):
    """What was found out of the pictures: their facts, which are copies, and the share that a crop leaves of each."""

    data: Dataset
    facts: list[Facts]
    copies: Copies
    kept: np.ndarray
    preprocess: Preprocess


def label_names(data: Dataset, place: int) -> list[str]:
    """The names of a picture's classes."""
    labels = np.flatnonzero(data.labels[place]) if data.several else [data.labels[place]]
    return [data.classes[label] for label in labels]


def exhibit(data: Dataset, place: int, detail: str = "") -> Exhibit:
    """A picture of the data, to be shown."""
    label = ", ".join(map(printable, label_names(data, place))) or "no label"
    return Exhibit(data.names[place], int(place), str(data.splits[place]), label, detail)


def copy_groups(components: np.ndarray) -> list[np.ndarray]:
    """The places of each set of copies, of those that have any."""
    order = np.argsort(components, kind="stable")
    sets = np.split(order, np.flatnonzero(np.diff(components[order])) + 1)
    return sorted((places for places in sets if len(places) > 1), key=lambda places: places[0])


def agree(data: Dataset, places: np.ndarray) -> bool:
    """Whether pictures have the same labels."""
    return bool((data.labels[places] == data.labels[places[0]]).all())
