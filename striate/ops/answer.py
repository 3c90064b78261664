"""What a command says: a table, small pictures as numbers, and one output pixel worked out as one would on paper."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from striate.errors import StriateError
from striate.show.table import Column, Table

WHOLE = 12  # a picture of at most so many rows and columns is printed as numbers


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


@dataclass
class Answer:
    """A table between the numbers of small pictures (above) and the work of one pixel (below).

    Parameters
    ----------
    table
        a row per result
    equations
        small pictures, printed whole
    works
        one pixel, step by step
    """

    table: Table
    equations: list[Equation] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)

    def to_json(self) -> str:
        """The table's rows and notes, the small pictures and the work, as JSON."""
        whole = json.loads(self.table.to_json())
        whole["pictures"] = [
            {"title": grid.title, "values": grid.values.tolist()}
            for equation in self.equations
            for grid in equation.grids
        ]
        whole["work"] = [work.values for work in self.works]
        return json.dumps(whole, indent=2, ensure_ascii=False)

    def to_csv(self) -> str:
        """The table's rows as comma-separated values."""
        if self.works:
            raise StriateError("the work of a pixel is no table: with --show-work leave --csv away, or give --json")
        return self.table.to_csv()

    def __rich_console__(self, console, options):
        from rich.text import Text

        yield Text(self.table.title, style="bold")
        for equation in self.equations:
            yield Text("\n" + equation.text(options.max_width))
        yield Table(self.table.columns, self.table.rows, notes=self.table.notes)
        for work in self.works:
            yield Text("\n" + work.text(options.max_width))


def result_table(title: str, what: str, rows: list[dict], notes: list[str], extra: tuple[Column, ...] = ()) -> Table:
    """A row per result: its size, smallest and largest value and mean."""
    columns = [
        Column(what, what, align="left"),
        *extra,
        Column("output", "size", narrow=1),
        Column("smallest", "smallest", show=amount),
        Column("largest", "largest", show=amount),
        Column("mean", "mean", show=amount, narrow=2),
    ]
    return Table(columns, rows, title, notes=notes)


def ranged(channels: Iterable[np.ndarray]) -> dict:
    """The size and the range of an output, channel by channel (height, width), as cells of a row."""
    told = [(channel.shape, channel.min(), channel.max(), channel.mean()) for channel in channels]
    sizes, smallest, largest, means = zip(*told, strict=True)
    return {
        "size": "×".join(map(str, sizes[0] if len(sizes) == 1 else (*sizes[0], len(sizes)))),
        "smallest": float(min(smallest)),
        "largest": float(max(largest)),
        "mean": float(np.mean(means)),
    }


def is_small(values: np.ndarray) -> bool:
    """Whether a picture (channels, height, width) is printed as numbers."""
    return len(values) == 1 and max(values.shape[1:]) <= WHOLE


def small(title: str, values: np.ndarray) -> Grid:
    """A small picture as numbers."""
    return Grid(title, values[0].astype(float))


def amount(value: float) -> str:
    """A pixel's value for reading: '−1,020', '0.125'."""
    text = f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:.4g}"
    return "0" if abs(value) < 1e-9 else text.replace("-", "−")
