"""Weights made elsewhere, placed by walking two lists of tensors in order: the file's and the network's.

There are no rename rules. The order in which a network declares its tensors is a contract (see `modules.py`), shapes are compared up to axes of 1,
and a fully connected layer fits the convolution that it equals. A file that is sorted by name is put in order by the publisher's names, which are
kept as data. Everything is compared before anything is copied.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from striate.errors import UnknownName, WeightsError
from striate.nets.build import assemble
from striate.nets.net import Net, last_layer
from striate.nets.published import PUBLISHERS, Layout, Published, layouts, published
from striate.nets.weight_files import Stored, open_weights
from striate.nets.zoo import find, split_options
from striate.ops.size import show_size

COUNTER = "num_batches_tracked"  # how often a batch normalisation was trained: no answer depends on it


def net_with_weights(
    layers: str | Sequence[str | nn.Module],
    weights: str | Path,
    size: str | None,
    number_of_classes: int | None,
    seed: int,
    options: dict,
) -> Net:
    """The network of `build.net`, with weights from a file or from Hugging Face.

    Parameters
    ----------
    layers, size, options: as for `net`
    weights: a .safetensors, .pth, .pt or .bin file, or a Hugging Face name
    number_of_classes: where it is not the file's, the last layer begins anew
    seed: for that new layer
    """
    device = torch.get_default_device()
    if device.type == "meta":
        raise WeightsError(
            "weights are values, and a network on the meta device has none; leave weights out, or the meta device"
        )
    stored = open_weights(weights)
    network, chosen = asked(layers, options)
    record = find_record(stored)
    if record:
        check_record(record, network, chosen, stored)
        size = size or (network and show_size((*record.preprocess.size, 3)))
    built = assemble(layers, size, None, options)
    layout = find_layout(set(own_tensors(stored.tensors)), network, built)
    order = in_order(stored, built, layout)
    if (outputs := classes_in(stored, order, built)) and (network or number_of_classes):
        built = assemble(layers, size, outputs, options)
    notes = [*stored.notes, *place(built, stored, order, layout, device)]
    if layout:
        notes += settle(built, layout, stored, record)
    if record:
        built.preprocess = fitted(record, built)
        notes.append(told(record))
    outputs = last_layer(built)[1].weight.shape[0]
    if number_of_classes not in (None, outputs):
        built = built.with_head(number_of_classes, seed=seed)
        notes.append(f"the weights are for {outputs:,} classes; the last layer begins anew with {number_of_classes:,}")
    built.notes = [*built.notes, *notes]
    return built


def asked(layers: str | Sequence[str | nn.Module], options: dict) -> tuple[str | None, dict]:
    """The name in the zoo and the options, or no name for a text or a list."""
    if not isinstance(layers, str) or not find(layers):
        return None, {}
    name, written = split_options(layers)
    return name, {**written, **options}


def find_record(stored: Stored) -> Published | None:
    """What is known about this very file: by its Hugging Face name, or by the name that its publisher gave it."""
    folders = {part.removeprefix("models--").replace("--", "/") for part in stored.path.parent.parts[-3:]}
    for record in published():
        if record.publisher == "timm":
            # every file on the hub is called model.safetensors: its folder's name tells, or a file named after it
            known = {record.name, record.name.rpartition("/")[2]} & {stored.source, stored.path.stem, *folders}
        else:
            known = stored.path.name == record.file
        if known:
            return record
    return None


def check_record(record: Published, network: str | None, options: dict, stored: Stored) -> None:
    """Refuse weights of another network, and variants that change the answers though every shape fits."""
    if network not in (None, record.network):
        raise WeightsError(
            f"{stored.source} holds weights of {record.network} ({record.name}), but {network} is asked for"
        )
    for option, value in options.items():
        if option in record.settings and value != record.settings[option]:
            raise WeightsError(
                f"the weights {record.name} are for {record.network} with {option}={record.settings[option]}, but {option}={value} is asked for"
            )


def own_tensors(tensors: dict[str, Tensor]) -> list[str]:
    """Names without the optional counters."""
    return [name for name in tensors if name.rpartition(".")[2] != COUNTER]


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
    if stored.path.suffix != ".safetensors":
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
        "is sorted by name, as safetensors are, so the order of its layers is unknown, and its names are not those of a network "
        f"that striate knows: {listed(theirs)}; give a .pth file, or name all tensors in order, separated by commas, in its metadata under 'order'"
    )


def listed(names: set[str] | list[str]) -> str:
    """'a', 'b', 'c' and 4 more."""
    names = sorted(names) if isinstance(names, set) else names
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"'{name}'" for name in names[:3]) + more


def classes_in(stored: Stored, order: list[str], built: Net) -> int | None:
    """The file's number of classes, where it is another one than the network's and nothing else of the last layer differs."""
    ours = own_tensors(built.state_dict())
    path, last = last_layer(built)
    if len(ours) != len(order):
        return None
    theirs = stored.tensors[order[ours.index(f"{path}.weight")]].shape
    if not theirs or theirs[0] in (0, last.weight.shape[0]):
        return None
    return theirs[0] if theirs[1:].numel() == last.weight.shape[1:].numel() else None


def place(built: Net, stored: Stored, order: list[str], layout: Layout | None, device: torch.device) -> list[str]:
    """Compare all tensors, then copy them; returns what should be told."""
    ours = own_tensors(built.state_dict())
    blank = built.state_dict()
    known = f" ({layout.publisher}'s {layout.model})" if layout else ""
    for place, (mine, theirs) in enumerate(zip(ours, order, strict=False), 1):
        tensor = stored.tensors[theirs]
        if not tensor.is_floating_point():
            raise WeightsError(
                f"weights are floating-point numbers, but '{theirs}' in {stored.source} is {tensor.dtype}; nothing was loaded"
            )
        if not fits(tuple(blank[mine].shape), tuple(tensor.shape)):
            raise WeightsError(
                f"weights must fit the network: tensor {place} of {stored.source}{known} is '{theirs}' of shape {tuple(tensor.shape)}, "
                f"where {built.name} has '{mine}' of shape {tuple(blank[mine].shape)}; nothing was loaded"
            )
    if len(ours) != len(order):
        longer, rest = (
            (stored.source + known, order[len(ours) :]) if len(order) > len(ours) else (built.name, ours[len(order) :])
        )
        raise WeightsError(
            f"weights must fit the network: {stored.source} has {len(order)} tensors and {built.name} has {len(ours)}; "
            f"{longer} has {listed(rest)} left over; nothing was loaded"
        )
    built.to_empty(device=device)
    with torch.no_grad():
        state = built.state_dict()
        for mine, theirs in zip(ours, order, strict=True):
            state[mine].copy_(stored.tensors[theirs].reshape(state[mine].shape))
        for mine, theirs in names_of_counters(ours, order).items():
            state[mine].copy_(stored.tensors.get(theirs, torch.zeros((), dtype=torch.long)))
    kinds = {stored.tensors[name].dtype for name in order} - {torch.get_default_dtype()}
    skipped = [name for name in own_tensors(stored.tensors) if name not in set(order)]
    notes = (
        [f"the weights were stored as {', '.join(sorted(map(str, kinds)))} and are now {torch.get_default_dtype()}"]
        if kinds
        else []
    )
    return notes + ([f"not loaded, as this network has no use for them: {listed(skipped)}"] if skipped else [])


def names_of_counters(ours: list[str], order: list[str]) -> dict[str, str]:
    """Our batch normalisations' counters and the file's."""
    return {
        mine.replace("running_mean", COUNTER): theirs.replace("running_mean", COUNTER)
        for mine, theirs in zip(ours, order, strict=True)
        if mine.endswith("running_mean")
    }


def fits(ours: tuple[int, ...], theirs: tuple[int, ...]) -> bool:
    """Equal up to axes of 1, or a fully connected layer against the convolution that it equals.

    >>> fits((96,), (96, 1, 1)), fits((4096, 25088), (4096, 512, 7, 7)), fits((64, 3, 7, 7), (64, 147, 1, 1))
    (True, True, False)
    """
    if [side for side in ours if side != 1] == [side for side in theirs if side != 1]:
        return True
    size = torch.Size(ours).numel() == torch.Size(theirs).numel()
    return size and ours[:1] == theirs[:1] and {len(ours), len(theirs)} == {2, 4}


def settle(built: Net, layout: Layout, stored: Stored, record: Published | None) -> list[str]:
    """Set what the publisher's network has and shapes do not show."""
    notes = []
    if (epsilon := layout.settings.get("batch_norm_eps")) is not None:
        set_epsilon(built, epsilon)
        notes.append(f"batch normalisation has an epsilon of {epsilon:g}, as {layout.publisher}'s {layout.model} has")
    if record is None:
        notes.append(
            f"{stored.source} has the names of {layout.publisher}'s {layout.model}, but which of its weights they are is unknown; "
            "so preprocess is not set"
        )
    return notes


