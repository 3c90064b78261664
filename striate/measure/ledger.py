"""The ledger: what each layer of a network costs and sees, with totals, as a table, JSON or CSV."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Literal

from torch import nn

from striate.measure.field import Sight
from striate.measure.memory import Memory, measure_memory
from striate.measure.rows import Row, line_of, merge, pair, unseen, worked_out
from striate.nets.net import Net
from striate.show.numbers import exact, memory, short, show_size
from striate.show.table import Column, Table

By = Literal["layer", "stage"]


@dataclass(frozen=True)
class Totals:
    """Sums over a network.

    Parameters
    ----------
    parameters
        all weights and biases of the network, each counted once
    macs
        multiply-adds of convolutions, fully connected layers and matrix products, for one picture
    activations
        bytes of all layers' outputs, for the batch
    depth
        layers with weights on the longest path
    """

    parameters: int
    macs: int
    activations: int
    depth: int


@dataclass(repr=False)
class Ledger:
    """Rows and totals of one network.

    Parameters
    ----------
    name
        what the network is called
    input
        height, width and channels of the picture that it was shown
    rows
        a row for each layer, in the order of the forward pass
    network
        the network itself
    by
        whether it prints a line for each layer or for each stage
    explain
        whether it prints the size formulas with their numbers
    batch
        pictures in a batch, for the memory
    precision
        type of the numbers, for the memory
    """

    name: str
    input: tuple[int, int, int]
    rows: list[Row]
    network: nn.Module
    by: By = "layer"
    explain: bool = False
    batch: int = 1
    precision: str = "float32"

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def totals(self) -> Totals:
        """Sums over all layers."""
        return Totals(
            parameters=sum(p.numel() for p in self.network.parameters()),
            macs=sum(row.macs for row in self.rows),
            activations=sum(row.activation for row in self.rows),
            depth=max((row.depth for row in self.rows), default=0),
        )

    @cached_property
    def memory(self) -> Memory:
        """What a forward pass and a step of training hold in memory."""
        return measure_memory(self.network, self.input, self.batch, self.precision)

    @property
    def map_sights(self) -> tuple[Sight, ...] | None:
        """What a position of the last feature map sees, before it is pooled or flattened; None if nothing is placed."""
        for row in reversed(self.rows):
            if row.sights and all(sight.field for sight in row.sights):
                return row.sights
        return None

    @property
    def stages(self) -> dict[str, list[Row]]:
        """The rows of each stage: the first component of their paths."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.path.partition(".")[0], []).append(row)
        return found

    @property
    def largest(self) -> str:
        """Where most activations, parameters and MACs are: one layer if it holds half of them, or else a stage."""
        parts = []
        for measure, what in (("activation", "activations"), ("parameters", "parameters"), ("macs", "MACs")):
            total = sum(getattr(row, measure) for row in self.rows)
            if not total:
                continue
            layer = max(self.rows, key=lambda row: getattr(row, measure))
            where, most = layer.path or layer.kind, getattr(layer, measure)
            if most < total / 2:
                sums = {stage: sum(getattr(row, measure) for row in rows) for stage, rows in self.stages.items()}
                where = max(sums, key=lambda stage: sums[stage])
                most = sums[where]
            parts.append(f"most {what}: {where or 'the network itself'} ({100 * most / total:.0f} %)")
        return ", ".join(parts)

    @property
    def notes(self) -> list[str]:
        """What the numbers alone do not say."""
        notes = [self.largest] if self.rows else []
        used = sum(row.parameters for row in self.rows)
        if idle := self.totals.parameters - used:
            notes.append(f"{exact(idle)} parameters are not used in this pass (side heads for training, for example)")
        shared = [row for row in self.rows if row.shared]
        if shared:
            notes.append(
                f"counted once, used again: {exact(sum(row.shared for row in shared))} parameters in {paths(shared)}"
            )
        for lost, rows in groupby((row for row in self.rows if row.lost), key=lambda row: row.lost):
            notes.append(f"field unplaced from {next(rows).path or 'the network itself'} on: {lost}")
        if any(row.sights and any(sight.span for sight in row.sights) for row in self.rows):
            notes.append("field: pixels on a side that a position sees, borders included; whole: all of the picture")
        told = self.network.notes if isinstance(self.network, Net) else []  # what its text already remarks
        if self.explain:
            left = [(row.path, unseen(row)) for row in self.rows]
            notes += [f"{path}: {note}" for path, note in left if note and not any(note in other for other in told)]
        return notes + told

    @property
    def table(self) -> Table:
        """The ledger as a table."""
        lines = self.rows if self.by == "layer" else [merge(stage, rows) for stage, rows in self.stages.items()]
        total = {
            "layer": "total",
            "parameters": self.totals.parameters,
            "macs": self.totals.macs,
            "activation_bytes": self.totals.activations,
        }
        name = self.name if len(self.name) <= 90 and "\n" not in self.name else "a network of its own text"
        title = f"{name}, input {show_size(self.input)}"
        return Table(COLUMNS, [line_of(row, self.explain) for row in lines], title, total, self.notes)

    def to_json(self) -> str:
        """The rows, totals, memory and notes as JSON."""
        table = self.table
        table.total = {**(table.total or {}), "depth": self.totals.depth, "memory": self.memory.numbers}
        return table.to_json()

    def to_csv(self) -> str:
        """The rows as comma-separated values, with a head."""
        return self.table.to_csv()

    def __rich_console__(self, console: Any, options: Any):
        table = self.table
        table.notes += self.memory.sentences
        yield table
        if self.explain:
            from rich.text import Text

            for row in self.rows:
                if steps := worked_out(row):
                    yield Text(f"\n{row.path}  {row.kind}", style="bold")
                    yield from (Text(f"  {what:10}  {step}") for what, step in steps.items())

    def __repr__(self) -> str:
        return f"Ledger({self.name}, input {show_size(self.input)}: {exact(self.totals.parameters)} parameters)"

    def __str__(self) -> str:
        from striate.show.table import plain_text

        return plain_text(self)


COLUMNS = [
    Column("layer", "layer", align="left"),
    Column("kind", "kind", align="left"),
    Column("output", "output", show=lambda size: show_size(tuple(size))),
    Column("parameters", "parameters", show=lambda n: exact(n) if n else ""),
    Column("MACs", "macs", show=lambda n: short(n) if n else "", narrow=3),
    Column("activations", "activation_bytes", show=memory, narrow=5),
    Column("field", "field", narrow=2),
    Column("stride", "field_stride", show=pair, narrow=6),
    Column("start", "field_start", show=pair, narrow=7),
]


def paths(rows: list[Row], most: int = 3) -> str:
    """The first few layers by name."""
    names = list(dict.fromkeys(row.path or row.kind for row in rows))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
