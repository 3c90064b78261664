"""Cleaning: a table of the pictures that are worth keeping. The pictures themselves are never touched."""

import csv
import io
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from itertools import count as count_from
from pathlib import Path

import numpy as np

from striate.data.audit.audit import Audit
from striate.data.audit.findings import agree, copy_groups, label_names
from striate.data.dataset import Dataset
from striate.data.sources.classes import class_counts
from striate.data.sources.opened import Files
from striate.data.sources.opening import asked_for
from striate.data.sources.trees import Folder
from striate.errors import DataError, StriateError
from striate.files import check_output, write_whole
from striate.show.names import listed, printable
from striate.show.numbers import count

TABLES = {".csv": ",", ".tsv": "\t", ".jsonl": ""}
SHOWN = 5


def check_table(data: Dataset, output: Path) -> None:
    """Say what is wrong with where a cleaned table is to be written, before anything is computed.

    Parameters
    ----------
    data
        what is to be cleaned
    output
        the table
    """
    where = Path(data.where)
    check_output(output, TABLES, where if where.is_file() else None)
    rule = f"a cleaned table names picture files that lie in a folder, but those of {printable(data.where)}"
    if not isinstance(data.source, Files):
        raise DataError(f"{rule} are rows of an array, which no table can name; leave out the table")
    if not isinstance(data.source.tree, Folder):
        raise DataError(f"{rule} lie in an archive; unpack it, and check the folder")
    outer = asked_for(data)
    folder = next((path for path in (where, outer) if path.is_dir() and output.parent.samefile(path)), None)
    if folder:
        raise DataError(
            f"the table must not lie in {printable(folder)} itself, for then opening that would open the table; "
            f"{printable(Path(os.path.realpath(outer)).parent / output.name)} would fit"
        )
    if output.exists():
        raise DataError(
            f"a cleaned table overwrites no file, but {printable(output)} exists; {printable(_free(output))} is free"
        )
    _table(data, np.arange(len(data)), output)  # says what it cannot hold


def leaving(audit: Audit) -> dict[int, str]:
    """The places of the pictures that leave, each with the reason.

    Of copies, one stays: in test if any is there, else in val, else in train; with different labels, none.

    Parameters
    ----------
    audit
        what was found
    """
    data = audit.data
    left = {place: fact.fault for place, fact in enumerate(audit.facts) if fact.fault}
    for places in copy_groups(audit.copies.components):
        if not agree(data, places):
            left |= dict.fromkeys(places.tolist(), "its copies have other labels")
            continue
        splits = data.splits[places].tolist()
        best = next(split for split in ("test", "val", "train") if split in splits)
        stays = int(places[splits.index(best)])
        for place in places.tolist():
            if place != stays:
                across = data.splits[place] != best
                left[place] = f"a copy of one in {best}" if across else "a copy of another one of its split"
    return left


def write_table(audit: Audit, output: Path) -> list[str]:
    """Write a table without the pictures that leave; returns lines that say what left and why.

    Parameters
    ----------
    audit
        what was found
    output
        a path that `check_table` accepts
    """
    data, left = audit.data, leaving(audit)
    kept = _kept(data, left, output)
    content = _table(data, kept, output).encode("utf-8")
    write_whole(output, lambda file: file.write(content))
    why: dict[str, list[str]] = {}
    for place, reason in left.items():
        why.setdefault(reason, []).append(data.names[place])
    skipped = [problem.name for problem in data.skipped]
    if skipped:
        why["unusable when opened"] = skipped
    lines = [
        f"written: {printable(output)}, {len(kept):,} of {count(len(data) + len(skipped))}; the files are untouched"
    ]
    for reason, names in why.items():
        lines.append(f"left out, {reason}: {len(names):,} ({listed(names, SHOWN)})")
    counts = class_counts(data.labels[kept], data.classes)
    lost = [name for name, number in zip(data.classes, counts, strict=True) if not number]
    if lost:
        lines.append(f"ATTENTION, classes without a picture in the table: {listed(lost, len(lost))}")
    return lines


def table_that_fits(audit: Audit) -> Path | None:
    """A path at which a table without the pictures that leave can be written; None where no table can hold the others.

    Parameters
    ----------
    audit
        what was found
    """
    for name in ("clean.csv", "clean.jsonl"):
        for folder in ("", os.pardir):
            output = _free(Path(folder, name))
            with suppress(StriateError):
                check_table(audit.data, output)
                _kept(audit.data, leaving(audit), output)
                return output
    return None


def _free(output: Path) -> Path:
    """The path, or where something lies there, the first of clean-2.csv, clean-3.csv, … where nothing does."""
    names = (output.with_stem(f"{output.stem}-{number}") for number in count_from(2))
    return next(path for path in chain([output], names) if not path.exists())


def _kept(data: Dataset, left: dict[int, str], output: Path) -> np.ndarray:
    kept = np.array([place for place in range(len(data)) if place not in left], np.int64)
    if not len(kept):
        raise DataError(f"no picture of {printable(data.where)} would be left, so {printable(output)} is not written")
    return kept


def _table(data: Dataset, places: np.ndarray, output: Path) -> str:
    head = ["image", "labels" if data.several else "label", "split", "group"]
    rows = [_row(data, place, output) for place in places.tolist()]
    if output.suffix.lower() == ".jsonl":  # JSON's escapes hold any name, also one that is not UTF-8
        return "".join(json.dumps(dict(zip(head, row, strict=True))) + "\n" for row in rows)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=TABLES[output.suffix.lower()], lineterminator="\n")
    writer.writerow(head)
    for image, labels, *others in rows:
        cells = [image, "|".join(labels) if isinstance(labels, list) else labels, *others]
        other = f"{printable(output.with_suffix('.jsonl').name)} holds any"
        if odd := [cell for cell in cells if not cell.isprintable()]:
            raise DataError(
                f"a .csv or .tsv table holds names that can be printed, but not '{printable(odd[0])}'; {other}"
            )
        if isinstance(labels, list) and (odd := [label for label in labels if {*"|;"} & {*label}]):
            raise DataError(f"in a .csv or .tsv table | and ; separate labels, but '{odd[0]}' is one label; {other}")
        writer.writerow(cells)
    return text.getvalue()


def _row(data: Dataset, place: int, output: Path) -> Sequence[str | list[str]]:
    """Image, labels, split and group of one picture, as JSON writes them."""
    assert isinstance(data.source, Files)
    assert isinstance(data.source.tree, Folder)
    path = os.path.join(data.source.tree.root, data.source.names[int(data.rows[place])])  # noqa: PTH118
    image = os.path.relpath(path, os.path.realpath(output.parent)).replace(os.sep, "/")
    names = label_names(data, place)
    if image != image.strip() or any(name != name.strip() for name in names if data.several):
        raise DataError(f"a table holds names without space at their ends, but not '{printable(image)}'; rename it")
    return [image, names if data.several else names[0], str(data.splits[place]), str(data.groups[place])]
