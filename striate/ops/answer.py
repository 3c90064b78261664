"""What a picture command says: a table, small pictures as numbers, and one pixel's work."""

import json
from dataclasses import dataclass, field

import numpy as np

from striate.errors import StriateError
from striate.ops.show_work import Equation, Grid, Work
from striate.show.table import Column, Table

WHOLE = 12  # a picture of at most so many rows and columns is printed as numbers


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


def ranged(values: np.ndarray) -> dict:
    """The size and the range of an output (channels, height, width), as cells of a row."""
    channels, height, width = values.shape
    return {
        "size": f"{height}×{width}" + (f"×{channels}" if channels > 1 else ""),
        "smallest": float(values.min()),
        "largest": float(values.max()),
        "mean": float(values.mean()),
    }


def is_small(values: np.ndarray) -> bool:
    """Whether a picture (channels, height, width) is printed as numbers."""
    return len(values) == 1 and max(values.shape[1:]) <= WHOLE


def small(title: str, values: np.ndarray) -> Grid:
    """A small picture as numbers."""
    return Grid(title, values[0])


def amount(value: float) -> str:
    """A pixel's value for reading: '−1,020', '0.125'."""
    text = f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:.4g}"
    return "0" if abs(value) < 1e-9 else text.replace("-", "−")
