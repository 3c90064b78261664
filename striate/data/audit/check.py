"""`striate check`: look at pictures with labels before a network learns from them."""

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from striate.data.audit.audit import Audit, audit
from striate.data.dataset import Dataset
from striate.errors import DataError, StriateError, Unwritten
from striate.files import check_output
from striate.show.names import printable


def check(
    where: Annotated[str | Path | Dataset, Parameter(accepts_keys=False)],
    *,
    page: Path | None = None,
    fix: Path | None = None,
    classes: Path | None = None,
) -> Audit:
    """Look at a data set for what would harm learning from it.

    Finds files that cannot be read or are damaged, copies within and across splits, labels that contradict each other,
    uneven and small classes, odd sizes and colours, and what the crops leave of each picture.

    Parameters
    ----------
    where
        a folder, table, archive, or what else `Dataset.open` opens
    page
        also writes an HTML page with thumbnails, for example check.html
    fix
        also writes a table (.csv, .tsv or .jsonl) without unreadable or damaged pictures and copies; touches no picture
    classes
        a file with a class name per line, in the order wanted
    """
    from striate.data.audit.cleaning import check_table, leaving, table_that_fits, write_table

    if isinstance(where, Dataset) and classes:
        raise DataError(
            f"the order of classes is chosen where data is opened, but this is open already; leave {classes}"
        )
    page, fix = (None if path is None else Path(path) for path in (page, fix))
    check_output(page, (".html", ".htm"))
    # what cannot be used is what is looked for, so it is no reason to stop
    data = where if isinstance(where, Dataset) else Dataset.open(where, classes=classes, on_bad="skip")
    if fix:
        check_table(data, fix)
    found = audit(data)
    mistakes = []
    for output, write in ((page, _write_page), (fix, write_table)):
        if output:
            try:
                found.done += write(found, output)
            except StriateError as mistake:  # told once, beside what was found
                mistakes.append(mistake)
    if mistakes:
        raise Unwritten("; ".join(map(str, mistakes)), found)
    if fix:
        if classes:
            found.done.append(f"a table holds no order of classes: open it with --classes {printable(classes)}, too")
    elif (number := len(leaving(found))) and (table := table_that_fits(found)):
        option = f" --classes {_quoted(classes)}" if classes else ""
        command = (
            f'striate.check(data, fix="{table}")'
            if isinstance(where, Dataset)
            else f"striate check {_quoted(where)}{option} --fix {table}"
        )
        found.done.append(f"next: {command} leaves out {number:,} of {len(data):,}, and touches no picture")
    return found


def _write_page(found: Audit, output: Path) -> list[str]:
    from striate.data.audit.page import write_page

    return [write_page(found, output)]


def _quoted(path: str | Path) -> str:
    return shlex.quote(printable(path))
