"""Tables of pictures: a row names a picture and its label, and perhaps its split and group."""

import posixpath
import re
from collections.abc import Callable
from typing import Any

from striate.data.dataset import Problem
from striate.data.sources.classes import same_name
from striate.data.sources.folders import SPLIT_NAMES, is_picture, is_table
from striate.data.sources.opened import Files, Opened
from striate.data.sources.table_files import PICTURE_COLUMNS, Sheet, read_sheet
from striate.data.sources.trees import Tree
from striate.errors import DataError
from striate.show.names import listed, printable

LABEL_COLUMNS = ("label", "class")
SEVERAL = "labels"
OTHER_COLUMNS = ("split", "group", "")  # a nameless one is the row numbers that pandas writes
FLAGS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
NUMBER = re.compile(r"[+-]?[0-9]+")
FRACTION = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)


def table_in(tree: Tree) -> str | None:
    """The table of a folder: metadata.csv or the like, else the only one that names pictures; or None.

    Parameters
    ----------
    tree
        the folder or archive
    """
    tables = sorted(name for name in tree.entries() if "/" not in name and is_table(name))
    named = [name for name in tables if name.lower().startswith("metadata.")]
    if len(named) == 1:
        return named[0]
    if any("/" in name and is_picture(name) for name in tree.entries()):  # beside class folders may lie other lists
        tables = [name for name in tables if column(read_sheet(tree, name), PICTURE_COLUMNS)]
    if len(tables) > 1:
        raise DataError(
            f"a folder must have one table, or one called metadata.csv, but {printable(tree.where)} has "
            f"{listed(tables)}; give the path of one"
        )
    return tables[0] if tables else None


def column(sheet: Sheet, known: tuple[str, ...]) -> str | None:
    """The first of some columns that a table has, whatever its case."""
    heads = {head.lower(): head for head in sheet.columns}
    return next((heads[name] for name in known if name in heads), None)


def open_table(tree: Tree, table: str, mixed_labels: bool = False) -> Opened:
    """Pictures that a table names, relative to the folder that it lies in.

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
        raise DataError(
            f"a table of pictures must have a column {' or '.join(PICTURE_COLUMNS)}, "
            f"but {sheet.where} has {listed(list(sheet.columns), 8)}"
        )
    labels, several, used = _labels(sheet, mixed_labels)
    splits = _splits(sheet)
    group = column(sheet, ("group",))
    groups = list(map(text, sheet.columns[group])) if group else [""] * len(labels)
    used |= {picture, group, column(sheet, ("split",))}
    unused = [head or "(nameless)" for head in sheet.columns if head not in used]
    notes = [*tree.notes, *sheet.notes, f"classes are those of the table {sheet.where}"]
    notes += [f"columns that are not used: {listed(unused, 8)}"] if unused else []

    pictures = sheet.pictures or tree
    names = [posixpath.normpath(text(cell)) if text(cell) else "" for cell in sheet.columns[picture]]
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
            name, entry = _find(pictures, name)
            if entry and entry.size:
                files.append((name, entry))
                kept.append(row)
                continue
            reason = f"{place} names {printable(name)}, " + (
                "which is empty: it has 0 bytes" if entry else refused.get(name, "which is no file there")
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


def text(cell: Any) -> str:
    """A cell as text, however CSV, JSON and Parquet wrote it."""
    return "" if cell is None else str(cell).strip()


def _find(tree: Tree, name: str):
    """A picture's entry, and the name that it has there: Windows separates folders by another sign."""
    entry = tree.find(name)
    if entry or "\\" not in name:
        return name, entry
    name = name.replace("\\", "/")
    return name, tree.find(name)


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


def _labels(sheet: Sheet, mixed: bool) -> tuple[list[tuple[str, ...] | None], bool, set[str | None]]:
    """Of each row its labels, None where there is none; whether there may be several; and the columns that say so."""
    one, many = column(sheet, LABEL_COLUMNS), column(sheet, (SEVERAL,))
    if one is None and many is None:
        return _flags(sheet)
    head = one if one is not None else str(many)
    read: Callable[[Any], list[Any]] = _single if one is not None else _several
    labels = []
    for cell, line in zip(sheet.columns[head], sheet.lines, strict=True):
        if isinstance(cell, list | dict) and one is not None:
            raise DataError(f"'{head}' holds one label, but row {line} of {sheet.where} has several; call it 'labels'")
        labels.append([part for part in read(cell) if text(part)])
    if not mixed:
        _check_kinds(sheet, labels)
    if sheet.classes:
        labels = [
            [_numbered(sheet, label, line) for label in row] for row, line in zip(labels, sheet.lines, strict=True)
        ]
    found = [tuple(dict.fromkeys(same_name(text(label)) for label in row)) for row in labels]
    return [row or (() if one is None else None) for row in found], one is None, {head}


def _single(cell: Any) -> list[Any]:
    return [cell]


def _several(cell: Any) -> list[Any]:
    return cell if isinstance(cell, list) else re.split("[|;,]", text(cell))


def _numbered(sheet: Sheet, label: Any, line: int) -> str:
    classes = sheet.classes or []
    if isinstance(label, int) and not 0 <= label < len(classes):
        raise DataError(f"labels must be 0 to {len(classes) - 1}, but row {line} of {sheet.where} has {label}")
    return classes[label] if isinstance(label, int) else text(label)


def _check_kinds(sheet: Sheet, labels: list[list[Any]]) -> None:
    """All numbers, or all words; and no fractions, which are measured and not named."""
    first: dict[bool, tuple[int, str]] = {}
    for row, line in zip(labels, sheet.lines, strict=True):
        for label in map(text, row):
            if FRACTION.fullmatch(label):
                raise DataError(f"a label is a name or a whole number, but row {line} of {sheet.where} has {label}")
            first.setdefault(bool(NUMBER.fullmatch(label)), (line, label))
    if len(first) == 2:
        (line, number), (other, word) = first[True], first[False]
        raise DataError(
            f"labels must be all numbers or all words, but row {line} of {sheet.where} has {number} and row {other} "
            f"has {printable(word)}; if both are right, name all classes in a file (--classes)"
        )


def _flags(sheet: Sheet) -> tuple[list[tuple[str, ...] | None], bool, set[str | None]]:
    """Labels from a column of 0 and 1 for each class."""
    known = {*PICTURE_COLUMNS, *OTHER_COLUMNS}
    heads = [head for head in sheet.columns if head.lower() not in known]
    if not heads:
        raise DataError(
            "a table of pictures must have a column label, or labels, or a column of 0 and 1 for each class, "
            f"but {sheet.where} has {listed(list(sheet.columns), 8)}"
        )
    for head in heads:
        for cell, line in zip(sheet.columns[head], sheet.lines, strict=True):
            if text(cell).lower() not in FLAGS:
                raise DataError(
                    "without a column label, each other column must be a class and hold 0 and 1, but "
                    f"{printable(head)} has '{printable(text(cell))}' in row {line} of {sheet.where}"
                )
    sheet.classes = [same_name(head) for head in heads]
    flags = zip(*([FLAGS[text(cell).lower()] for cell in sheet.columns[head]] for head in heads), strict=True)
    labels = [tuple(name for name, flag in zip(sheet.classes, row, strict=True) if flag) for row in flags]
    return list(labels), True, set(heads)
