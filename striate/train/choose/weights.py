"""Weights to begin with: a file, a name on Hugging Face, an earlier run, or what is published for the network."""

from pathlib import Path
from typing import NamedTuple

import torch

from striate.errors import StriateError, WeightsError
from striate.nets.build import net as build
from striate.nets.net import Net
from striate.nets.published import published
from striate.nets.zoo import find
from striate.show.numbers import show_size
from striate.train.run import is_run, open_run


class Begun(NamedTuple):
    """A network that has learned before.

    Parameters
    ----------
    network
        with a new head for the new classes
    source
        where its weights are from
    """

    network: Net
    source: str


def begun(
    text: str | None, size: tuple[int, int, int] | None, weights: str | Path, classes: tuple[str, ...], seed: int
) -> Begun:
    """A network with weights that were learned before, and a new head.

    Parameters
    ----------
    text
        the network's name or text; a run or a published file says it, too
    size
        of its input, if it is not the weights' own
    weights
        a file, a Hugging Face name, a run's folder, or auto for what is published for the network
    classes
        the names of the new ones
    seed
        of the new head
    """
    source = str(weights)
    if is_run(weights):
        network = _of_run(Path(weights), text, size)
    else:
        if source == "auto":
            source = _known(text)
        if text is None:
            raise StriateError(f"weights are those of a network: give --net beside --weights {source}")
        try:
            network = build(text, input=size, weights=source)
        except WeightsError as mistake:
            if weights != "auto":
                raise
            raise WeightsError(f"{mistake}; --weights none trains from scratch") from mistake
    other = network.with_head(len(classes), seed)
    other.classes = classes
    return Begun(other, source)


def has_published(text: str) -> bool:
    """Whether weights are known for a network's name."""
    entry = find(text)
    return entry is not None and bool(published(entry.name))


def _of_run(folder: Path, text: str | None, size: tuple[int, int, int] | None) -> Net:
    run = open_run(folder)
    network = run.net()
    if text is not None and text not in (network.name, network.notation):
        raise StriateError(f"{folder} is a run of {network.name}, but --net is {text}; leave --net out")
    if size and network.input and size != network.input:
        have, want = show_size(network.input), show_size(size)
        raise StriateError(f"{folder} is a run of a network for {have}, but --size asks for {want}; leave --size out")
    return network


def _known(text: str | None) -> str:
    """The published weights of a network that are nearest at hand."""
    entry = find(text) if text else None
    records = published(entry.name) if entry else []
    if not records:
        raise StriateError(
            f"no weights are known for {text or 'a network of which no name is given'}: `striate nets` has names; "
            "--weights FILE begins with yours, --weights none from scratch"
        )
    here = Path(torch.hub.get_dir()) / "checkpoints"
    for record in records:
        if (here / record.file).is_file() and not record.name.count("/"):
            return str(here / record.file)
    for record in records:
        if record.name.count("/") == 1:
            return record.name
    record = records[0]
    raise WeightsError(
        f"the weights {record.name} are not on this machine: fetch {record.source} by hand and give the file as "
        f"--weights (PyTorch's own place for it is {here / record.file}), or train from scratch with --weights none"
    )


def fingerprint(network: Net) -> str:
    """A sum of a network's weights, by which one knows them again."""
    from hashlib import sha256

    total = sha256()
    for name, tensor in sorted(network.state_dict().items()):
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
