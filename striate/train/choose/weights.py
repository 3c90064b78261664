"""Weights to begin with: a file, a Hugging Face name, an earlier run, or what is published for the network."""

from pathlib import Path
from typing import NamedTuple

import torch

from striate.errors import StriateError, WeightsError
from striate.nets.adapting import adapted
from striate.nets.net import Net
from striate.nets.placing import own_tensors
from striate.nets.published import layouts, published
from striate.nets.weight_files import open_weights
from striate.nets.weights import find_record, net_with_weights
from striate.nets.zoo import find, plain, zoo
from striate.show.names import printable
from striate.show.numbers import count, show_size
from striate.train.choose.fetching import HUB_NAME, brought, by_file, place_of
from striate.train.ensemble import open_trained
from striate.train.run import is_run


class Begun(NamedTuple):
    """A network that has learned before.

    Parameters
    ----------
    network
        with a new head for the new classes
    source
        where its weights are from
    how
        its input was adapted, in two words and in a sentence, where that was asked for
    """

    network: Net
    source: str
    how: tuple[str, str] | None = None


def begun(
    text: str | None,
    size: tuple[int, int, int] | None,
    weights: str | Path,
    classes: tuple[str, ...],
    seed: int,
    channels: int | None = None,
) -> Begun:
    """A network with weights that were learned before, and a new head.

    Parameters
    ----------
    text
        the network's name or text; a run or a published file says it, too
    size
        of its input, if it is not the weights' own
    weights
        a file, also by the name under which it is published, a Hugging Face name, a run's folder, or auto for what is
        published for the network
    classes
        the names of the new ones
    seed
        of the new head
    channels
        to which the first layer is adapted; None refuses weights for others than the input's
    """
    source = str(weights)
    if is_run(weights):
        network = _of_run(Path(weights), text, size, channels)
    else:
        if source == "auto":
            source = _known(text)
        try:
            text = text or network_of(source)
            file = _file(source)
            asked = show_size(size) if size else None
            network = net_with_weights(text, file, asked, None, seed, {}, own_channels=channels is not None)
        except WeightsError as mistake:
            if weights != "auto":
                raise
            raise WeightsError(f"{mistake}; --weights none trains from scratch") from mistake
    how = None
    if channels is not None:
        network, how = _adapted(network, channels)
    other = network.with_head(len(classes), seed)
    other.classes = classes
    return Begun(other, source, how)


def _adapted(network: Net, channels: int) -> tuple[Net, tuple[str, str]]:
    """A network for pictures of so many channels, and what became of its first layer."""
    assert network.input
    height, width, have = network.input
    if have == channels:
        other = f"{height}x{width}x{3 if have == 1 else 1}"
        why = f"the weights are for {count(have, 'channel')}, and so is the input; --size {other} asks for another"
        return network, ("without effect", why)
    other, told = adapted(network, channels)
    return other, (f"{count(have, 'channel')} → {channels}", told)


def network_of(weights: str) -> str:
    """The network that weights are of, by their name, by what striate wrote of it or by the names of their tensors.

    Parameters
    ----------
    weights
        a file, also by the name under which it is published, or a Hugging Face name
    """
    known = next((record for record in published() if weights in (record.name, record.file)), None)
    if known and not Path(weights).exists():
        return known.network
    stored = open_weights(_file(weights))
    if stored.about:
        return stored.about["network"]
    if record := find_record(stored):
        return record.network
    names = set(own_tensors(stored.tensors))
    found = sorted({layout.network for layout in layouts() if layout.holds(names)})
    if len(found) != 1:
        what = f"fit {' and '.join(found)}" if found else "are those of no network that striate knows"
        raise WeightsError(
            f"without --net the names of a file's tensors tell the network, but those of {printable(weights)} {what}; "
            "give --net"
        )
    return found[0]


def refuse_network_name(weights: str) -> None:
    """A network's name is not that of weights; what is published for it is offered."""
    entry = next((entry for entry in zoo().values() if plain(entry.name) == plain(weights)), None)
    if entry is None or Path(weights).exists():
        return
    known = [record.name if HUB_NAME in record.name else record.file for record in published(entry.name)]
    offer = f"auto takes what is published for it ({', '.join(known)})" if known else "none trains it from scratch"
    raise WeightsError(
        f"--weights is a file, a Hugging Face name, a run, auto or none, but {weights} is the name of a network; "
        f"--net {weights} --weights {offer}"
    )


def _file(weights: str) -> str | Path:
    """Where weights are, fetched first where their publisher offers the file by this name."""
    record = None if Path(weights).exists() else by_file(weights)
    return weights if record is None else brought(record)


def has_published(text: str) -> bool:
    """Whether weights are known for a network's name."""
    entry = find(text)
    return entry is not None and bool(published(entry.name))


def _of_run(folder: Path, text: str | None, size: tuple[int, int, int] | None, channels: int | None) -> Net:
    run = open_trained(folder)
    network = run.net()
    if text is not None and text not in (network.name, network.notation):
        raise StriateError(f"{folder} is a run of {network.name}, but --net is {text}; leave --net out")
    assert network.input
    if size and (size[:2] != network.input[:2] or (channels is None and size != network.input)):
        have, want = show_size(network.input), show_size(size)
        remedy = "" if size[:2] != network.input[:2] else ", or --adapt-input adapts its first layer"
        raise StriateError(
            f"{folder} is a run of a network for {have}, but --size asks for {want}; leave --size out{remedy}"
        )
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
    hub = [record.name for record in records if HUB_NAME in record.name]
    files = [record for record in records if HUB_NAME not in record.name]
    here = [record.file for record in files if place_of(record).is_file()]
    return (here + hub + [record.file for record in files])[0]


def fingerprint(network: Net) -> str:
    """A sum of a network's weights, by which one knows them again."""
    from hashlib import sha256

    total = sha256()
    for name, tensor in sorted(network.state_dict().items()):
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
