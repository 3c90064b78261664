"""A network back to its text: the inverse of `build.py`. What is at its default is not written."""

from itertools import groupby

from torch import nn

from striate.errors import NotationError, StriateError
from striate.nets.details import Shape
from striate.nets.grammar import Layer, parse
from striate.nets.layers import ACTIVATIONS, BORDERS, MAKERS
from striate.nets.modules import Auxiliary, Branches, ChannelNorm, DropPath, Gate, Residual, Scale, Widen
from striate.nets.net import Net

LARGE = 9_999  # a side on which any window fits


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
    return without_flatten("\n".join(lines))


def without_flatten(text: str) -> str:
    """`fc` flattens a map by itself: the first flatten of a text is not written if fc follows, outside of groups."""
    before, _, after = text.partition("flatten")
    line = before.rpartition("\n")[2]
    inside = sum(line.count(mark) for mark in "([") - sum(line.count(mark) for mark in ")]")
    return before + after.removeprefix(", ") if after.startswith(", fc ") and not inside else text


def write(module: nn.Module) -> str:
    """The layers of a sequence, or one group or layer."""
    if isinstance(module, nn.Sequential):
        parts = [f"({write(child)})" if isinstance(child, nn.Sequential) else group(child) for child in module]
        return ", ".join(repeated(parts))
    return group(module)


def repeated(texts: list[str]) -> list[str]:
    """Equal groups in a row are written once: (…)x3."""
    runs = [(text, len(list(run))) for text, run in groupby(texts)]
    return [part for text, n in runs for part in ([f"{text}x{n}"] if n > 1 and text[0] in "([" else [text] * n)]


def number(name: str, value: float, default: float) -> str:
    return "" if value == default else f" {name}{plain(value)}" if len(name) == 1 else f" {name} {plain(value)}"


def plain(value: float) -> str:
    """All digits of a number that matter, and no more: 2, 0.75, 1e-05."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


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


def group(m: nn.Module) -> str:
    """One group or layer."""
    match m:
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
    return layer(m)


def layer(m: nn.Module) -> str:
    """One layer, if its words make the same layer again."""
    text = words(m)
    try:
        (written,) = parse(text).stages[""]
        made, _ = MAKERS[written.word](written, arriving(m), []) if isinstance(written, Layer) else (None, ())
    except StriateError:
        made = None
    if type(made) is not type(m) or settings(made) != settings(m):
        raise NotationError(f"the layer notation has no words for all settings of {m}")
    return text


def arriving(m: nn.Module) -> Shape:
    """A size that a layer can take."""
    match m:
        case nn.Linear(in_features=features) | nn.BatchNorm1d(num_features=features):
            return (features,)
        case nn.Conv2d(in_channels=channels) | nn.BatchNorm2d(num_features=channels) | Widen(before=channels):
            return (channels, LARGE, LARGE)
        case ChannelNorm() | Scale():
            return (len(m.weight), LARGE, LARGE)
    return (1, LARGE, LARGE)


def settings(m: nn.Module | None) -> dict[str, object]:
    """What a layer was made with; whether it works in place changes no answer."""
    made = {name: value for name, value in vars(m).items() if name[0] != "_" and name not in ("training", "inplace")}
    return {
        name: value[0] if isinstance(value, tuple) and len({*value}) == 1 else value for name, value in made.items()
    }


def words(m: nn.Module) -> str:
    """One layer."""
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
            return f"{'dropout' if isinstance(m, nn.Dropout) else 'droppath'} {plain(m.p)}"
        case nn.Flatten():
            return "flatten"
        case nn.Softmax():
            return "softmax"
        case nn.Identity():
            return "identity"
        case Scale():
            return f"scale {plain(m.initial)}"
        case Widen():
            return f"widen {m.after}" + number("s", m.stride, 1)
    for word, kind in ACTIVATIONS.items():
        if type(m) is kind:
            return word
    raise NotationError(f"the layer notation has no word for {m}")
