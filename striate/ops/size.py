"""The size formula: floor((n + 2p − f) / s) + 1, per axis, with the numbers put in and what does not fit.

One place computes it, for the operators, the layer notation and the explanations of the ledger.
"""

import re
from dataclasses import dataclass

from striate.errors import GeometryError

LARGEST = 1_000_000  # of a side, or of channels


@dataclass(frozen=True)
class Window:
    """A window of `f` sliding over one axis of `n` positions.

    Parameters
    ----------
    n
        positions on the axis
    f
        positions that the window covers
    s
        step from one window to the next (stride)
    p
        positions added before and after the axis (padding)
    dilation
        distance between neighbouring positions inside the window
    ceil
        let the last window run over the end (pooling in GoogLeNet)

    >>> Window(7, 3, s=2).out
    3
    """

    n: int
    f: int
    s: int = 1
    p: tuple[int, int] = (0, 0)
    dilation: int = 1
    ceil: bool = False

    def __post_init__(self):
        for name, value in (("size", self.n), ("window", self.f), ("stride", self.s), ("dilation", self.dilation)):
            if value < 1:
                raise GeometryError(f"a {name} must be at least 1, but is {value}")
        if min(self.p) < 0:
            raise GeometryError(f"a padding must be at least 0, but is {min(self.p)}")
        if self.slack < 0:
            raise GeometryError(self._too_large())

    @property
    def reach(self) -> int:
        """Positions from the window's first to its last, gaps of dilation included."""
        return (self.f - 1) * self.dilation + 1

    @property
    def slack(self) -> int:
        """n + 2p − f: how far the window can slide."""
        return self.n + sum(self.p) - self.reach

    @property
    def out(self) -> int:
        """How many places the window takes: the output size."""
        if not self.ceil:
            return self.slack // self.s + 1
        places = -(-self.slack // self.s) + 1
        # a last window that would start behind the picture sees only padding, and is dropped
        return places - 1 if (places - 1) * self.s >= self.n + self.p[0] else places

    @property
    def unseen(self) -> int:
        """Rows (or columns) of the picture itself, not of the padding, that no window reaches at the end."""
        return max(0, self.slack - (self.out - 1) * self.s - self.p[1])

    @property
    def beyond(self) -> int:
        """How far the last window runs over the padded end, where `ceil` lets it."""
        return max(0, (self.out - 1) * self.s - self.slack)

    @property
    def exact(self) -> bool:
        """Whether s divides n + 2p − f."""
        return self.slack % self.s == 0

    @property
    def formula(self) -> str:
        """The formula with the numbers put in: '(7 + 2·0 − 3)/2 + 1 = 3'."""
        padding = f"2·{self.p[0]}" if self.p[0] == self.p[1] else f"{self.p[0]} + {self.p[1]}"
        window = f"{self.f}" if self.dilation == 1 else f"{self.reach}"
        value = self.slack / self.s + 1
        result = f"{value:.0f}" if self.exact else f"{value:.2f} → {self.out}"
        return f"({self.n} + {padding} − {window})/{self.s} + 1 = {result}"

    def _too_large(self) -> str:
        have = self.n + sum(self.p)
        what = f"{self.n} + {self.p[0]} + {self.p[1]} = {have}" if sum(self.p) else f"{self.n}"
        needed = -(-(self.reach - self.n) // 2)
        reach = (
            f"{self.f}" if self.dilation == 1 else f"{self.f} with dilation {self.dilation}, which spans {self.reach},"
        )
        return (
            f"a window must not be larger than the padded picture: {reach} on {what} leaves no output; "
            f"f {(have - 1) // self.dilation + 1} or less, p {needed} or more, or a larger picture would fit"
        )


def same_padding(f: int, dilation: int = 1) -> tuple[int, int]:
    """Padding before and after an axis that keeps its size at stride 1: (f − 1)/2 for an odd f.

    An even window needs one position more after than before. With a stride s the output is ⌈n/s⌉.

    >>> same_padding(5), same_padding(4)
    ((2, 2), (1, 2))
    """
    total = (f - 1) * dilation
    return total // 2, total - total // 2


def left_over(rows: Window, columns: Window) -> str | None:
    """A sentence about rows and columns that no window sees, and what would fit; None where all are seen."""
    if not rows.unseen and not columns.unseen:
        return None
    parts = [count(w.unseen, name) for w, name in ((rows, "row"), (columns, "column")) if w.unseen]
    worst = rows if rows.unseen else columns
    verb = "is" if len(parts) == 1 and max(rows.unseen, columns.unseen) == 1 else "are"
    hint = " or ".join(fitting(rows, columns))
    return f"{worst.formula}: {' and '.join(parts)} {verb} never seen; {hint} would fit"


def fitting(rows: Window, columns: Window) -> list[str]:
    """Settings near these for which s divides n + 2p − f on both axes.

    >>> fitting(Window(7, 3, s=3), Window(7, 3, s=3))
    ['p 1', 's 2', 'a side of 9']
    """
    axes = (rows, columns)
    paddings = range(1, min(rows.f, columns.f) // 2 + 1)
    strides = sorted(range(1, max(rows.f, columns.f) + 1), key=lambda s: abs(s - rows.s))
    found = [f"p {p}" for p in paddings if all((a.n + 2 * p - a.reach) % a.s == 0 for a in axes)][:1]
    found += [f"s {s}" for s in strides if all(a.slack % s == 0 for a in axes)][:1]
    sides = [a.n + -a.slack % a.s for a in axes]
    return [*found, f"a side of {sides[0]}" if sides[0] == sides[1] else f"{sides[0]}×{sides[1]}"]


def count(number: int, noun: str) -> str:
    """'1 row', '2 rows'."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def parse_size(text: str) -> tuple[int, ...]:
    """Read a size as people write it: '227x227x3', '5×5', '7'.

    >>> parse_size("32x32x3")
    (32, 32, 3)
    """
    if not re.fullmatch(r"\s*-?\d{1,18}(\s*[x×X*]\s*-?\d{1,18})*\s*", text):
        raise GeometryError(f"a size is written height×width×channels, as in 227x227x3, but is '{text}'")
    size = tuple(int(part) for part in re.split(r"[x×X*]", text))
    if not 1 <= min(size) <= max(size) <= LARGEST:
        rule = f"every part of a size must be at least 1 and at most {LARGEST:,}"
        raise GeometryError(f"{rule}, but the size is {text.strip()}")
    return size
