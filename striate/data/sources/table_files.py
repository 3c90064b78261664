"""Tables from files: .csv, .tsv, .jsonl and .parquet become columns of cells, whose rows know their line."""

import csv
import io
import json
import tarfile
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from striate.data.sources.archives import Tar
from striate.data.sources.folders import is_picture
from striate.data.sources.trees import Folder, Tree
from striate.data.sources.unpacking import kept_copy
from striate.errors import DataError
from striate.show.names import listed, printable

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
PICTURE_COLUMNS = ("image", "file_name", "path", "filename", "file")


@dataclass
class Sheet:
    """A table's cells.

    Parameters
    ----------
    where
        how messages call it
    columns
        the cells below each head: text, or what JSON and Parquet hold
    lines
        the number of each row: its line in the file, where it has lines
    notes
        what a person should know
    classes
        the names of numbered classes, as Hugging Face writes them beside a Parquet table
    pictures
        where the pictures lie that a Parquet table holds itself
    """

    where: str
    columns: dict[str, list[Any]]
    lines: list[int]
    notes: list[str] = field(default_factory=list)
    classes: list[str] | None = None
    pictures: Tree | None = None


def column(sheet: Sheet, known: tuple[str, ...]) -> str | None:
    """The first of some columns that a table has, whatever its case."""
    heads = {head.lower(): head for head in sheet.columns}
    return next((heads[name] for name in known if name in heads), None)


def check_heads(sheet: Sheet) -> None:
    """Refuse a table whose first row is a picture's."""
    if any(map(is_picture, sheet.columns)):
        raise DataError(
            "the first row of a table must name the columns, such as image,label, "
            f"but that of {sheet.where} is a picture's: {listed(list(sheet.columns), 8)}"
        )


def text(cell: Any) -> str:
    """A cell as text, however CSV, JSON and Parquet wrote it."""
    return "" if cell is None else str(cell).strip()


def read_sheet(tree: Tree, name: str) -> Sheet:
    """Read a table.

    Parameters
    ----------
    tree
        where it lies
    name
        its name there; the ending says what it is
    """
    content = tree.read(name)
    where = printable(Path(name).name)
    if name.lower().endswith(".parquet"):
        sheet = _parquet(content, where, tree, name)
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            row = content.count(b"\n", 0, error.start) + 1
            raise DataError(
                f"a table must be written in UTF-8, but row {row} of {where} is not; save it as UTF-8"
            ) from error
        sheet = _json_lines(text, where) if name.lower().endswith(".jsonl") else _csv(text, where)
    if not sheet.lines:
        raise DataError(f"a table must have a row for each picture, but {where} has none")
    return sheet


def _separator(head: str) -> str:
    for separator in SEPARATORS:
        with suppress(csv.Error):  # reading the rows tells it with the row
            cells = next(csv.reader([head], delimiter=separator), [])
            if {cell.strip().lower() for cell in cells} & {*PICTURE_COLUMNS}:
                return separator
    return ","


def _csv(text: str, where: str) -> Sheet:
    separator = _separator(next(io.StringIO(text, newline=""), ""))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"row {reader.line_num} of {where} cannot be read: {error}") from error
    heads = [cell.strip() for cell in rows[0]] if rows else []
    twice = [head for head in dict.fromkeys(heads) if heads.count(head) > 1]
    if twice:
        raise DataError(f"each column must have a name of its own, but {where} has two called {listed(twice)}")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(heads):
            raise DataError(
                f"every row must have the {len(heads)} cells of the first, but row {line} of {where} has {len(row)}; "
                'a cell that holds the separator is written "in quotes"'
            )
    columns = dict(zip(heads, map(list, zip(*rows[1:], strict=True)), strict=True)) if rows[1:] else {}
    notes = [] if separator == "," else [f"the columns of {where} are separated by {SEPARATORS[separator]}"]
    return Sheet(where, columns, lines[1:], notes)


def _json_lines(text: str, where: str) -> Sheet:
    rows, lines = [], []
    for line, cells in enumerate(text.split("\n"), 1):
        if not cells.strip():
            continue
        try:
            row = json.loads(cells)
        except (ValueError, RecursionError) as error:
            raise DataError(f"every row must be JSON, but row {line} of {where} is not: {error}") from error
        if not isinstance(row, dict):
            raise DataError(
                f"every row must be a JSON object, {{…}}, but row {line} of {where} is {printable(cells[:40])}"
            )
        rows.append(row)
        lines.append(line)
    heads = dict.fromkeys(head for row in rows for head in row)
    return Sheet(where, {head.strip(): [row.get(head) for row in rows] for head in heads}, lines)


def _parquet(content: bytes, where: str, tree: Tree, name: str) -> Sheet:
    try:
        import pyarrow as arrow  # pyright: ignore[reportMissingImports]  # an extra
        from pyarrow import parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise DataError("a Parquet table is read by pyarrow: pip install 'striate[parquet]'") from error
    try:
        file = parquet.ParquetFile(arrow.BufferReader(content))
        heads = file.schema_arrow.names
        picture = next((head for head in heads if head.lower() in PICTURE_COLUMNS and _holds_bytes(file, head)), None)
        table = file.read([head for head in heads if head != picture])
        columns = {head: table.column(head).to_pylist() for head in table.column_names}
        rows = list(range(1, file.metadata.num_rows + 1))
        sheet = Sheet(where, columns, rows, classes=_hugging_face_classes(file))
        if picture:
            if not isinstance(tree, Folder):
                raise DataError(f"{where} holds pictures, so it must lie in a folder; unpack {printable(tree.where)}")
            copy = kept_copy(Path(tree.root, name), ".tar", lambda output: _pack(file, picture, output))
            sheet.pictures = Tar(copy, tree.where)
            sheet.columns[picture] = [f"{row:08d}" for row in rows]
            sheet.notes.append(f"the pictures in {where} are read from their copy {copy}")
        return sheet
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{where} cannot be read as a Parquet table: {error}") from error


def _holds_bytes(file: Any, head: str) -> bool:
    """Whether a column holds pictures, as bytes or as Hugging Face's {bytes, path}."""
    from pyarrow import types  # pyright: ignore[reportMissingImports]

    kind = file.schema_arrow.field(head).type
    if types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return types.is_binary(kind) or types.is_large_binary(kind)


def _hugging_face_classes(file: Any) -> list[str] | None:
    try:
        features = json.loads((file.schema_arrow.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features["label"]["names"]]
    except (KeyError, TypeError, ValueError):
        return None


def _pack(file: Any, column: str, output: Any) -> None:
    """Write the pictures of a column as a tar whose members are named by their row."""
    row = 0
    with tarfile.open(fileobj=output, mode="w") as archive:
        for batch in file.iter_batches(batch_size=256, columns=[column]):
            for cell in batch.column(0).to_pylist():
                row += 1
                content = cell.get("bytes") if isinstance(cell, dict) else cell
                if content is None:
                    continue  # told as missing, with its row
                info = tarfile.TarInfo(f"{row:08d}")
                info.size, info.mtime = len(content), zlib.crc32(content)  # a stamp that changes with the content
                archive.addfile(info, io.BytesIO(content))
