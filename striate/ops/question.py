"""`striate op size`: a question in words, and the answer with its formula."""

import re
from dataclasses import dataclass

from striate.errors import GeometryError
from striate.ops.options import read_axes, read_padding
from striate.ops.size import Window, left_over, parse_size
from striate.ops.windows import windows
from striate.show.numbers import show_size
from striate.show.table import Column, Table

EXAMPLE = "as in: striate op size 7x7 f3 s2 p1"


def size_table(words: tuple[str, ...]) -> Table:
    """Answer a question such as 32x32x3 f5 s1 p2 n10: a row per axis with its formula, then the whole output."""
    question = read_question(words)
    rows, columns, channels, filters = question.rows, question.columns, question.channels, question.filters
    axes = {"height and width": rows} if rows == columns else {"height": rows, "width": columns}
    table = [
        {"axis": name, "n": axis.n, "f": axis.f, "s": axis.s, "p": axis.p, "formula": axis.formula, "out": axis.out}
        for name, axis in axes.items()
    ]
    notes = [note for name, axis in axes.items() for note in _remarks(name, axis)]
    unseen = left_over(rows, columns)
    notes += [unseen] if unseen else []
    total: dict = {"axis": "output"}
    given, out = (rows.n, columns.n), (rows.out, columns.out)
    if channels:
        given, out = (*given, channels), (*out, filters or channels)
    total["out"] = show_size(out)
    if channels and filters:
        seen = rows.f * columns.f * channels
        total |= {"parameters": (seen + 1) * filters, "macs": rows.out * columns.out * filters * seen}
        window = f"{rows.f}·{columns.f}·{channels}"
        notes.append(f"parameters: ({window} + 1)·{filters} = {total['parameters']:,}")
        notes.append(f"multiplications: {rows.out}·{columns.out}·{filters} · {window} = {total['macs']:,}")
    elif channels:
        notes.append(f"pooling keeps the {channels} channels; for filters give their number, as in n6")
    heads = [Column("axis", "axis", align="left"), Column("formula", "formula", align="left"), Column("size", "out")]
    formula = "⌈(n + 2p − f)/s⌉ + 1" if rows.ceil else "⌊(n + 2p − f)/s⌋ + 1"
    return Table(heads, table, f"{show_size(given)} → {total['out']}, by {formula}", total, notes)


@dataclass(frozen=True)
class Question:
    """What `striate op size` is asked.

    Parameters
    ----------
    rows, columns
        the window on either axis
    channels
        of the picture, where they were given
    filters
        how many, where it was given
    """

    rows: Window
    columns: Window
    channels: int | None
    filters: int | None


def read_question(words: tuple[str, ...]) -> Question:
    """Read a picture's size and a window's settings.

    Parameters
    ----------
    words
        such as 32x32x3 f5 s1 p2 n10; a letter and its number may stand apart

    >>> read_question(("7x7", "f", "3", "s3")).rows.out
    2
    """
    tokens = " ".join(words).split()
    if not tokens:
        raise GeometryError(f"a size is computed from a picture and a window, {EXAMPLE}")
    size = parse_size(tokens[0])
    if len(size) not in (2, 3):
        raise GeometryError(f"a picture's size is height×width or height×width×channels, but is '{tokens[0]}'")
    settings, ceil = _settings(tokens[1:])
    if "f" not in settings:
        raise GeometryError(f"a window is needed, {EXAMPLE}")
    if "n" in settings and len(size) == 2:
        raise GeometryError(f"a number of filters needs the picture's channels, as in {tokens[0]}x3")
    rows, columns = windows(
        size,
        read_axes("window", settings["f"]),
        read_axes("stride", settings.get("s", "1")),
        read_padding(settings.get("p", "0")),
        read_axes("dilation", settings.get("d", "1")),
        ceil,
    )
    channels = size[2] if len(size) == 3 else None
    return Question(rows, columns, channels, _filters(settings["n"]) if "n" in settings else None)


def _settings(tokens: list[str]) -> tuple[dict[str, str], bool]:
    """The value after each letter, and whether sizes are rounded up."""
    found: dict[str, str] = {}
    ceil = False
    rest = iter(tokens)
    for token in rest:
        letter, value = token[0], token[1:]
        if token in ("ceil", "floor"):
            ceil = token == "ceil"
            continue
        if letter not in "fspdn" or (value.isalpha() and value not in ("same", "valid")):
            raise GeometryError(
                f"after the picture's size stand f (window), s (stride), p (padding), d (dilation), n (filters), "
                f"ceil or floor, but '{token}' is none of them; {EXAMPLE}"
            )
        if letter in found:
            raise GeometryError(
                f"each setting is given once, but {letter} stands there twice: {found[letter]} and {token}"
            )
        found[letter] = value or next(rest, "")
        if not found[letter]:
            raise GeometryError(f"a number must follow {letter}, {EXAMPLE}")
    return found, ceil


def _filters(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,9}", text) or int(text) < 1:
        raise GeometryError(f"the number of filters is a whole number of at least 1, but is '{text}'")
    return int(text)


def _remarks(name: str, axis: Window) -> list[str]:
    remarks = []
    if axis.dilation > 1:
        remarks.append(f"{name}: f {axis.f} with dilation {axis.dilation} spans {axis.reach}")
    if not axis.exact and not axis.unseen:
        end = "the last window runs over the end" if axis.ceil else "the end of the padding is never seen"
        remarks.append(f"{name}: {axis.s} does not divide {axis.slack}: {end}")
    return remarks
