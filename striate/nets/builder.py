"""From a parsed text to modules: the size of each layer's output is the size of the next one's input."""

from torch import nn

from striate.errors import GeometryError, NotationError
from striate.nets.details import Shape, flat, show
from striate.nets.grammar import Group, Layer
from striate.nets.layers import MAKERS
from striate.nets.modules import Auxiliary, Branches, Gate, Residual
from striate.show.numbers import show_size

MOST = 10_000  # layers of a network


class Builder:
    """Makes modules one after the other and keeps the size that arrives at the next."""

    def __init__(self, shape: Shape, notes: list[str]):
        self.shape = shape
        self.notes = notes
        self.count = 0
        self.paths = 0  # how many groups of several paths are open
        self.contradicted = False  # a size that the text prints is not what the formula gives
        self.linear: str | None = None  # the last layer with weights, while nothing bends its output

    def sequence(self, items: list[Layer | Group]) -> nn.Sequential:
        modules: list[nn.Module] = []
        for item in items:
            modules += self.layer(item) if isinstance(item, Layer) else [self.group(item)]
            if isinstance(item, Group):
                self.linear = None  # what a block ends with is its own affair (linear bottlenecks)
        return nn.Sequential(*modules)

    def layer(self, layer: Layer) -> list[nn.Module]:
        self.count += 1
        if self.count > MOST:
            raise NotationError(f"a network can have {MOST:,} layers, but with its repetitions this one has more")
        modules: list[nn.Module] = []
        left_over: list[str] = []
        try:
            if layer.word == "fc" and len(self.shape) == 3:
                modules.append(nn.Flatten())
                self.shape = flat(self.shape)
            module, after = MAKERS[layer.word](layer, self.shape, left_over)
        except (GeometryError, NotationError) as mistake:
            raise type(mistake)(f"layer {self.count}, '{layer.text}', gets {show(self.shape)}: {mistake}") from None
        except RuntimeError as mistake:  # PyTorch cannot count the bytes of its weights
            raise GeometryError(
                f"layer {self.count}, '{layer.text}', has more weights than can be counted"
            ) from mistake
        if not self.paths:  # rows that one of several paths leaves over are seen by another
            self.notes += left_over
        self.remark(layer, after)
        self.shape = after
        return [*modules, module]

    def remark(self, layer: Layer, after: Shape) -> None:
        """Note what is allowed and probably not meant."""
        claim = layer.claim
        if claim and not self.contradicted and claim != (*after[1:], after[0]) and flat(claim) != flat(after):
            self.contradicted = True  # what follows from the first difference differs, too
            self.notes.append(f"{layer.text}: the text says {show_size(claim)}, the formula gives {show(after)}")
        if layer.word in ("conv", "fc"):
            if self.linear:
                self.notes.append(
                    f"{layer.text}: no activation stands between it and '{self.linear}', "
                    "and two linear layers in a row equal one; add relu"
                )
            self.linear = layer.text
        elif layer.word not in ("flatten", "dropout", "avgpool", "globalpool", "bn", "identity"):
            self.linear = None

    def group(self, group: Group) -> nn.Module:
        self.linear = None
        if group.kind == "block":
            return self.sequence(group.parts[0])
        before = self.shape
        parts: list[nn.Module] = []
        shapes: list[Shape] = []
        self.paths += 1
        for part in group.parts:
            self.shape, self.linear = before, None
            parts.append(self.sequence(part) if part else nn.Identity())
            shapes.append(self.shape)
        self.paths -= 1
        self.shape = before
        try:
            return getattr(self, group.kind)(parts, shapes, before)
        except GeometryError as mistake:
            raise GeometryError(f"layer {self.count} ends a group: {mistake}") from None

    def aux(self, parts: list[nn.Module], shapes: list[Shape], before: Shape) -> Auxiliary:
        return Auxiliary(parts[0])

    def gate(self, parts: list[nn.Module], shapes: list[Shape], before: Shape) -> Gate:
        (gate,) = shapes
        if len(gate) != 3 or gate[0] not in (1, before[0]) or gate[1:] not in ((1, 1), before[1:]):
            raise GeometryError(
                f"a gate multiplies its input, {show(before)}, by {before[0]} channels of 1×1 or of the same size, "
                f"but gets {show(gate)}"
            )
        return Gate(parts[0])

    def concat(self, parts: list[nn.Module], shapes: list[Shape], before: Shape) -> Branches:
        if len({shape[1:] for shape in shapes}) > 1 or any(len(shape) != 3 for shape in shapes):
            sizes = ", ".join(show(shape) for shape in shapes)
            raise GeometryError(
                f"branches are stacked by channel, so height and width must agree, but they are {sizes}"
            )
        self.shape = (sum(shape[0] for shape in shapes), *shapes[0][1:])
        return Branches(parts)

    def sum(self, parts: list[nn.Module], shapes: list[Shape], before: Shape) -> Residual:
        body, shortcut = (shapes[0], before) if len(parts) == 1 else shapes
        if body != shortcut:
            written, hint = ("its input", remedy(before, body)) if len(parts) == 1 else ("its shortcut", "")
            raise GeometryError(
                f"a residual block adds {written}, {show(shortcut)}, to its body's output, {show(body)}, "
                f"so they must be equal{hint}"
            )
        self.shape = body
        return Residual(parts[0], parts[1] if len(parts) == 2 else nn.Identity())

    def check_end(self) -> None:
        if len(self.shape) == 3:
            self.notes.append(
                f"the network ends in a map of {show(self.shape)}; "
                "end it with fc, or with globalpool and flatten, to classify"
            )


def remedy(before: Shape, body: Shape) -> str:
    """What would make a residual body fit its input."""
    if len(before) != 3 or len(body) != 3:
        return ""
    stride = max(1, round(before[1] / body[1]))
    if any(-(-before[axis] // stride) != body[axis] for axis in (1, 2)):
        return "; same padding in its convolutions keeps height and width"
    return f"; ( … | conv 1x1x{body[0]}{f' s{stride}' if stride > 1 else ''} )+ would fit"
