"""Weights made elsewhere, placed by walking two lists of tensors in order: the file's and the network's.

There are no rename rules: the order in which a network declares its tensors is a contract (see `modules.py`). A file
that is sorted by name is put in order by the publisher's names, which are kept as data (see `published/`).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from striate.errors import WeightsError
from striate.nets.build import assemble
from striate.nets.naming import twin
from striate.nets.net import Net, last_layer
from striate.nets.placing import COUNTER, channels_in, classes_in, listed, own_tensors, place, set_epsilon
from striate.nets.published import Layout, Published, layouts, published
from striate.nets.weight_files import Stored, open_weights
from striate.nets.zoo import find, split_options, zoo
from striate.preprocess import Preprocess
from striate.show.numbers import count, show_size


def net_with_weights(
    layers: str | Sequence[str | nn.Module],
    weights: str | Path,
    size: str | None,
    number_of_classes: int | None,
    seed: int,
    options: dict,
    own_channels: bool = False,
) -> Net:
    """The network of `build.net`, with weights from a file or from Hugging Face.

    Parameters
    ----------
    layers, size, options
        as for `net`
    weights
        a .safetensors, .pth, .pt or .bin file, or a Hugging Face name
    number_of_classes
        where it is not the file's, the last layer begins anew
    seed
        for that new layer
    own_channels
        whether the network takes the file's number of channels, where `size` says another
    """
    device = torch.get_default_device()
    if device.type == "meta":
        raise WeightsError(
            "weights are values, and a network on the meta device has none; leave out the weights or the meta device"
        )
    stored = open_weights(weights)
    network, chosen = asked(layers, options)
    record = None if stored.about else find_record(stored)
    if record:
        check_record(record, network, stored)
        size = size or (network and show_size((*record.preprocess.size, 3)))
    if stored.about:
        size = size or told_size(stored.about)
    built = assemble(layers, size, None, options)
    layout = find_layout(set(own_tensors(stored.tensors)), network, built)
    if layout and layout.network == network and chosen:
        check_options(chosen, built, layout, record, stored)
    order = in_order(stored, built, layout)
    if channels := channels_in(stored, order, built):
        assert built.input
        height, width, wanted = built.input
        if not own_channels:
            raise WeightsError(
                f"{stored.source} is for pictures of {count(channels, 'channel')}, but {built.name} is to take "
                f"{wanted:,}; `striate train --adapt-input` adapts its first layer"
            )
        size = show_size((height, width, channels))
        built = assemble(layers, size, None, options)
    if (found := classes_in(stored, order, built)) and (network or number_of_classes):
        built = assemble(layers, size, found, options)
    known = f"{layout.publisher}'s {layout.model}" if layout else ""
    notes = [*stored.notes, *place(built, stored, order, known, device)]
    notes += settle(built, layout, stored, record)
    outputs = last_layer(built)[1].weight.shape[0]
    if number_of_classes is not None and number_of_classes != outputs:
        built = built.with_head(number_of_classes, seed)
        notes.append(f"the weights are for {outputs:,} classes; the last layer begins anew with {number_of_classes:,}")
    elif found and number_of_classes is None:
        notes.append(f"the weights are for {outputs:,} classes, so the network has as many outputs")
    if stored.about and layers == stored.about["network"]:
        built.name = stored.about["name"]
    built.notes = [*built.notes, *notes]
    return built


def told_size(about: dict) -> str:
    """The size of pictures that a file of striate's is for."""
    preprocess = Preprocess.from_dict(about["preprocess"])
    return show_size((*preprocess.size, len(preprocess.mean)))


def asked(layers: str | Sequence[str | nn.Module], options: dict) -> tuple[str | None, dict]:
    """The name in the zoo and the options, or no name for a text or a list."""
    entry = find(layers) if isinstance(layers, str) else None
    return (entry.name, {**split_options(str(layers))[1], **options}) if entry else (None, {})


def find_record(stored: Stored) -> Published | None:
    """What is known about this very file: by its Hugging Face name, or by the name that its publisher gave it."""
    folders = {part.removeprefix("models--").replace("--", "/") for part in stored.path.parent.parts[-3:]}
    for record in published():
        if record.publisher == "timm":
            # every file on the hub is called model.safetensors: its folder's name tells, or a file named after it
            known = {record.name, record.name.rpartition("/")[2]} & {stored.source, stored.path.stem, *folders}
        else:
            known = stored.path.name == record.file
        if known and holds_it(stored, record):
            return record
    return None


def holds_it(stored: Stored, record: Published) -> bool:
    """Whether the file has the publisher's names and number of classes: a file that merely is called so does not."""
    names = set(own_tensors(stored.tensors))
    kin = [layout for layout in layouts() if (layout.publisher, layout.network) == (record.publisher, record.network)]
    ends = [list(layout.tensors)[-1] for layout in kin if layout.holds(names)]  # the last layer's bias
    return any(stored.tensors[end].shape[:1] == (zoo()[record.network].classes,) for end in ends)


