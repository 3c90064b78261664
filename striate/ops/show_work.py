"""Numbers laid out as one would write them on paper: small pictures whole, and one output pixel step by step."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Grid:
    """A block of numbers under a title.

    Parameters
    ----------
    title
        a few words
    values
        (height, width)
    outside
        where a value comes from the border, not from the picture; shown in parentheses
    """

    title: str
    values: np.ndarray
    outside: np.ndarray | None = None

    def lines(self) -> list[str]:
        """The title and the rows, all of one width."""
        cells = [[show_number(value, self.values) for value in row] for row in self.values]
        if self.outside is not None and self.outside.any():
            # every cell keeps room for parentheses, so that the columns stay aligned
            marks = [["()" if mark else "  " for mark in row] for row in self.outside]
            cells = [
                [f"{mark[0]}{cell}{mark[1]}" for cell, mark in zip(*pair, strict=True)]
                for pair in zip(cells, marks, strict=True)
            ]
        width = max(len(cell) for row in cells for cell in row)
        rows = ["  ".join(cell.rjust(width) for cell in row) for row in cells]
        whole = max(len(self.title), len(rows[0]))
        return [self.title.ljust(whole), *(row.ljust(whole) for row in rows)]


@dataclass(frozen=True)
class Equation:
    """Grids with signs between them: picture ∗ filter = output.

    Parameters
    ----------
    grids
        from left to right
    signs
        what stands between them
    """

    grids: tuple[Grid, ...]
    signs: tuple[str, ...] = ()

    def text(self, width: int) -> str:
        """Side by side where `width` allows it, else one below the other."""
        blocks = [grid.lines() for grid in self.grids]
        height = max(map(len, blocks))
        middle = (height + 1) // 2
        parts = []
        for block, sign in zip(blocks, (*self.signs, ""), strict=True):
            missing = height - len(block)
            blank = " " * len(block[0])
            # a smaller grid stands half-way down; its title stays above it
            above = missing // 2
            parts.append([blank] * above + block + [blank] * (missing - above))
            if sign:
                parts.append([f"  {sign if row == middle else ' ' * len(sign)}  " for row in range(height)])
        beside = [" ".join(row).rstrip() for row in zip(*parts, strict=True)]
        if max(map(len, beside)) <= width:
            return "\n".join(beside)
        below = ["\n".join(line.rstrip() for line in block) for block in blocks]
        return "\n".join(
            f"{block}\n{sign}" if sign else block for block, sign in zip(below, (*self.signs, ""), strict=True)
        )


@dataclass(frozen=True)
class Work:
    """How one output pixel came about.

    Parameters
    ----------
    title
        which pixel
    equations
        the window, and what was done to it, per channel
    steps
        the sums in words
    values
        the same as plain numbers, for JSON
    """

    title: str
    equations: tuple[Equation, ...]
    steps: tuple[str, ...]
    values: dict = field(default_factory=dict)

    def text(self, width: int) -> str:
        """Everything, as lines of at most `width` characters where the numbers allow it."""
        blocks = [self.title, *(equation.text(width) for equation in self.equations), "\n".join(self.steps)]
        return "\n\n".join(blocks)


def show_number(value: float, among: np.ndarray) -> str:
    """A number with as many decimals as its neighbours need: none where all are whole.

    >>> show_number(-3.0, np.array([-3.0, 4.0])), show_number(1 / 3, np.array([1 / 3]))
    ('−3', '0.333')
    """
    finite = among[np.isfinite(among)]
    whole = np.allclose(finite, np.rint(finite), atol=1e-9)
    decimals = 0 if whole else 1 if np.abs(finite).max() >= 100 else 3
    text = f"{value:.{decimals}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")
