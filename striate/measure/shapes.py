"""The command `shapes`: what a network, or several, cost and see."""

from itertools import chain
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from striate.errors import StriateError, UnknownName
from striate.measure.explain import explained
from striate.measure.ledger import By, Ledger
from striate.measure.memory import PRECISIONS
from striate.measure.meta import undisturbed
from striate.measure.observer import Observer, Size
from striate.measure.rows import Row, pair
from striate.nets.build import net, written_size
from striate.nets.net import Net
from striate.ops.size import parse_size
from striate.show.numbers import exact, memory, short, show_size
from striate.show.table import Column, Table

MOST = 1_000_000  # pictures in a batch


def shapes(
    *networks: Any,
    input: str | None = None,
    by: By = "layer",
    explain: bool = False,
    batch: int = 1,
    precision: Literal["float32", "bfloat16", "float16"] = "float32",
    classes: int | None = None,
) -> Ledger | Table:
    """Show what each layer of a network costs and sees, or compare several networks.

    Parameters
    ----------
    networks
        names ('vgg16'), texts in the layer notation ('conv 5x5x6, relu, fc 10'), or in Python any torch modules
    input
        size of a picture, height×width×channels, as in 224x224x3; a network of the zoo knows its own
    by
        a line for each layer or for each stage
    explain
        add the size formulas with their numbers, and what no window sees
    batch
        pictures in a batch, for the memory
    precision
        type of the numbers, for the memory
    classes
        number of outputs, for names and texts

    >>> shapes("conv 5x5x6, relu, maxpool 2, fc 10", input="32x32x3").totals.parameters
    12226
    """
    if not networks:
        raise StriateError("give a network's name, such as vgg16, or its layers, such as 'conv 5x5x6, relu, fc 10'")
    for kind, value, known in (("grouping", by, ("layer", "stage")), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise UnknownName(kind, value, known)
    if explain and by == "stage":
        raise StriateError("size formulas belong to layers: explain goes with by layer, not with by stage")
    if not 1 <= batch <= MOST:
        raise StriateError(f"a batch holds 1 to {MOST:,} pictures, but {batch:,} are asked for")
    if len(networks) > 1 and (explain or by != "layer"):
        raise StriateError("explain and by belong to one network; several are compared as wholes")
    ledgers = [measure(network, input, by, explain, batch, precision, classes) for network in networks]
    return ledgers[0] if len(ledgers) == 1 else compare(ledgers)


def measure(
    network: Any,
    input: str | Size | None = None,
    by: By = "layer",
    explain: bool = False,
    batch: int = 1,
    precision: str = "float32",
    classes: int | None = None,
) -> Ledger:
    """The ledger of one network; see `shapes`."""
    module, size, name = resolve(network, input, classes)
    rows = observe(module, size, batch, PRECISIONS[precision], name)
    return Ledger(name, size, rows, module, by, explain, batch, precision)


def resolve(network: Any, input: str | Size | None, classes: int | None) -> tuple[nn.Module, Size, str]:
    """The module, the size of its pictures and its name, of whatever stands for a network."""
    size = parse_size(written) if (written := written_size(input)) else None
    if size is not None and len(size) != 3:
        raise StriateError(f"a picture's size is height×width×channels, as in 224x224x3, but is {show_size(size)}")
    if isinstance(network, str):
        with torch.device("meta"), torch.inference_mode(False):
            network = net(network, input=size, classes=classes)
    elif not isinstance(network, nn.Module):
        raise StriateError(f"a network is a name, a text or a torch module, but this is a {type(network).__name__}")
    elif classes is not None:
        raise StriateError("the number of classes is for names and texts; this network is built already")
    name = ""
    if isinstance(network, Net):  # the `input` and `name` of another module may be layers
        size, name = size or network.input, network.name
    size, name = size or published_size(network), name or type(network).__name__
    if size is None:
        raise StriateError(f"{name} does not say how large its pictures are: give input, as in input='224x224x3'")
    refuse(network, name)
    return network, size, name


def refuse(network: nn.Module, name: str) -> None:
    """Tell of modules that cannot be measured."""
    for path, child in network.named_modules():
        where = path or name
        if isinstance(child, torch.jit.ScriptModule):
            raise StriateError(f"{where} is compiled by torch.jit, which hides its layers; give the module itself")
        for weight in chain(child.parameters(recurse=False), child.buffers(recurse=False)):
            if is_lazy(weight):
                raise StriateError(
                    f"{where} takes its sizes from its first input: run the network once on a picture first"
                )
            if weight.is_inference():
                raise StriateError(
                    f"{where} was made in inference mode, which nothing can train; make it outside of it"
                )
            if isinstance(child, nn.RNNBase) and not weight.is_meta:
                raise StriateError(
                    f"{where}: PyTorch runs recurrent layers on sizes alone only if their weights are on the "
                    "meta device: give copy.deepcopy(network).to('meta')"
                )


def published_size(network: nn.Module) -> Size | None:
    """The size that a network of timm carries with it."""
    published = getattr(network, "pretrained_cfg", None) or {}
    channels, height, width = published.get("input_size", (0, 0, 0))
    return (height, width, channels) if channels else None


def observe(network: nn.Module, size: Size, batch: int = 1, width: int = 4, name: str = "") -> list[Row]:
    """Watch one picture go through a network; a mistake in its shapes is explained."""
    observer = Observer(network, batch, width)
    with undisturbed(network, training=False), explained(observer, network, size, name):
        observer.run(network, size)
    return observer.rows


def compare(ledgers: list[Ledger]) -> Table:
    """Networks side by side."""
    first = ledgers[0]
    columns = [
        Column("network", "network", align="left"),
        Column("input", "input", show=lambda size: show_size(tuple(size)), narrow=3),
        Column("parameters", "parameters", show=exact),
        Column("MACs", "macs", show=short),
        Column("activations", "activation_bytes", show=memory, narrow=4),
        Column("to run", "forward_bytes", show=memory, narrow=2),
        Column("to train", "training_bytes", show=memory, narrow=2),
        Column("field", "field_size", show=pair, narrow=1),
        Column("stride", "field_stride", show=pair, narrow=5),
        Column("depth", "depth", narrow=3),
    ]
    rows = []
    for ledger in ledgers:
        sights, totals = ledger.map_sights or (), ledger.totals
        rows.append(
            {
                "network": ledger.name,
                "input": list(ledger.input),
                "parameters": totals.parameters,
                "macs": totals.macs,
                "activation_bytes": totals.activations,
                "forward_bytes": ledger.memory.forward,
                "training_bytes": ledger.memory.training(),
                "field_size": [s.field.size for s in sights if s.field] or None,
                "field_stride": [s.field.stride for s in sights if s.field] or None,
                "depth": totals.depth,
            }
        )
    pictures = "1 picture" if first.batch == 1 else f"{first.batch} pictures"
    notes = [
        f"memory for {pictures} in {first.precision}, to train with SGD with momentum (an estimate)",
        "field: what a position of the last feature map sees, in pixels",
        "depth: layers with weights on the longest path",
    ]
    return Table(columns, rows, "", None, notes)