def check_record(record: Published, network: str | None, stored: Stored) -> None:
    """Refuse weights of another network."""
    if network not in (None, record.network):
        raise WeightsError(
            f"{stored.source} holds weights of {record.network} ({record.name}), but {network} is asked for"
        )


def check_options(options: dict, built: Net, layout: Layout, record: Published | None, stored: Stored) -> None:
    """Refuse a variant that is not the publisher's, where the file is known or no shape would tell them apart."""
    theirs = twin(built, layout)
    alike = [t.shape for t in theirs.state_dict().values()] == [t.shape for t in built.state_dict().values()]
    if (record or alike) and theirs.notation != built.notation:
        asked_for = ", ".join(f"{option}={value}" for option, value in options.items())
        raise WeightsError(
            f"{stored.source} holds weights of {layout.publisher}'s {layout.model}, "
            f"but {built.name} with {asked_for} is another network; leave the option out"
        )


def find_layout(names: set[str], network: str | None, built: Net) -> Layout | None:
    """The publisher's layout with exactly these names; among several, the one of the network that is asked for."""
    found = [layout for layout in layouts() if layout.holds(names)]
    count = len(own_tensors(built.state_dict()))
    return max(found, key=lambda la: (la.network == network, len(la.tensors) == count), default=None)


def in_order(stored: Stored, built: Net, layout: Layout | None) -> list[str]:
    """The file's names in the network's order."""
    if stored.order:
        return [name for name in stored.order if name.rpartition(".")[2] != COUNTER]
    if layout:
        return list(layout.tensors)
    ours, theirs = own_tensors(built.state_dict()), own_tensors(stored.tensors)
    if set(ours) == set(theirs):
        return ours
    if stored.path.suffix.lower() != ".safetensors":
        return theirs
    raise WeightsError(f"{stored.source} {unknown_order(set(theirs), set(ours), built.name)}")


def unknown_order(theirs: set[str], ours: set[str], network: str) -> str:
    """Why the names of a safetensors file do not tell the order, with the nearest known names."""
    known = [("striate", ours), *((la.publisher, set(la.tensors)) for la in layouts() if la.network == network)]
    publisher, names = max(known, key=lambda pair: len(pair[1] & theirs))
    if len(names & theirs) * 2 > len(names):
        parts = [f"lacks {listed(names - theirs)}"] * bool(names - theirs)
        parts += [f"has also {listed(theirs - names)}"] * bool(theirs - names)
        return f"has almost the names of {publisher}'s {network}, but {' and '.join(parts)}; nothing was loaded"
    return (
        "is sorted by name, as safetensors are, so the order of its layers is unknown, and its names are not those of "
        f"a network that striate knows: {listed(theirs)}; give a .pth file, or name all tensors in order, separated by "
        "commas, in its metadata under 'order'"
    )


def settle(built: Net, layout: Layout | None, stored: Stored, record: Published | None) -> list[str]:
    """Set what shapes do not show: the publisher's epsilon, and how pictures are prepared; returns what to tell."""
    notes = []
    if layout and layout.settings:
        set_epsilon(built, epsilon := layout.settings["batch_norm_eps"])
        notes.append(f"batch normalisation has an epsilon of {epsilon:g}, as in {layout.publisher}'s {layout.model}")
    if record:
        built.preprocess = fitted(record.preprocess, built)
        claim = f"; it claims {record.top1:g} % of ImageNet's validation set" if record.top1 else ""
        licence = record.licence or "not stated"
        built.origin = {
            "publisher": record.publisher,
            "name": record.name,
            "source": record.source,
            "licence": licence,
        }
        notes.append(f"weights: {record.publisher}'s {record.name}, {record.source}, licence {licence}{claim}")
    elif about := stored.about:
        built.preprocess, built.origin = fitted(Preprocess.from_dict(about["preprocess"]), built), about["origin"]
        notes.append(f"weights: {stored.source}, of a run of striate, with its preprocess")
    elif layout:
        notes.append(
            f"{stored.source} has the names of {layout.publisher}'s {layout.model}, but which of its weights they are "
            "is unknown; so preprocess is not set"
        )
    return notes


def fitted(wanted: Preprocess, built: Net) -> Preprocess:
    """A preprocess at the size that the network takes, cropping the same part of the picture."""
    size = built.input[:2] if built.input else wanted.size
    growth = max(size[0] / wanted.size[0], size[1] / wanted.size[1])
    return replace(wanted, size=size, resize=wanted.resize and round(wanted.resize * growth))
