"""What is known about published weights: where they come from, what they expect, and the order of their tensors.

`records.json` has an entry per file of weights, and each publisher's own file has, per network, the publisher's names
of its tensors in striate's order. Both are written by `bench/published.py`, which runs each publisher's network and
ours side by side.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from striate.errors import UnknownName
from striate.preprocess import Preprocess

FOLDER = Path(__file__).parent
PUBLISHERS = ("torchvision", "timm", "bvlc")
NORM = ("weight", "bias", "running_mean", "running_var")  # the tensors of a batch normalisation, beside a counter


@dataclass(frozen=True)
class Published:
    """One file of published weights.

    Parameters
    ----------
    network
        the network of the zoo that it fits
    publisher
        torchvision, timm or bvlc
    name
        what the publisher calls it; a Hugging Face name can be given as `weights`
    source
        where the file is
    file
        what the file is called there
    licence
        as the publisher states it; None where nothing is stated
    preprocess
        how a picture becomes the input that it was trained on
    top1
        per cent of ImageNet's validation pictures named right with this preprocess, as the publisher claims, if so
    settings
        what the tensors' shapes do not show and the answers depend on
    """

    network: str
    publisher: str
    name: str
    source: str
    file: str
    licence: str | None
    preprocess: Preprocess
    top1: float | None
    settings: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """The tensors of a publisher's network, in the order of striate's.

    Parameters
    ----------
    publisher, network
        whose, and of which network of the zoo
    model
        what the publisher calls the network
    options
        variants of the network, such as auxiliary heads
    settings
        what to set on striate's network so that it answers as the publisher's does
    skipped
        beginnings of names that the publisher's files hold and this network has no use for
    tensors
        the publisher's names; each with the shape behind its first axis where that differs from ours
    """

    publisher: str
    network: str
    model: str
    options: dict[str, object]
    settings: dict[str, float]
    skipped: tuple[str, ...]
    tensors: dict[str, tuple[int, ...] | None]

    def holds(self, names: set[str]) -> bool:
        """Whether a file with these names holds this network and nothing unknown."""
        return {name for name in names if not name.startswith(self.skipped)} == set(self.tensors)


def published(network: str | None = None) -> list[Published]:
    """The published weights that fit a network of the zoo, or all.

    Parameters
    ----------
    network
        a name of the zoo

    >>> [record.name for record in published("mobilenet_v2")]
    ['mobilenet_v2 IMAGENET1K_V1', 'mobilenet_v2 IMAGENET1K_V2', 'timm/mobilenetv2_100.ra_in1k']
    """
    if network is not None:
        from striate.nets.zoo import zoo

        if network not in (known := zoo()):
            raise UnknownName("network", network, known)
    return [record for record in records() if network in (None, record.network)]


@cache
def records() -> tuple[Published, ...]:
    rows = json.loads((FOLDER / "records.json").read_text(encoding="utf-8"))
    return tuple(Published(**{**row, "preprocess": Preprocess.from_dict(row["preprocess"])}) for row in rows)


@cache
def layouts() -> tuple[Layout, ...]:
    """Every layout, torchvision's first."""
    tables = {p: json.loads((FOLDER / f"{p}.json").read_text(encoding="utf-8")) for p in PUBLISHERS}
    return tuple(
        Layout(
            publisher,
            row["network"],
            row["model"],
            row.get("options", {}),
            row.get("settings", {}),
            tuple(row.get("skipped", ())),
            # timm has kept many of torchvision's names; they are stored once
            unpacked(row["modules"] if "modules" in row else tables[row["same_as"]][key]["modules"]),
        )
        for publisher, table in tables.items()
        for key, row in table.items()
    )


def unpacked(modules: list[str]) -> dict[str, tuple[int, ...] | None]:
    """Names from lines such as 'bn1 norm', 'fc weight bias', 'mlp.fc1 weight:96 bias' (where ours is ×96×1×1).

    >>> unpacked(["mlp.fc1 weight:96 bias"])
    {'mlp.fc1.weight': (96,), 'mlp.fc1.bias': None}
    """
    tensors: dict[str, tuple[int, ...] | None] = {}
    for line in modules:
        path, *kinds = line.split(" ")
        for kind in NORM if kinds == ["norm"] else kinds:
            name, _, rest = kind.partition(":")
            tensors[f"{path}.{name}"] = tuple(int(side) for side in rest.split("x")) if rest else None
    return tensors
