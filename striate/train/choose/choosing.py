"""What a training decides by itself: the network, its input, and every setting that nobody asked for."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from striate.data.dataset import Dataset
from striate.data.sources.shards import Shards
from striate.errors import GeometryError, NotationError, StriateError
from striate.nets.build import net as build
from striate.nets.net import Net, last_layer
from striate.nets.zoo import find
from striate.preprocess import Fit, Preprocess
from striate.show.names import listed, printable
from striate.show.numbers import count, show_size
from striate.train.choose.defaults import SMALL, Choice, settings
from striate.train.choose.frozen import check_frozen, frozen
from striate.train.choose.seen import SAMPLED, Seen, colours, look
from striate.train.choose.sizes import asked_size, fitting_size, least_size, native_size, size_of_named
from striate.train.choose.weights import begun, has_published, network_of
from striate.train.ensemble import open_trained
from striate.train.recipe import check
from striate.train.run import is_run

# a network for small pictures: the first layer halves the map, which costs nothing here and saves half of the time.
# docs/speed.md tells how far 3 epochs of it get; 7 million MACs
PHOTOS = "resnet18"  # a first network for them
COMPACT = (
    "conv 5x5x32 s2 same nobias, bn, relu, conv 3x3x64 same nobias, bn, relu, maxpool 2, "
    "conv 3x3x128 same nobias, bn, relu, maxpool 2, {more}fc {classes}"
)
MORE = "conv 3x3x256 same nobias, bn, relu, maxpool 2, "  # for pictures above 40 pixels


@dataclass(frozen=True)
class Chosen:
    """A training that is all decided.

    Parameters
    ----------
    network
        on the processor, with its first weights and the names of the classes
    preprocess
        its input
    recipe
        every setting, as `Recipe.from_dict` takes it; where "auto" was asked for, a value to begin the trial with
    weights
        where those come from that the network begins with; None is from scratch
    choices
        what the user did not say, and why it is what it is
    """

    network: Net
    preprocess: Preprocess
    recipe: dict[str, Any]
    choices: list[Choice]
    weights: str | None = None


def choose(
    data: Dataset | Shards,
    net: Net | str | None,
    asked: dict[str, Any],
    device: torch.device,
    pictures: int | None = None,
) -> Chosen:
    """Decide all that was not asked for, and refuse what cannot work before any time is spent.

    Parameters
    ----------
    data
        the pictures to learn from: of one split, or shards
    net
        a network, its name or its text; None chooses one
    asked
        settings of the recipe, `size` of the input as text, "96x96" or "96x96x3", and `fit` of pictures to it; None and
        "auto" ask for nothing
    device
        where it will learn
    pictures
        how many a stream of shards has
    """
    check({name: value for name, value in asked.items() if value != "auto"})
    seen = look(data, pictures)
    seed = asked.get("seed") or 0
    choices: list[Choice] = []
    size, weights = asked.get("size"), asked.get("weights")
    if isinstance(net, Net) and weights not in (None, "none"):
        raise StriateError(f"a network that is given has its weights already, but --weights is {weights}; leave it out")
    adapt = bool(asked.get("adapt_input"))
    if weights is None and seen.side > SMALL and isinstance(net, str | None) and has_published(net or PHOTOS):
        weights = "auto"
        why = "published ones know photos already; none would begin from scratch"
        choices.append(Choice("--weights", weights, why))
    source = None
    if adapt and (weights in (None, "none") or isinstance(net, Net)):
        raise StriateError("--adapt-input adapts the weights that --weights names, but none are to be begun with")
    if net is None and weights not in (None, "none") and not is_run(weights):
        net = PHOTOS if weights == "auto" else network_of(weights)
        why = "a good first network for photos" if weights == "auto" else f"{printable(weights)} holds weights of it"
        choices.append(Choice("--net", net, why))
    check_frozen(net, weights, asked)
    if net is not None and not isinstance(net, str):
        network = _given(net, size, data.classes)
    elif weights in (None, "none"):
        network = _built(net, size, seen, data.classes, seed, device, choices)
    else:
        usual = _channels(net, weights, seen if adapt else None)
        wanted = asked_size(size, usual)
        channels = (wanted[2] if wanted else usual) if adapt else None
        network, source, how = begun(net, wanted, weights, tuple(data.classes), seed, channels)
        if how:
            choices.append(Choice("--adapt-input", *how))
    fit = asked.get("fit")
    preprocess = network.preprocess or _preprocess(network, seen, data, seed, fit, choices)
    if fit and fit != preprocess.fit:  # that of the weights
        preprocess = replace(preprocess, fit=fit, resize=None)
    if preprocess.size != network.input[:2]:  # pyright: ignore[reportOptionalSubscript]
        raise StriateError(
            f"a network's preprocess makes pictures of the size of its input, {_size(network)}, but net.preprocess "
            f"makes {show_size(preprocess.size)}; set net.preprocess to None, or to one of that size"
        )
    if preprocess.channels == "L" and not seen.gray:
        choices.append(Choice("channels", "gray", "the network takes one channel: colours become brightness"))
    if preprocess.channels != "L" and seen.gray:
        choices.append(Choice("channels", "colour", "the network takes three channels: gray pictures fill all of them"))
    recipe, more = settings(network, seen, asked, device, data.several)
    recipe["freeze"] = frozen(network, asked, source, choices)
    return Chosen(network, preprocess, recipe, choices + more, source)


def _built(
    text: str | None,
    size: str | None,
    seen: Seen,
    classes: tuple[str, ...],
    seed: int,
    device: torch.device,
    choices: list[Choice],
) -> Net:
    """A network with fresh weights, its head as wide as there are classes."""
    if text is None:
        input, why = fitting_size(seen, device)
        input = asked_size(size, input[2]) or input
        small = seen.side <= SMALL
        compact = COMPACT.format(classes=len(classes), more=MORE if min(input[:2]) > 40 else "")
        text = compact if small else PHOTOS
        kind = "compact, for pictures as small as these" if small else "a good first network for photos"
        choices.append(Choice("--net", text, f"{kind}; it learns from scratch"))
    else:
        native = native_size(text)
        if size:
            input, why = asked_size(size, 1 if seen.gray else native[2] if native else 3), ""
        elif native is None:
            input, why = fitting_size(seen, device)
        else:
            input, why = size_of_named(text, native, seen)
    assert input
    if not size:
        choices.append(Choice("--size", show_size(input), why))
    try:
        return build(text, input=input, classes=list(classes), seed=seed)
    except GeometryError as problem:
        remedy = least_size(text, input)
        raise GeometryError(f"{problem}{f'; --size {remedy} would fit' if remedy else ''}") from problem


def _channels(text: str | None, weights: str, seen: Seen | None) -> int:
    """How many channels a network takes that begins with weights; pictures decide where it may be adapted to them."""
    native = open_trained(weights).config["network"]["input"] if is_run(weights) else native_size(text or PHOTOS)
    written = native is not None and text is not None and find(text) is None
    if seen is not None and not written:
        return 1 if seen.gray else 3
    return native[2] if native else 3


def _given(network: nn.Module, size: str | None, classes: tuple[str, ...]) -> Net:
    """A copy of a network that was built before, if it can be trained on these classes and kept as a run."""
    if not isinstance(network, Net) or network.input is None:
        raise StriateError(
            "training takes a network that knows its input and can be written down as a text, but here it is a "
            f"{type(network).__name__}; st.net(…) builds one from a name such as resnet18, or from a text of layers"
        )
    if size and asked_size(size, network.input[2]) != tuple(network.input):
        raise StriateError(f"a network that is built has its input, {_size(network)}, but --size is {size}")
    if any(tensor.is_meta for tensor in network.parameters()):
        raise StriateError("training begins with weights, but this network is on the meta device and has none")
    try:
        assert network.notation
    except NotationError as problem:
        raise StriateError(
            f"a run keeps its network as a text, but this one cannot be written down: {problem}; "
            "build it by st.net from a name or a text of layers"
        ) from problem
    outputs, remedy = last_layer(network)[1].weight.shape[0], "st.net(name, classes=data.classes) has the right head"
    if outputs != len(classes):
        raise StriateError(
            f"a network has an output per class, but this one has {outputs:,} and the pictures are of "
            f"{count(len(classes), 'class')}; {remedy}"
        )
    if network.classes is not None and tuple(network.classes) != tuple(classes):
        odd = [name for name in network.classes if name not in classes]
        what = f"it knows {listed(odd)}, which the pictures have not" if odd else "they are in another order"
        raise StriateError(
            f"a network's outputs are the pictures' classes, in their order, {printable(listed(classes))}, "
            f"but {what}; {remedy}"
        )
    other = copy.deepcopy(network).cpu()
    other.classes = tuple(classes)
    return other


def _preprocess(
    network: Net, seen: Seen, data: Dataset | Shards, seed: int, asked: Fit | None, choices: list[Choice]
) -> Preprocess:
    """How pictures become the input of a network whose weights expect nothing yet."""
    assert network.input
    height, width, channels = network.input
    if channels not in (1, 3):
        raise StriateError(f"pictures have 1 channel or 3, but the network's input, {_size(network)}, has {channels}")
    size, gray = (height, width), channels == 1
    if asked in ("pad", "squash"):
        fit, resize, why = asked, None, ""
    elif seen.shape == size and not asked:
        fit, resize, why = "squash", None, "all pictures have the input's size"
    elif seen.side <= SMALL:
        fit, resize, why = "crop", None, "the shorter side fits, and the middle of the longer one is seen"
    else:
        fit, resize, why = "crop", min(size) * 8 // 7, "the middle of a photo, where most things are"
    if not asked:
        choices.append(Choice("--fit", fit, why))
    plain = (0.0,) * channels, (1.0,) * channels
    before = Preprocess(size, resize, fit, "bilinear", "L" if gray else "RGB", 1, *plain)  # type: ignore[arg-type]
    mean, std = colours(data, before, seed)
    told = f"mean {', '.join(f'{v:g}' for v in mean)}; std {', '.join(f'{v:g}' for v in std)}"
    sampled = min(SAMPLED, seen.pictures)
    choices.append(Choice("colours", told, f"measured on {count(sampled)}, so that inputs lie around 0"))
    return Preprocess(size, resize, fit, "bilinear", before.channels, 1, mean, std)  # type: ignore[arg-type]


def _size(network: Net) -> str:
    return show_size(network.input or ())
