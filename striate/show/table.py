"""Tables that read well in a terminal, wide or narrow, and leave as JSON or CSV."""

import csv
import io
import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal, TextIO


class Lines:
    r"""Rows of CSV as lines of a text; in a field, any sign that might end a line is quoted.

    Python's writer quotes such a sign only where it ends its own lines, so these end in both, of which one is kept.

    Parameters
    ----------
    text
        that is written to

    >>> csv.writer(Lines(text := io.StringIO())).writerow(["a\rb", 1])
    8
    >>> text.getvalue()
    '"a\rb",1\n'
    """

    def __init__(self, text: TextIO):
        self.text = text

    def write(self, row: str) -> int:
        """A row, as the writer of the standard library gives it."""
        return self.text.write(row.removesuffix("\r\n") + "\n")


@dataclass(frozen=True)
class Column:
    """One column: what it is called, which value of a row it shows, and how.

    Parameters
    ----------
    title
        the head of the column
    key
        the row's value of this name
    show
        turns the value into text
    align
        left for words, right for numbers
    narrow
        how soon the column is dropped in a narrow terminal; 0 is never dropped, the largest goes first
    """

    title: str
    key: str
    show: Any = str
    align: Literal["left", "right"] = "right"
    narrow: int = 0


@dataclass
class Table:
    """Rows under columns, with a title above and notes below.

    Parameters
    ----------
    columns
        what is shown of each row
    rows
        a mapping per row, whose values leave unchanged as JSON and CSV
    title
        a line above
    total
        a last row, set apart
    notes
        lines below
    """

    columns: list[Column]
    rows: list[dict[str, Any]]
    title: str = ""
    total: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """The rows as JSON."""
        return json_text({"rows": self.rows, "total": self.total, "notes": self.notes})

    def to_csv(self) -> str:
        """The rows as comma-separated values, with a head; a list such as a size is joined: 28x28x6."""
        text = io.StringIO()
        writer = csv.DictWriter(Lines(text), fieldnames=list(self.rows[0]) if self.rows else [])
        writer.writeheader()
        for row in self.rows:
            writer.writerow({key: "x".join(map(str, v)) if isinstance(v, list) else v for key, v in row.items()})
        return text.getvalue()

    def __str__(self) -> str:
        return plain_text(self)

    def __rich_console__(self, console, options):
        from rich.text import Text

        if self.title:
            yield Text(self.title, style="bold")
        columns = list(self.columns)
        widths = {column.title: self._width(column) for column in columns}
        while (
            any(column.narrow for column in columns) and 1 + sum(widths[c.title] for c in columns) > options.max_width
        ):
            columns.remove(max(columns, key=lambda column: column.narrow))
        table = self._rich(columns)
        yield table
        if len(columns) < len(self.columns):
            hidden = ", ".join(column.title for column in self.columns if column not in columns)
            yield Text(f"not shown, for want of width: {hidden}", style="dim")
        for note in self.notes:
            yield Text(note)

    def _rich(self, columns: list[Column]):
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=box.SIMPLE_HEAD, show_footer=False, pad_edge=False, padding=(0, 1))
        for column in columns:
            table.add_column(column.title, justify=column.align, overflow="fold")
        for row in self.rows:
            table.add_row(*(self.cell(column, row) for column in columns))
        if self.total:
            table.add_section()
            table.add_row(*(Text(self.cell(column, self.total), style="bold") for column in columns))
        return table

    def _width(self, column: Column) -> int:
        """Characters that a column takes, with the space between it and the next."""
        from rich.cells import cell_len

        rows = [*self.rows, self.total] if self.total else self.rows
        return 3 + max([cell_len(column.title), *(cell_len(self.cell(column, row)) for row in rows)])

    @staticmethod
    def cell(column: Column, row: dict[str, Any]) -> str:
        """What a column shows of a row."""
        value = row.get(column.key)
        return "" if value is None else column.show(value)


def json_text(told: Any, indent: int | None = 2) -> str:
    r"""Anything as JSON for people, which can be written as UTF-8.

    A name of bytes that are not UTF-8 is written with JSON's escapes, and comes back whole.

    Parameters
    ----------
    told
        mappings, lists, texts and numbers
    indent
        of what is inside of something; None is all on one line

    >>> json_text("café \udcff")
    '"café \\udcff"'
    """
    text = json.dumps(told, indent=indent, ensure_ascii=False)
    return re.sub("[\ud800-\udfff]", lambda sign: f"\\u{ord(sign[0]):04x}", text)


def plain_text(what: Any, width: int | None = None) -> str:
    """What a terminal of a width (its own, unless one is given) would show, as text."""
    from rich.console import Console

    text = io.StringIO()
    Console(file=text, highlight=False, markup=False, width=width).print(what)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).rstrip("\n")
