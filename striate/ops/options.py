"""What one types as an option, as numbers: strides, paddings, pixels."""

import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from striate.errors import GeometryError
from striate.ops.windows import Padding, PerAxis


def read_axes(name: str, text: str) -> tuple[int, int]:
    """One number for both axes, or vertical×horizontal: '2' or '2x1'."""
    parts = re.fullmatch(r"(-?\d{1,9})(?:[x×](-?\d{1,9}))?", text.strip())
    if not parts:
        raise GeometryError(f"a {name} is a whole number, or two as in 2x1 (vertical×horizontal), but is '{text}'")
    down = int(parts[1])
    right = down if parts[2] is None else int(parts[2])
    if min(down, right) < (0 if name == "padding" else 1):
        raise GeometryError(f"a {name} must be at least {0 if name == 'padding' else 1}, but is {text.strip()}")
    return down, right


def read_padding(text: str) -> Padding:
    """One amount, vertical×horizontal, top,bottom,left,right, 'valid' or 'same'."""
    word = text.strip()
    if word == "valid" or word == "same":
        return word
    sides = re.fullmatch(r"(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})", re.sub(r"\s", "", word))
    if sides:
        top, bottom, left, right = map(int, sides.groups())
        return (top, bottom), (left, right)
    try:
        down, right = read_axes("padding", word)
    except GeometryError as error:
        rule = "a padding is 0 or more (1), vertical×horizontal (1x2), top,bottom,left,right (1,1,2,2), valid or same"
        raise GeometryError(f"{rule}, but is '{text}'") from error
    return (down, down), (right, right)


def read_place(text: str) -> tuple[int, int]:
    """A pixel as row,column, counted from 0."""
    parts = re.fullmatch(r"\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*", text)
    if not parts:
        raise GeometryError(f"a pixel is given as row,column counted from 0, as in 2,3, but is '{text}'")
    return int(parts[1]), int(parts[2])


def _typed(read, shown: str, *names: str) -> Parameter:
    """An option whose text `read` turns into numbers; it explains negative numbers itself."""
    return Parameter(
        name=names,
        converter=lambda _, tokens: read(tokens[0].value),
        n_tokens=1,
        allow_leading_hyphen=True,
        negative="",
        metavar=shown,
        show_choices=False,
    )


Stride = Annotated[PerAxis, _typed(lambda text: read_axes("stride", text), "STEP", "--stride", "-s")]
Size = Annotated[PerAxis, _typed(lambda text: read_axes("window", text), "SIZE", "--size", "-f")]
Dilation = Annotated[PerAxis, _typed(lambda text: read_axes("dilation", text), "DISTANCE", "--dilation", "-d")]
Amounts = Annotated[Padding, _typed(read_padding, "AMOUNT", "--padding", "-p")]
Place = Annotated[tuple[int, int] | None, _typed(read_place, "ROW,COL", "--show-work")]
Output = Annotated[Path | None, Parameter(name=("--output", "-o"), metavar="FILE")]
KernelText = Annotated[str, Parameter(allow_leading_hyphen=True, metavar="KERNEL")]
KernelTexts = Annotated[
    list[str] | None, Parameter(name="--kernel", allow_leading_hyphen=True, negative="", metavar="KERNEL")
]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]
