"""Each layer of the notation: how its numbers become a PyTorch module, and what size comes out.

Every maker takes what was written and the size that arrives, (channels, height, width) or (features,), and returns the module and the size that
leaves. Modules are made on the meta device: they get their memory and first values afterwards, from the seed (see `build.py`).
"""

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from striate.errors import GeometryError, NotationError
from striate.nets.grammar import Layer
from striate.nets.modules import ChannelNorm, DropPath, Scale, Widen
from striate.ops.size import Window, left_over, show_size

Shape = tuple[int, ...]
Made = tuple[nn.Module, Shape]

BORDERS = {"zero": "zeros", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leakyrelu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "hardswish": nn.Hardswish,
}


def show(shape: Shape) -> str:
    """A size inside (channels first) as people write it: 28×28×6."""
    return show_size((*shape[1:], shape[0])) if len(shape) == 3 else f"a vector of {shape[0]:,}"


def need_map(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise GeometryError(f"{layer.word} works on a map of height×width×channels, but gets {show(shape)} features")
    return shape[0], shape[1], shape[2]


def take(layer: Layer, flags: str = "", options: str = "", numbers: int = 0) -> None:
    """Refuse what the layer has no use for, so that nothing that is written is ignored."""
    allowed_flags, allowed_options = flags.split(), options.split()
    for flag in layer.flags:
        if flag not in allowed_flags:
            raise NotationError(
                f"{layer.word} has no '{flag}'" + (f"; it takes {', '.join(allowed_flags)}" if allowed_flags else "")
            )
    for option in layer.options:
        if option not in allowed_options:
            takes = f"; it takes {', '.join(allowed_options)}" if allowed_options else "; it takes none"
            raise NotationError(f"{layer.word} has no option '{option}'{takes}")
    if len(layer.numbers) + len(layer.sizes) > numbers:
        raise NotationError(
            f"{layer.word} takes {numbers or 'no'} number{'' if numbers == 1 else 's'}, but '{layer.text}' has more"
        )


def whole(value: float, what: str, least: int = 1) -> int:
    if value != int(value) or value < least:
        raise NotationError(f"{what} must be a whole number of at least {least}, but is {value:g}")
    return int(value)


def pair(values: tuple[float, ...], what: str, least: int = 1) -> tuple[int, int]:
    if len(values) > 2:
        raise NotationError(
            f"{what} is one number, or height x width, but {'x'.join(f'{v:g}' for v in values)} is written"
        )
    return whole(values[0], what, least), whole(values[-1], what, least)


def option(layer: Layer, name: str, default: float) -> float:
    values = layer.options.get(name, (default,))
    if len(values) != 1:
        raise NotationError(f"{name} is one number, but {'x'.join(f'{v:g}' for v in values)} is written")
    return values[0]


def filters(layer: Layer) -> tuple[tuple[int, int], float | None]:
    """The window and the number of filters, from 5x5x6, from 5x5 with 6 beside it, or from f5 n6."""
    window, number = layer.options.get("f"), layer.options.get("n", (None,))[0]
    for size in layer.sizes:
        if window is not None or len(size) > 3:
            raise NotationError(
                f"a window is written height x width x filters, as in 5x5x6, but '{layer.text}' is written"
            )
        window = size[:2]
        if len(size) == 3:
            number = size[2]
    for value in layer.numbers:
        if window is None and layer.word != "conv":
            window = (value,)
        elif number is None:
            number = value
        else:
            raise NotationError(f"{layer.word} has one number too many: '{layer.text}'")
    if window is None:
        raise NotationError(
            f"{layer.word} needs its window, as in {layer.word} 5x5{'x6' if layer.word == 'conv' else ''}; '{layer.text}' has none"
        )
    return pair(window, "a window"), number


def windows(layer: Layer, shape: Shape, f: tuple[int, int], stride: float, notes: list[str]) -> tuple[Window, Window]:
    """The size formula on both axes, with the stride, padding and dilation that were written."""
    s = pair(layer.options.get("s", (stride,)), "a stride")
    d = pair(layer.options.get("d", (1,)), "a dilation")
    p = pair(layer.options.get("p", (0,)), "a padding", least=0)
    if "same" in layer.flags:
        if "p" in layer.options or "valid" in layer.flags:
            raise NotationError(f"the padding is given twice: '{layer.text}'")
        p = tuple((f[i] - 1) * d[i] // 2 for i in (0, 1))
        if any((f[i] - 1) * d[i] % 2 for i in (0, 1)):
            raise GeometryError(
                f"same padding is (f − 1)/2 on each side, so f must be odd, but f is {f[0]}×{f[1]}; write p, or an odd window"
            )
    if "valid" in layer.flags and "p" in layer.options:
        raise NotationError(f"valid means no padding, but '{layer.text}' also gives p")
    rows, columns = (Window(shape[i + 1], f[i], s[i], (p[i], p[i]), d[i], "ceil" in layer.flags) for i in (0, 1))
    if note := left_over(rows, columns):
        notes.append(f"{layer.text}: {note}")
    return rows, columns


def convolution(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    channels, height, width = need_map(layer, shape)
    if layer.word == "pointwise":
        take(layer, "nobias", "n g", 1)
        number = layer.options.get("n", (*layer.numbers, None))[0]
        layer = replace(
            layer,
            sizes=[(1, 1)],
            numbers=[] if number is None else [number],
            options={k: v for k, v in layer.options.items() if k == "g"},
        )
    else:
        take(
            layer,
            "same valid nobias zero reflect replicate circular",
            "s p d f n" + (" g" if layer.word == "conv" else ""),
            2,
        )
    f, number = filters(layer)
    if layer.word == "depthwise":
        number, groups = channels * whole(number or 1, "filters per channel"), channels
    elif number is None:
        raise NotationError(
            f"{layer.word} needs its number of filters, as in conv {f[0]}x{f[1]}x16; '{layer.text}' has none"
        )
    else:
        groups = whole(option(layer, "g", 1), "groups")
    number = whole(number, "the number of filters")
    if channels % groups or number % groups:
        raise GeometryError(
            f"groups must divide the channels that arrive and the filters, but {groups} groups get {channels} channels and {number} filters"
        )
    rows, columns = windows(layer, shape, f, 1, notes)
    border = [BORDERS[flag] for flag in layer.flags if flag in BORDERS]
    if len(border) > 1:
        raise NotationError(f"a convolution has one border, but '{layer.text}' names {len(border)}")
    check_border((border or ["zeros"])[0], rows, columns)
    module = nn.Conv2d(
        channels,
        number,
        f,
        (rows.s, columns.s),
        (rows.p[0], columns.p[0]),
        (rows.dilation, columns.dilation),
        groups,
        bias="nobias" not in layer.flags,
        padding_mode=(border or ["zeros"])[0],
        device="meta",
    )
    return module, (number, rows.out, columns.out)


def check_border(border: str, *axes: Window) -> None:
    for axis in axes:
        limit = {"reflect": axis.n - 1, "circular": axis.n}.get(border)
        if limit is not None and axis.p[0] > limit:
            raise GeometryError(
                f"a {border} border can be at most {limit} wide on a side of {axis.n}, but p is {axis.p[0]}"
            )


def pooling(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    take(layer, "ceil same valid", "s p f" + (" d" if layer.word == "maxpool" else ""), 1)
    channels, _, _ = need_map(layer, shape)
    f, number = filters(layer)
    if number is not None:
        raise NotationError(
            f"pooling keeps the number of channels, so it takes only a window, but '{layer.text}' gives {number:g} filters"
        )
    stride = layer.options.get("s", f)
    rows, columns = windows(replace(layer, options={**layer.options, "s": tuple(stride)}), shape, f, 1, notes)
    for axis in (rows, columns):
        if axis.p[0] > axis.f // 2:
            raise GeometryError(
                f"padding of a pool can be at most half its window, {axis.f // 2}, but p is {axis.p[0]}"
            )
    steps, padding = (rows.s, columns.s), (rows.p[0], columns.p[0])
    if layer.word == "maxpool":
        module: nn.Module = nn.MaxPool2d(f, steps, padding, (rows.dilation, columns.dilation), ceil_mode=rows.ceil)
    else:
        module = nn.AvgPool2d(f, steps, padding, ceil_mode=rows.ceil)
    return module, (channels, rows.out, columns.out)


def whole_picture(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    channels, _, _ = need_map(layer, shape)
    take(layer, numbers=1 if layer.word == "adaptpool" else 0)
    if layer.word == "globalmaxpool":
        return nn.AdaptiveMaxPool2d(1), (channels, 1, 1)
    if layer.word == "globalpool":
        return nn.AdaptiveAvgPool2d(1), (channels, 1, 1)
    if not layer.sizes and not layer.numbers:
        raise NotationError("adaptpool needs the size that it makes, as in adaptpool 7x7")
    out = pair(layer.sizes[0] if layer.sizes else tuple(layer.numbers), "the size of adaptpool")
    return nn.AdaptiveAvgPool2d(out), (channels, *out)


def normalisation(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    if layer.word == "lrn":
        take(layer, options="n alpha beta k", numbers=1)
        need_map(layer, shape)
        number = whole(layer.numbers[0] if layer.numbers else option(layer, "n", 5), "the channels of lrn")
        alpha, beta, k = option(layer, "alpha", 1e-4), option(layer, "beta", 0.75), option(layer, "k", 1)
        return nn.LocalResponseNorm(number, alpha, beta, k), shape
    take(layer, options="eps momentum" if layer.word == "bn" else "eps")
    if layer.word == "layernorm":
        need_map(layer, shape)
        return ChannelNorm(shape[0], option(layer, "eps", 1e-6), device="meta"), shape
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    return kind(shape[0], option(layer, "eps", 1e-5), option(layer, "momentum", 0.1), device="meta"), shape


def activation(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    take(layer)
    return ACTIVATIONS[layer.word](), shape


def chance(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    take(layer, options="p", numbers=1)
    p = layer.numbers[0] if layer.numbers else option(layer, "p", 0.5)
    if not 0 <= p < 1:
        raise NotationError(f"{layer.word} leaves out a part of at least 0 and below 1, but {p:g} is written")
    return nn.Dropout(p) if layer.word == "dropout" else DropPath(p), shape


def flat(shape: Shape) -> Shape:
    features = 1
    for part in shape:
        features *= part
    return (features,)


def flatten(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    take(layer)
    return nn.Flatten(), flat(shape)


def fully_connected(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    take(layer, "nobias", "n", 1)
    number = option(layer, "n", layer.numbers[0] if layer.numbers else 0)
    if not number:
        raise NotationError(f"fc needs its number of outputs, as in fc 10; '{layer.text}' has none")
    number = whole(number, "the outputs of fc")
    return nn.Linear(shape[0], number, bias="nobias" not in layer.flags, device="meta"), (number,)


def widen(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    take(layer, options="s n", numbers=1)
    channels, height, width = need_map(layer, shape)
    number = whole(layer.numbers[0] if layer.numbers else option(layer, "n", channels), "the channels of widen")
    stride = whole(option(layer, "s", 1), "a stride")
    if number < channels:
        raise GeometryError(f"widen can only add channels, but {channels} arrive and {number} are asked for")
    return Widen(channels, number, stride), (number, -(-height // stride), -(-width // stride))


def scale(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    take(layer, numbers=1)
    need_map(layer, shape)
    return Scale(shape[0], layer.numbers[0] if layer.numbers else 1.0, device="meta"), shape


def plain(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    take(layer)
    if layer.word == "softmax":
        return nn.Softmax(dim=1), shape
    return nn.Identity(), shape


MAKERS: dict[str, Callable[[Layer, Shape, list[str]], Made]] = {
    **dict.fromkeys(("conv", "depthwise", "pointwise"), convolution),
    **dict.fromkeys(("maxpool", "avgpool"), pooling),
    **dict.fromkeys(("globalpool", "globalmaxpool", "adaptpool"), whole_picture),
    **dict.fromkeys(("lrn", "bn", "layernorm"), normalisation),
    **dict.fromkeys(ACTIVATIONS, activation),
    **dict.fromkeys(("dropout", "droppath"), chance),
    "flatten": flatten,
    "fc": fully_connected,
    "widen": widen,
    "scale": scale,
    **dict.fromkeys(("softmax", "identity"), plain),
}
