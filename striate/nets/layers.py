"""Each layer of the notation: how its numbers become a PyTorch module, and what size comes out.

Every maker takes what was written and the size that arrives, (channels, height, width) or (features,), and returns the
module and the size that leaves. Modules are made on the meta device; memory and values come later (`first_weights.py`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from torch import nn

from striate.errors import GeometryError, NotationError
from striate.nets.details import Shape, filters, flat, need_map, option, pair, single, take, whole, windows
from striate.nets.grammar import Layer
from striate.nets.modules import ChannelNorm, DropPath, Scale, Widen
from striate.ops.size import Window

Made = tuple[nn.Module, Shape]

Border = Literal["zeros", "reflect", "replicate", "circular"]
BORDERS: dict[str, Border] = {
    "zero": "zeros",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}
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


def convolution(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    channels, _, _ = need_map(layer, shape)
    groups = " g" if layer.word == "conv" else ""
    take(layer, "same valid nobias zero reflect replicate circular", "s p d f n" + groups, 2)
    f, number = filters(layer)
    if layer.word == "depthwise":
        if number is not None:
            raise NotationError(
                f"depthwise has one filter for each channel, but '{layer.text}' gives {number:g}; "
                f"conv {f[0]}x{f[1]}x{channels * 2} g{channels} has two"
            )
        number, groups = channels, channels
    elif number is None:
        raise NotationError(
            f"{layer.word} needs its number of filters, as in conv {f[0]}x{f[1]}x16; '{layer.text}' has none"
        )
    else:
        groups = whole(option(layer, "g", 1), "groups")
    number = whole(number, "the number of filters")
    if channels % groups or number % groups:
        raise GeometryError(
            f"groups must divide the channels that arrive and the filters, "
            f"but {groups} groups get {channels} channels and {number} filters"
        )
    rows, columns = windows(layer, shape, f, notes)
    borders: list[Border] = [BORDERS[flag] for flag in layer.flags if flag in BORDERS]
    if len(borders) > 1:
        raise NotationError(f"a convolution has one border, but '{layer.text}' names {len(borders)}")
    border: Border = borders[0] if borders else "zeros"
    check_border(border, rows, columns)
    module = nn.Conv2d(
        channels,
        number,
        f,
        (rows.s, columns.s),
        (rows.p[0], columns.p[0]),
        (rows.dilation, columns.dilation),
        groups,
        bias="nobias" not in layer.flags,
        padding_mode=border,
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
            "pooling keeps the number of channels, so it takes only a window, "
            f"but '{layer.text}' gives {number:g} filters"
        )
    stride = layer.options.get("s", f)
    rows, columns = windows(replace(layer, options={**layer.options, "s": tuple(stride)}), shape, f, notes)
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
        number = whole(single(layer, "n", 5) or 0, "the channels of lrn")
        alpha, beta, k = option(layer, "alpha", 1e-4), option(layer, "beta", 0.75), option(layer, "k", 1.0)
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
    p = single(layer, "p", 0.5)
    if p is None or not 0 <= p < 1:
        raise NotationError(f"{layer.word} leaves out a part of at least 0 and below 1, but {p:g} is written")
    return nn.Dropout(p) if layer.word == "dropout" else DropPath(p), shape


def flatten(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    take(layer)
    return nn.Flatten(), flat(shape)


def fully_connected(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    take(layer, "nobias", "n", 1)
    number = single(layer, "n")
    if number is None:
        raise NotationError(f"fc needs its number of outputs, as in fc 10; '{layer.text}' has none")
    number = whole(number, "the outputs of fc")
    return nn.Linear(shape[0], number, bias="nobias" not in layer.flags, device="meta"), (number,)


def widen(layer: Layer, shape: Shape, notes: list[str]) -> Made:
    take(layer, options="s n", numbers=1)
    channels, height, width = need_map(layer, shape)
    number = whole(single(layer, "n", channels) or 0, "the channels of widen")
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
    **dict.fromkeys(("conv", "depthwise"), convolution),
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
