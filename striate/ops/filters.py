"""Edge filters, with their sign: where the answer is positive, and where it is negative."""

from dataclasses import dataclass
from fractions import Fraction
from math import isfinite, nan

import numpy as np

from striate.errors import GeometryError, StriateError, UnknownName

Rows = tuple[tuple[float, ...], ...]
OPPOSITE = {
    "on the left": "on the right",
    "above": "below",
    "at the top left": "at the bottom right",
    "at the top right": "at the bottom left",
    "around the pixel": "around the pixel",  # turning this filter by 180° changes nothing
}
OPPOSITE |= {there: here for here, there in OPPOSITE.items()}


@dataclass(frozen=True)
class Kernel:
    """The weights of a filter on one channel, and what they answer to.

    Parameters
    ----------
    name
        as one types it
    rows
        the weights
    lighter
        where the picture must be lighter for a positive answer; empty for a kernel written out in numbers
    remark
        what else to know of its sign
    """

    name: str
    rows: Rows
    lighter: str = ""
    remark: str = ""

    @property
    def weights(self) -> np.ndarray:
        """(height, width)."""
        return np.array(self.rows, float)

    @property
    def signed(self) -> bool:
        """Whether even areas give 0, so that an answer's sign tells the direction of an edge."""
        return abs(self.weights.sum()) < 1e-9

    def colours(self, flip: bool = False) -> str:
        """What red and blue mean where positive is red, in words; empty where the name does not say."""
        if not self.lighter:
            return ""
        here = OPPOSITE[self.lighter] if flip else self.lighter
        if here == OPPOSITE[here]:
            return f"red: lighter {here}; blue: darker"
        return f"red: lighter {here}; blue: {OPPOSITE[here]}"

    def sign(self, flip: bool = False) -> str:
        """Where the answer is positive, in words."""
        if self.lighter == "around the pixel":
            return "+ where the surroundings are lighter than the pixel, − where they are darker"
        if self.lighter:
            here = OPPOSITE[self.lighter] if flip else self.lighter
            return f"+ where it is lighter {here}, − where it is lighter {OPPOSITE[here]}"
        if self.signed:
            return "not told by a name; the weights add up to 0, so even areas give 0"
        return f"none; the weights add up to {self.weights.sum():.3g}, so even areas give that times their value"

    def remarks(self, flip: bool = False) -> list[str]:
        """How the filter lies on the picture, its sign, and what else to know of it."""
        how = "true convolution: filter turned by 180°" if flip else "cross-correlation: the filter is not flipped"
        return [how, f"sign: {self.sign(flip)}"] + ([f"{self.name}: {self.remark}"] if self.remark else [])


def _derivative(name: str, side: tuple[float, float, float]) -> tuple[Kernel, Kernel]:
    """The two usual filters for the slope along x and y: (−1 0 1) across, `side` along the edge."""
    across = (-1.0, 0.0, 1.0)
    x = tuple(tuple(s * a for a in across) for s in side)
    y = tuple(tuple(s * a for s in side) for a in across)
    return (
        Kernel(f"{name}-x", x, "on the right", "the usual sign of a slope; vertical (1 0 −1) has the opposite one"),
        Kernel(
            f"{name}-y", y, "below", "the usual sign of a slope; horizontal (1 above, −1 below) has the opposite one"
        ),
    )


_ALL = (
    Kernel("vertical", ((1, 0, -1),) * 3, "on the left", "sobel-x (−1 0 1) has the opposite sign"),
    Kernel("horizontal", ((1, 1, 1), (0, 0, 0), (-1, -1, -1)), "above", "sobel-y has the opposite sign"),
    Kernel("diagonal-up", ((1, 1, 0), (1, 0, -1), (0, -1, -1)), "at the top left", "edges that rise, /, +45°"),
    Kernel("diagonal-down", ((0, 1, 1), (-1, 0, 1), (-1, -1, 0)), "at the top right", "edges that fall, \\, −45°"),
    *_derivative("sobel", (1, 2, 1)),
    *_derivative("scharr", (3, 10, 3)),
    *_derivative("prewitt", (1, 1, 1)),
    Kernel("laplacian", ((0, 1, 0), (1, -4, 1), (0, 1, 0)), "around the pixel", "answers to edges of every direction"),
)
KERNELS = {kernel.name: kernel for kernel in _ALL}


def find_kernel(text: str) -> Kernel:
    """A kernel by its name, or written out row by row.

    Parameters
    ----------
    text
        a name such as sobel-x, or numbers such as "1 0 -1; 1 0 -1; 1 0 -1" (fractions such as 1/9 too)

    >>> find_kernel("1 0 -1; 2 0 -2").rows
    ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0))
    """
    if text in KERNELS:
        return KERNELS[text]
    if not any(character.isdigit() for character in text):
        raise UnknownName("kernel", text, KERNELS)
    rows = tuple(tuple(_number(word, text) for word in row.replace(",", " ").split()) for row in text.split(";"))
    widths = [len(row) for row in rows]
    if min(widths) == 0 or len(set(widths)) > 1:
        raise GeometryError(
            f"the rows of a kernel have equally many numbers, as in '1 0 -1; 1 0 -1; 1 0 -1', "
            f"but '{text}' has rows of {', '.join(map(str, widths))}"
        )
    return Kernel(text, rows)


def on_channels(kernel: Kernel, channels: int, only: int | None = None) -> np.ndarray:
    """One filter that sees all channels through the same kernel, or one channel alone.

    Parameters
    ----------
    kernel
        what each channel is filtered with; the answers are added up
    channels
        how many channels the picture has
    only
        the channel that counts; the weights of the others are 0

    >>> on_channels(KERNELS["vertical"], 3, only=0).sum(axis=(0, 2)).tolist()  # the vertical edges of red
    [[3.0, 0.0, -3.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    seen = np.ones(channels) if only is None else np.eye(channels)[only]
    return (seen[:, None, None] * kernel.weights)[None]  # (1, channels, height, width)


def _number(word: str, text: str) -> float:
    try:
        value = float(Fraction(word)) if "/" in word else float(word)
    except (ValueError, ZeroDivisionError, OverflowError):
        value = nan
    if not isfinite(value):
        raise StriateError(f"a kernel is a name or rows of finite numbers, but '{word}' in '{text}' is not one")
    return value
