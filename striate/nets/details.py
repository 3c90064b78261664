"""What is written beside a layer, read and checked: windows, strides, numbers. Nothing that is written is ignored."""

import math
from collections.abc import Sequence

from striate.errors import GeometryError, NotationError
from striate.nets.grammar import Layer
from striate.ops.size import Window, left_over
from striate.show.numbers import show_size

LARGEST = 10_000_000  # of a size or a number of filters
Shape = tuple[int, ...]  # (channels, height, width) or (features,)


def show(shape: Shape) -> str:
    """A size inside (channels first) as people write it: 28×28×6."""
    return show_size((*shape[1:], shape[0])) if len(shape) == 3 else f"a vector of {shape[0]:,}"


def flat(shape: Shape) -> Shape:
    """The same numbers as one vector."""
    return (math.prod(shape),)


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
    if not math.isfinite(value) or value != int(value) or value < least:
        raise NotationError(f"{what} must be a whole number of at least {least}, but is {value:g}")
    if value > LARGEST:
        raise NotationError(f"{what} can be at most {LARGEST:,}, but is {value:,.15g}")
    return int(value)


def pair(values: Sequence[float], what: str, least: int = 1) -> tuple[int, int]:
    if len(values) > 2:
        raise NotationError(
            f"{what} is one number, or height x width, but {'x'.join(f'{v:g}' for v in values)} is written"
        )
    return whole(values[0], what, least), whole(values[-1], what, least)


def option(layer: Layer, name: str, default: float = 0) -> float:
    values = layer.options.get(name, (default,))
    if len(values) != 1:
        raise NotationError(f"{name} is one number, but {'x'.join(f'{v:g}' for v in values)} is written")
    return values[0]


def single(layer: Layer, name: str, default: float | None = None) -> float | None:
    """The one number of a layer, written plainly or as an option."""
    written = [*layer.numbers, *layer.options.get(name, ())]
    if len(written) > 1:
        raise NotationError(f"{layer.word} takes one number, but '{layer.text}' has {len(written)}")
    return written[0] if written else default


def filters(layer: Layer) -> tuple[tuple[int, int], float | None]:
    """The window and the number of filters, from 5x5x6, from 5x5 with 6 beside it, or from f5 n6."""
    window: Sequence[float] | None = layer.options.get("f")
    numbers = [*layer.numbers, *layer.options.get("n", ())]
    for size in layer.sizes:
        if window is not None or len(size) > 3:
            raise NotationError(
                f"a window is written height x width x filters, as in 5x5x6, but '{layer.text}' is written"
            )
        window, numbers = size[:2], [*size[2:], *numbers]
    if window is None and layer.word != "conv" and numbers:
        window, numbers = numbers[:1], numbers[1:]
    if len(numbers) > 1:
        raise NotationError(f"{layer.word} has one number too many: '{layer.text}'")
    if window is None:
        raise NotationError(
            f"{layer.word} needs its window, as in {layer.word} 5x5{'x6' if layer.word == 'conv' else ''}; "
            f"'{layer.text}' has none"
        )
    return pair(window, "a window"), numbers[0] if numbers else None


def windows(layer: Layer, shape: Shape, f: tuple[int, int], notes: list[str]) -> tuple[Window, Window]:
    """The size formula on both axes, with the stride, padding and dilation that were written."""
    s = pair(layer.options.get("s", (1,)), "a stride")
    d = pair(layer.options.get("d", (1,)), "a dilation")
    p = pair(layer.options.get("p", (0,)), "a padding", least=0)
    if "same" in layer.flags:
        if "p" in layer.options or "valid" in layer.flags:
            raise NotationError(f"the padding is given twice: '{layer.text}'")
        p = ((f[0] - 1) * d[0] // 2, (f[1] - 1) * d[1] // 2)
        if any((f[i] - 1) * d[i] % 2 for i in (0, 1)):
            raise GeometryError(
                f"same padding is (f − 1)/2 on each side, so f must be odd, but f is {f[0]}×{f[1]}; "
                "write p, or an odd window"
            )
    if "valid" in layer.flags and "p" in layer.options:
        raise NotationError(f"valid means no padding, but '{layer.text}' also gives p")
    rows, columns = (Window(shape[i + 1], f[i], s[i], (p[i], p[i]), d[i], "ceil" in layer.flags) for i in (0, 1))
    if note := left_over(rows, columns):
        notes.append(f"{layer.text}: {note}")
    return rows, columns
