"""Tables of pictures: a row names a picture and its label, and perhaps its split and group."""

import posixpath
from pathlib import Path
from typing import Any

from striate.data.dataset import Problem
from striate.data.sources.classes import same_name
from striate.data.sources.folders import SPLIT_NAMES
from striate.data.sources.opened import Files, Opened
from striate.data.sources.table_files import PICTURE_COLUMNS, Sheet, check_heads, column, read_sheet, text
from striate.data.sources.table_labels import read_labels
from striate.data.sources.trees import Folder, Tree
from striate.errors import DataError
from striate.show.names import listed, printable


def open_table(tree: Tree, table: str, mixed_labels: bool = False) -> Opened:
    """Pictures that a table names, relative to the folder that it lies in.

    A picture's label is in `label` or `class`. In `labels` there may be several, a list in JSON Lines, and elsewhere
    text that | or ; separates; a comma belongs to a name.

    Parameters
    ----------
    tree
        where it lies
    table
        its name there
    mixed_labels
        whether labels may be numbers and words
    """
    sheet = read_sheet(tree, table)
    picture = column(sheet, PICTURE_COLUMNS)
    if picture is None:
        check_heads(sheet)
        raise DataError(
            f"a table of pictures must have a column {' or '.join(PICTURE_COLUMNS)}, "
            f"but {sheet.where} has {listed(list(sheet.columns), 8)}"
        )
    labels, several, used = read_labels(sheet, mixed_labels)
    splits = _splits(sheet)
    group = column(sheet, ("group",))
    groups = list(map(text, sheet.columns[group])) if group else [""] * len(labels)
    used |= {picture, group, column(sheet, ("split",))}
    unused = [head or "(nameless)" for head in sheet.columns if head not in used]
    notes = [*tree.notes, *sheet.notes, f"classes are those of the table {sheet.where}"]
    notes += [f"columns that are not used: {listed(unused, 8)}"] if unused else []

    pictures = sheet.pictures or tree
    names = [_name(pictures, cell) for cell in sheet.columns[picture]]
    first: dict[str, int] = {}
    files, kept, problems = [], [], []
    refused = {problem.name: problem.reason for problem in pictures.problems}
    for row, (name, line) in enumerate(zip(names, sheet.lines, strict=True)):
        place = f"row {line} of {sheet.where}"
        before = first.setdefault(name, row)
        if name and before != row:
            _check_same(sheet, name, before, row, labels, splits)
            reason = f"{place} repeats row {sheet.lines[before]}: {printable(name)}"
        elif not name:
            reason = f"{place} names no picture"
        elif labels[row] is None:
            reason = f"{place} has no label for {printable(name)}"
        else:
            entry = pictures.find(name)
            if entry and entry.size:
                files.append((name, entry))
                kept.append(row)
                continue
            reason = f"{place} names {printable(name)}, " + (
                "which is empty: it has 0 bytes" if entry else refused.get(name) or _not_found(pictures, name, table)
            )
        problems.append(Problem(name or place, reason))

    source = Files(pictures, [name for name, _ in files], [entry for _, entry in files])
    shown = [f"row {sheet.lines[row]}" if sheet.pictures else name for row, (name, _) in zip(kept, files, strict=True)]
    return Opened(
        source,
        shown,
        [labels[row] or () for row in kept],
        [splits[row] for row in kept],
        [groups[row] for row in kept],
        problems=problems,
        notes=notes,
        several=several,
        classes=sheet.classes and [same_name(text(name)) for name in sheet.classes],
    )


def _name(tree: Tree, cell: Any) -> str:
    """The name that a picture has in a tree, written in one way: Windows separates folders by another sign."""
    name = posixpath.normpath(text(cell)) if text(cell) else ""
    other = posixpath.normpath(name.replace("\\", "/"))
    return other if "\\" in name and not tree.find(name) and tree.find(other) else name


def _not_found(tree: Tree, name: str, table: str) -> str:
    """Why a picture is not there."""
    if isinstance(tree, Folder) and tree.has_outside(name):
        return (
            f"which lies outside of {printable(tree.where)}; open the table itself, {printable(Path(tree.root, table))}"
        )
    return "which is no file there"


def _check_same(sheet: Sheet, name: str, before: int, row: int, labels: list, splits: list[str]) -> None:
    for what, values in (("label", labels), ("split", splits)):
        if values[before] != values[row]:
            old, new = (
                listed(value if isinstance(value, tuple) else [value]) for value in (values[before], values[row])
            )
            raise DataError(
                f"a picture must have one {what}, but {printable(name)} has {old or 'none'} in row "
                f"{sheet.lines[before]} of {sheet.where} and {new or 'none'} in row {sheet.lines[row]}"
            )


def _splits(sheet: Sheet) -> list[str]:
    head = column(sheet, ("split",))
    if head is None or not any(map(text, sheet.columns[head])):
        return [""] * len(sheet.lines)
    splits = []
    for cell, line in zip(sheet.columns[head], sheet.lines, strict=True):
        if text(cell).lower() not in SPLIT_NAMES:
            raise DataError(
                f"a split is train, val or test, but row {line} of {sheet.where} has '{printable(text(cell))}'; "
                "give one to every row, or to none"
            )
        splits.append(SPLIT_NAMES[text(cell).lower()])
    return splits
