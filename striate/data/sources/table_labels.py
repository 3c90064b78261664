"""The labels of a table: one in a column, several in a cell, or a column of 0 and 1 for each class."""

import re
from typing import Any

from striate.data.sources.classes import same_name
from striate.data.sources.table_files import PICTURE_COLUMNS, Sheet, column, text
from striate.errors import DataError
from striate.show.names import listed, printable

LABEL_COLUMNS = ("label", "class")
SEVERAL = "labels"
OTHER_COLUMNS = ("split", "group", "")  # a nameless one is the row numbers that pandas writes
FLAGS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
NUMBER = re.compile(r"[+-]?[0-9]+")
FRACTION = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)


def read_labels(sheet: Sheet, mixed: bool) -> tuple[list[tuple[str, ...] | None], bool, set[str | None]]:
    """Of each row its labels, None where there is none; whether there may be several; and the columns that say so.

    Parameters
    ----------
    sheet
        the table
    mixed
        whether labels may be numbers and words
    """
    one, many = column(sheet, LABEL_COLUMNS), column(sheet, (SEVERAL,))
    if one is None and many is None:
        return _flags(sheet)
    head = one if one is not None else str(many)
    labels, commas = [], []
    for cell, line in zip(sheet.columns[head], sheet.lines, strict=True):
        if isinstance(cell, list | dict) and one is not None:
            raise DataError(f"'{head}' holds one label, but row {line} of {sheet.where} has several; call it 'labels'")
        if one is None and isinstance(cell, str) and "," in cell:
            commas.append(f"'{text(cell)}'")
        labels.append([part for part in ([cell] if one is not None else _several(cell)) if text(part)])
    if commas:
        sheet.notes.append(f"labels are separated by | or ;, so a comma belongs to a name: {listed(commas)}")
    if not mixed:
        _check_kinds(sheet, labels)
    if sheet.classes:
        labels = [
            [_numbered(sheet, label, line) for label in row] for row, line in zip(labels, sheet.lines, strict=True)
        ]
    found = [tuple(dict.fromkeys(same_name(text(label)) for label in row)) for row in labels]
    return [row or (() if one is None else None) for row in found], one is None, {head}


def _several(cell: Any) -> list[Any]:
    return cell if isinstance(cell, list) else re.split("[|;]", text(cell))


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
        commas = "; several labels are separated by | or ;, never by a comma" if "," in word else ""
        raise DataError(
            f"labels must be all numbers or all words, but row {line} of {sheet.where} has {number} and row {other} "
            f"has {printable(word)}; if both are right, name all classes in a file (--classes){commas}"
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
