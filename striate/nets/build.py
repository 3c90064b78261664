"""From a name or a text to a network: `net("resnet18")`, `net("conv 5x5x6, relu, maxpool 2, fc 10", input="32x32x3")`.

Every network, also those of the papers, is built from a text of the layer notation: sizes and channels follow from the
size formula, and a mistake is told at the layer where it happens.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from striate.errors import GeometryError, NotationError, StriateError
from striate.nets.builder import Builder
from striate.nets.details import Shape, show
from striate.nets.first_weights import fill
from striate.nets.grammar import Group, Layer, Parsed, parse
from striate.nets.net import Net, last_layer
from striate.nets.zoo import Entry, find, split_options
from striate.ops.size import parse_size
from striate.show.numbers import show_size


def net(
    layers: str | Sequence[str | nn.Module],
    *,
    input: str | tuple[int, int, int] | None = None,
    classes: int | Sequence[str] | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    **options,
) -> Net:
    """Build a network from its name, from a text in the layer notation, or from a list of layers.

    Parameters
    ----------
    layers
        a name of the zoo ('resnet18', 'resnet20(shortcut=B)'), a text ('conv 5x5x6, relu, fc 10'),
        or a list of texts and modules
    input
        size of a picture, height×width×channels; a network of the zoo has its own by default
    classes
        number of outputs, or their names in order
    weights
        a .safetensors or .pth file, or a Hugging Face name such as 'timm/resnet18.a1_in1k'
    seed
        with a layer's path, the address of its first weights
    options
        variants of a network of the zoo, such as `shortcut="B"`

    >>> net("conv 5x5x6, relu, maxpool 2, fc 10", input="32x32x3")(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """
    if not isinstance(layers, str) and not (isinstance(layers, Sequence) and layers):
        raise StriateError(f"a network is a name, a text in the layer notation or a list of layers, but is {layers!r}")
    size = written_size(input)
    names, number = named_classes(classes)
    if weights is not None:
        from striate.nets.weights import net_with_weights

        built = net_with_weights(layers, weights, size, number, seed, options)
    else:
        built = assemble(layers, size, number, options)
        fill(built, torch.get_default_device(), seed)
    built.classes = names
    return built


def written_size(input: object) -> str | None:
    """The size of a picture as text, from text or from (height, width, channels)."""
    if input is None or isinstance(input, str):
        return input
    if not isinstance(input, Sequence) or not all(isinstance(part, int) for part in input):
        raise StriateError(f"an input is written '224x224x3' or (224, 224, 3), but a {type(input).__name__} is given")
    if len(input) == 3 and input[0] in (1, 3) and min(input[1:]) > 4:
        raise StriateError(
            f"an input is height×width×channels, but {tuple(input)} looks like channels first; "
            f"{(*input[1:], input[0])} would fit"
        )
    return "x".join(map(str, input))


def named_classes(classes: int | Sequence[str] | None) -> tuple[tuple[str, ...] | None, int | None]:
    """The names of the classes, where they are given, and their number."""
    if classes is None or type(classes) is int:
        names, number = None, classes
    elif isinstance(classes, str) or not isinstance(classes, Sequence) or not all(isinstance(n, str) for n in classes):
        raise StriateError(f"classes are a number or a list of names, as in ['cat', 'dog'], but are {classes!r}")
    else:
        names, number = tuple(classes), len(classes)
        if twice := [name for place, name in enumerate(names) if name in names[:place]]:
            raise StriateError(f"every class needs a name of its own, but '{twice[0]}' stands there twice")
    if number is not None and number < 1:
        raise StriateError(f"a network needs at least 1 class, but {number} are asked for")
    return names, number


def assemble(layers: str | Sequence[str | nn.Module], size: str | None, classes: int | None, options: dict) -> Net:
    """The network on the meta device: shapes without memory."""
    if not isinstance(layers, str):
        return from_list(layers, size, classes)
    if entry := find(layers):
        options = entry.chosen({**split_options(layers)[1], **options})
        return from_entry(entry, size, classes, options)
    if options:
        raise StriateError(f"options such as {min(options)} belong to networks of the zoo, not to a text")
    built = from_parsed(parse(layers), size, layers)
    return built if classes is None else reheaded(built, classes)


def from_entry(entry: Entry, size: str | None, classes: int | None, options: dict) -> Net:
    text = entry.text(classes=classes or entry.classes, **options)
    return from_parsed(parse(text), size or entry.input, entry.name)


def reheaded(built: Net, classes: int) -> Net:
    _, last = last_layer(built)
    return built if last.weight.shape[0] == classes else built.with_head(classes)


def from_parsed(parsed: Parsed, size: str | None, name: str) -> Net:
    height, width, channels = input_size(size, parsed.input)
    if parsed.input and parsed.input != (height, width, channels):
        parsed.notes.append(f"the text says input {show_size(parsed.input)}; it is built for {size}")
    builder = Builder((channels, height, width), parsed.notes)
    stages = {}
    for stage, items in stages_of(parsed).items():
        stages[stage] = builder.sequence(items)
    builder.check_end()
    return Net(stages, (height, width, channels), name, builder.notes)


def from_list(layers: Sequence[str | nn.Module], size: str | None, classes: int | None) -> Net:
    """Texts and ready modules, one after the other."""
    height, width, channels = input_size(size, None)
    builder = Builder((channels, height, width), [])
    modules: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.Module):
            modules.append(layer)
            builder.linear, builder.shape = None, output_shape(layer, builder.shape)
        elif isinstance(layer, str):
            parsed = parse(layer)
            if list(parsed.stages) != [""] or parsed.input:
                raise NotationError(
                    f"in a list of layers, a text holds layers only, without stages or input; '{layer}' has more"
                )
            modules += builder.sequence(parsed.stages[""])
        else:
            raise StriateError(f"a list of layers holds texts and modules, but one is {layer!r}")
    builder.check_end()
    stages = {name: nn.Sequential(*part) for name, part in staged(modules, is_pool, is_gather).items()}
    built = Net(stages, (height, width, channels), "layers", builder.notes)
    return built if classes is None else reheaded(built, classes)


def input_size(asked: str | None, written: Shape | None) -> tuple[int, int, int]:
    size = parse_size(asked) if asked else written
    if size is None:
        raise StriateError(
            "a text needs the size of its input; give input, as in 32x32x3, or begin the text with input 32x32x3"
        )
    if len(size) != 3:
        raise GeometryError(
            f"an input is height×width×channels, as in 224x224x3, but {show_size(size)} has {len(size)} parts"
        )
    return size[0], size[1], size[2]


def stages_of(parsed: Parsed) -> dict[str, list[Layer | Group]]:
    """The stages that a text names, or those that follow from its layers."""
    if list(parsed.stages) == [""]:
        return staged(parsed.stages[""], is_pool, is_gather)
    return named(parsed.stages)


def named(stages: dict[str, list[Layer | Group]]) -> dict[str, list[Layer | Group]]:
    for name, items in stages.items():
        if not name:
            raise NotationError(
                "where stages have names, every layer belongs to one; "
                "the first layers have none, write stem: before them"
            )
        if not items:
            raise NotationError(f"stage '{name}' has no layers")
        if hasattr(nn.Sequential, name) or hasattr(Net({}), name):
            raise NotationError(
                f"a stage cannot be called '{name}', which means something else in a network; choose another name"
            )
    return stages


Item = TypeVar("Item")


def staged(
    items: Sequence[Item], pools: Callable[[Item], bool], gathers: Callable[[Item], bool]
) -> dict[str, list[Item]]:
    """Stages where none is named: each ends with a pooling layer; what flattens or gathers begins the head."""
    head = next((place for place, item in enumerate(items) if gathers(item)), len(items))
    ends = [place + 1 for place, item in enumerate(items[:head]) if pools(item)]
    cuts = sorted({0, *ends, head})
    stages = {f"stage{n}": list(items[start:end]) for n, (start, end) in enumerate(pairwise(cuts), 1)}
    return stages | ({"head": list(items[head:])} if items[head:] else {})


def is_pool(item: Layer | Group | nn.Module) -> bool:
    return isinstance(item, nn.MaxPool2d | nn.AvgPool2d) or (
        isinstance(item, Layer) and item.word in ("maxpool", "avgpool")
    )


def is_gather(item: Layer | Group | nn.Module) -> bool:
    gathering = ("flatten", "fc", "globalpool", "globalmaxpool", "adaptpool")
    return isinstance(item, nn.Flatten | nn.Linear | nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d) or (
        isinstance(item, Layer) and item.word in gathering
    )


def output_shape(module: nn.Module, shape: Shape) -> Shape:
    """What a ready module makes of a size, without computing anything."""
    training = module.training
    module.eval()
    try:
        if any(isinstance(p, nn.UninitializedParameter) for p in module.parameters()):
            module(torch.zeros(1, *shape))  # a lazy module learns its sizes from its first input
        tensors = (*module.named_parameters(), *module.named_buffers())
        on_meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}
        return tuple(torch.func.functional_call(module, on_meta, torch.empty(1, *shape, device="meta")).shape[1:])
    except (RuntimeError, ValueError) as mistake:
        raise GeometryError(f"{module} cannot take {show(shape)}: {mistake}") from mistake
    finally:
        module.train(training)
