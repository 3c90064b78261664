"""What was taken for what, as a table of a page."""

from collections.abc import Sequence

from striate.show.page import table_html, text
from striate.show.table import Column, Table

MOST = 30  # classes of a readable matrix, and rows of what stands for a larger one


def matrix(counts: Sequence[Sequence[int]], classes: Sequence[str], opens: str = "") -> str:
    """What was taken for what: a table with a row for what pictures are; of many classes, the worst pairs.

    Parameters
    ----------
    counts
        counts[a][b]: pictures of the class a that were taken for b
    classes
        their names
    opens
        how the address of what each cell opens begins; the places of its classes follow
    """
    if len(classes) > MOST:
        return _pairs(counts, classes)
    turned = "upright" if max(map(len, classes)) > 3 else "number"
    heads = "".join(f'<th scope="col" class="{turned}"><span>{text(name)}</span></th>' for name in classes)
    rows = []
    for place, (name, row) in enumerate(zip(classes, counts, strict=True)):
        shares = [number / max(1, sum(row)) for number in row]
        cells = "".join(
            _cell(number, share, other == place, opens and f"{opens}{place}-{other}")
            for other, (number, share) in enumerate(zip(row, shares, strict=True))
        )
        rows.append(f'<tr><th scope="row"><bdi>{text(name)}</bdi></th>{cells}</tr>')
    return (
        '<p class="faint">Rows: what the pictures are. Columns: what they were taken for.</p><div class="scroll">'
        f'<table class="matrix"><thead><tr><td></td>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _cell(number: int, share: float, right: bool, opens: str) -> str:
    if not number:
        return '<td class="number faint">·</td>'
    ink = "--accent" if right else "--serious"
    shade = f"background: color-mix(in srgb, var({ink}) {10 + 35 * share:.0f}%, transparent)"
    shown = f'<a href="{opens}">{number:,}</a>' if opens else f"{number:,}"
    return f'<td class="number" style="{shade}">{shown}</td>'


def _pairs(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    worst = sorted(
        ((int(number), a, b) for a, row in enumerate(counts) for b, number in enumerate(row) if number and a != b),
        key=lambda pair: -pair[0],
    )
    rows = [
        {"is": classes[a], "for": classes[b], "number": number, "share": number / sum(counts[a])}
        for number, a, b in worst[:MOST]
    ]
    columns = [
        Column("is", "is", align="left"),
        Column("taken for", "for", align="left"),
        Column("pictures", "number", lambda number: f"{number:,}"),
        Column("of its class", "share", lambda share: f"{100 * share:.0f} %"),
    ]
    if not rows:
        return "<p>No picture was taken for another class.</p>"
    more = [f"and {len(worst) - MOST:,} pairs of classes more"] if len(worst) > MOST else []
    return table_html(Table(columns, rows, notes=more))
