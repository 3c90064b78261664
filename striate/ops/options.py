"""The options that the commands share: what is typed, as numbers."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from striate.ops.windows import Padding, PerAxis
from striate.ops.words import read_axes, read_padding, read_place


def _typed(read, *names: str) -> Parameter:
    """An option whose text `read` turns into numbers; it explains negative numbers itself."""
    return Parameter(
        name=names,
        converter=lambda _, tokens: read(tokens[0].value),
        n_tokens=1,
        allow_leading_hyphen=True,
        negative="",
    )


Stride = Annotated[PerAxis, _typed(lambda text: read_axes("stride", text), "--stride", "-s")]
Size = Annotated[PerAxis, _typed(lambda text: read_axes("window", text), "--size", "-f")]
Dilation = Annotated[PerAxis, _typed(lambda text: read_axes("dilation", text), "--dilation", "-d")]
Amounts = Annotated[Padding, _typed(read_padding, "--padding", "-p")]
Place = Annotated[tuple[int, int] | None, _typed(read_place, "--show-work")]
Output = Annotated[Path | None, Parameter(name=("--output", "-o"))]
KernelText = Annotated[str, Parameter(allow_leading_hyphen=True)]
KernelTexts = Annotated[list[str] | None, Parameter(name="--kernel", allow_leading_hyphen=True, negative="")]
Flag = Annotated[bool, Parameter(negative="")]
