"""A network back to its text: the inverse of `build.py`. What is at its default is not written."""

from itertools import groupby, pairwise

from torch import nn

from striate.errors import NotationError
from striate.nets.layers import ACTIVATIONS, BORDERS
from striate.nets.modules import Auxiliary, Branches, ChannelNorm, DropPath, Gate, Residual, Scale, Widen
from striate.nets.net import Net


def text(network: str, *, input: str | None = None, classes: int | None = None) -> str:
    """Write a network of the zoo as text in the layer notation, to read, copy and change.

    Parameters
    ----------
    network
        its name, or a text to be written in the usual form
    input
        size of a picture, height×width×channels
    classes
        number of outputs

    >>> print(text("lenet5"))
    input 32x32x3
    stage1: conv 5x5x8, relu, maxpool 2
    stage2: conv 5x5x16, relu, maxpool 2
    head: fc 120, relu, fc 84, relu, fc 10
    """
    import torch

    from striate.nets.build import net

    with torch.device("meta"):
        return net(network, input=input, classes=classes).notation


def notation(net: Net) -> str:
    """The text of a network, a stage a line; `net(notation(n))` builds the same network."""
    lines = [f"input {'x'.join(map(str, net.input))}"] if net.input else []
    lines += [f"{name}: {write(stage)}" for name, stage in net.named_children()]
    return "\n".join(lines)


def write(module: nn.Module) -> str:
    """The layers of a sequence, or one group or layer."""
    if isinstance(module, nn.Sequential):
        return ", ".join(repeated(parts(module)))
    return layer(module)


def parts(sequence: nn.Sequential) -> list[str]:
    children = list(sequence)
    texts = [f"({write(child)})" if isinstance(child, nn.Sequential) else layer(child) for child in children]
    # fc flattens by itself
    implied = [isinstance(a, nn.Flatten) and isinstance(b, nn.Linear) for a, b in pairwise(children)]
    return [text for text, drop in zip(texts, [*implied, False], strict=True) if not drop]


def repeated(texts: list[str]) -> list[str]:
    """Equal groups in a row are written once: (…)x3."""
    runs = [(text, len(list(run))) for text, run in groupby(texts)]
    return [part for text, n in runs for part in ([f"{text}x{n}"] if n > 1 and text[0] in "([" else [text] * n)]


def number(name: str, value: float, default: float) -> str:
    return "" if value == default else f" {name}{value:g}" if len(name) == 1 else f" {name} {value:g}"


def both(name: str, value, default) -> str:
    """An option that may differ by axis: s2, p1x0."""
    rows, columns = value if isinstance(value, tuple) else (value, value)
    if (rows, columns) == (default if isinstance(default, tuple) else (default, default)):
        return ""
    return f" {name}{rows}" if rows == columns else f" {name}{rows}x{columns}"


def convolution(m: nn.Conv2d) -> str:
    depthwise = m.groups == m.in_channels > 1 and m.out_channels == m.groups
    head = f"{'depthwise' if depthwise else 'conv'} {m.kernel_size[0]}x{m.kernel_size[1]}" + (
        "" if depthwise else f"x{m.out_channels}"
    )
    groups = "" if depthwise else number("g", m.groups, 1)
    border = next(word for word, mode in BORDERS.items() if mode == m.padding_mode)
    details = both("s", m.stride, 1) + both("p", m.padding, 0) + both("d", m.dilation, 1) + groups
    return head + details + (f" {border}" if border != "zero" else "") + ("" if m.bias is not None else " nobias")


def pool(m: nn.MaxPool2d | nn.AvgPool2d) -> str:
    word = "maxpool" if isinstance(m, nn.MaxPool2d) else "avgpool"
    f = both("", m.kernel_size, 0).strip()
    dilation = both("d", m.dilation, 1) if isinstance(m, nn.MaxPool2d) else ""
    return (
        f"{word} {f}"
        + both("s", m.stride, m.kernel_size)
        + both("p", m.padding, 0)
        + dilation
        + (" ceil" if m.ceil_mode else "")
    )


def layer(m: nn.Module) -> str:
    """One layer or group."""
    match m:
        case nn.Conv2d():
            return convolution(m)
        case nn.MaxPool2d() | nn.AvgPool2d():
            return pool(m)
        case nn.AdaptiveAvgPool2d(output_size=1 | (1, 1)):
            return "globalpool"
        case nn.AdaptiveAvgPool2d():
            return f"adaptpool{both('', m.output_size, None)}"
        case nn.AdaptiveMaxPool2d(output_size=1 | (1, 1)):
            return "globalmaxpool"
        case nn.Linear():
            return f"fc {m.out_features}" + ("" if m.bias is not None else " nobias")
        case nn.LocalResponseNorm():
            return f"lrn {m.size}" + number("alpha", m.alpha, 1e-4) + number("beta", m.beta, 0.75) + number("k", m.k, 1)
        case nn.BatchNorm2d() | nn.BatchNorm1d():
            return "bn" + number("eps", m.eps, 1e-5) + number("momentum", m.momentum or 0, 0.1)
        case ChannelNorm():
            return "layernorm" + number("eps", m.eps, 1e-6)
        case nn.Dropout() | DropPath():
            return f"{'dropout' if isinstance(m, nn.Dropout) else 'droppath'} {m.p:g}"
        case nn.Flatten():
            return "flatten"
        case nn.Softmax():
            return "softmax"
        case nn.Identity():
            return "identity"
        case Scale():
            return f"scale {m.initial:g}"
        case Widen():
            return f"widen {m.after}" + number("s", m.stride, 1)
        case Residual(shortcut=nn.Identity()):
            return f"({write(m.body)})+"
        case Residual():
            return f"({write(m.body)} | {write(m.shortcut)})+"
        case Gate():
            return f"({write(m.body)})*"
        case Branches():
            return f"[{' | '.join('' if isinstance(branch, nn.Identity) else write(branch) for branch in m)}]"
        case Auxiliary():
            return f"aux ({write(m.body)})"
    for word, kind in ACTIVATIONS.items():
        if type(m) is kind:
            return word
    raise NotationError(f"the layer notation has no word for {m}")