def set_epsilon(built: Net, epsilon: float) -> None:
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = epsilon


def fitted(record: Published, built: Net):
    """The record's preprocess, at the size that the network takes."""
    wanted, height_width = record.preprocess, built.input[:2] if built.input else record.preprocess.size
    if height_width == wanted.size:
        return wanted
    growth = max(height_width[0] / wanted.size[0], height_width[1] / wanted.size[1])
    return replace(wanted, size=height_width, resize=wanted.resize and round(wanted.resize * growth))


def told(record: Published) -> str:
    """Where the weights are from and what is claimed for them."""
    claim = f"; {record.top1:g} % of ImageNet's validation set is claimed" if record.top1 else ""
    return f"weights: {record.name}, {record.source}, licence {record.licence or 'not stated'}{claim}"


def to_state_dict(net: Net, publisher: str) -> dict[str, Tensor]:
    """The network's tensors under a publisher's names and in its shapes, which its own network loads strictly.

    Parameters
    ----------
    net: a network of the zoo; googlenet_torchvision fits torchvision's googlenet(aux_logits=False), or with auxiliary its aux_logits=True
    publisher: torchvision, timm or bvlc

    >>> from striate.nets.build import net
    >>> list(to_state_dict(net("resnet18"), "timm"))[:3]
    ['conv1.weight', 'bn1.weight', 'bn1.bias']
    """
    if publisher not in PUBLISHERS:
        raise UnknownName("publisher", publisher, PUBLISHERS)
    theirs = [layout for layout in layouts() if (layout.publisher, layout.network) == (publisher, net.name)]
    if not theirs:
        others = sorted({layout.publisher for layout in layouts() if layout.network == net.name})
        raise WeightsError(
            f"{publisher} publishes no network like {net.name}" + (f"; {' and '.join(others)} does" if others else "")
        )
    layout = next((layout for layout in theirs if same_answers(net, layout)), None)
    if layout is None:
        raise WeightsError(
            f"this {net.name} is not as {publisher} publishes it: another size, option, layer or epsilon would change its answers there"
        )
    state, ours = net.state_dict(), own_tensors(net.state_dict())
    found = {}
    counters = names_of_counters(ours, list(layout.tensors))
    for mine, (name, rest) in zip(ours, layout.tensors.items(), strict=True):
        tensor = state[mine].detach()
        found[name] = tensor.clone() if rest is None else tensor.reshape(tensor.shape[0], *rest).clone()
        if name.endswith("running_mean"):
            mine_counter = mine.replace("running_mean", COUNTER)
            found[counters[mine_counter]] = state[mine_counter].clone()
    return found


def same_answers(net: Net, layout: Layout) -> bool:
    """Whether a network is the one of the layout, apart from the values of its weights."""
    _, last = last_layer(net)
    size = show_size(net.input) if net.input else None
    twin = assemble(layout.network, size, last.weight.shape[0], layout.options)
    if (epsilon := layout.settings.get("batch_norm_eps")) is not None:
        set_epsilon(twin, epsilon)
    return twin.notation == net.notation
