"""Charts as small SVGs for pages: readable without colour, told in words to who does not see them."""

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path

from striate.files import write_whole
from striate.show.axes import Axis, spread, written
from striate.show.page import STYLE, table_html, text
from striate.show.table import Column, Table

WIDTH, HEIGHT = 480, 300
LEFT, TOP, BOTTOM = 56, 34, 44
FLAG = 12  # how far a mark stands out above the lines, for its name
LETTER, LINE = 7, 15  # roughly the width of a letter, and the height of a line
COLOURS = DASHES = 4  # that STYLE knows
POINTS = 200  # of a line, of which more could not be told apart
MOST = 30  # classes of a readable matrix, and rows of what stands for a larger one

Points = Sequence[tuple[float, float]]


def curves(
    title: str,
    series: Mapping[str, Points],
    x: str,
    y: str,
    *,
    marks: Mapping[str, float] | None = None,
    log_x: bool = False,
) -> str:
    """Lines over common axes, each with its name at its end.

    Parameters
    ----------
    title
        what is shown, as text
    series
        points of each line by its name, from left to right; where one is not finite, the line has a gap
    x, y
        what the axes measure, with the unit
    marks
        places on the x axis that get a name: the best epoch
    log_x
        whether equal ratios of x take equal room
    """
    finite = {name: [point for point in points if _drawn(point, log_x)] for name, points in series.items()}
    finite = {name: points for name, points in finite.items() if points}
    longest = max([len(name) for name in finite], default=0)
    right = WIDTH - 14 - LETTER * min(longest, 24)
    every = [point for points in finite.values() for point in points]
    places = [place for place in (marks or {}).values() if _drawn((place, 0), log_x)]
    across = Axis.of([point[0] for point in every] + places, LEFT, right, log_x)
    up = Axis.of([point[1] for point in every], HEIGHT - BOTTOM, TOP)
    parts = [f'<text class="title" x="{LEFT}" y="16">{text(title)}</text>', grid(across, up, x, y)]
    for name, place in (marks or {}).items():
        if not _drawn((place, 0), log_x):
            continue
        at = across.at(place)
        anchor = "end" if at > (LEFT + right) / 2 else "start"
        parts.append(f'<path class="mark" d="M{at:.1f} {TOP - FLAG}V{HEIGHT - BOTTOM}"/>')
        parts.append(
            f'<text x="{at + (4 if anchor == "start" else -4):.1f}" y="{TOP - 4}" text-anchor="{anchor}">'
            f"{text(name)}</text>"
        )
    ends = spread([up.at(points[-1][1]) for points in finite.values()], LINE, TOP, HEIGHT - BOTTOM)
    for number, (name, end) in enumerate(zip(finite, ends, strict=True)):
        colour, dash = number % COLOURS + 1, (number + number // COLOURS) % DASHES + 1
        dots = _lone(series[name], log_x)
        parts += [
            f'<path class="curve ink{colour} dash{dash}" d="{_path(series[name], across, up)}"/>',
            f'<text class="name{colour}" x="{right + 8:.1f}" y="{end + 4:.1f}">{text(_cut(name))}</text>',
            *(f'<circle class="name{colour}" cx="{across.at(a):.1f}" cy="{up.at(b):.1f}" r="3.5"/>' for a, b in dots),
        ]
    if not finite:
        parts.append(f'<text x="{LEFT + 12}" y="{HEIGHT / 2}">there are no numbers to draw</text>')
    told = "; ".join(_told(name, points) for name, points in finite.items()) or "no numbers"
    return svg("".join(parts), f"{title}: {y} over {x}. {told}")


def thinned(points: Points) -> list[tuple[float, float]]:
    """Every so manieth point of a long line, and the last.

    Parameters
    ----------
    points
        from left to right
    """
    return [*points[: -1 : max(1, -(-len(points) // POINTS))], *points[-1:]]


def svg(content: str, told: str, width: int = WIDTH, height: int = HEIGHT, top: int = 0) -> str:
    """The frame of a chart.

    Parameters
    ----------
    content
        its parts
    told
        what it shows, in words
    width, height
        its size in pixels, where the page has room
    top
        where it begins
    """
    return (
        f'<svg viewBox="0 {top} {width} {height}" width="{width}" role="img" aria-label="{text(told)}">{content}</svg>'
    )


def grid(across: Axis, up: Axis, x: str, y: str) -> str:
    """The lines, numbers and names of two axes.

    Parameters
    ----------
    across, up
        the axes
    x, y
        what they measure
    """
    parts = []
    for tick in across.ticks:
        place = across.at(tick)
        parts += [
            f'<path class="axis" d="M{place:.1f} {up.start:.1f}V{up.end:.1f}"/>',
            f'<text x="{place:.1f}" y="{up.start + 18:.1f}" text-anchor="middle">{written(tick)}</text>',
        ]
    for tick in up.ticks:
        place = up.at(tick)
        parts += [
            f'<path class="axis" d="M{across.start:.1f} {place:.1f}H{across.end:.1f}"/>',
            f'<text x="{across.start - 8:.1f}" y="{place + 4:.1f}" text-anchor="end">{written(tick)}</text>',
        ]
    middle, centre = (across.start + across.end) / 2, (up.start + up.end) / 2
    parts += [
        f'<text x="{middle:.1f}" y="{up.start + 36:.1f}" text-anchor="middle">{text(x)}</text>',
        f'<text transform="translate(12 {centre:.1f}) rotate(-90)" text-anchor="middle">{text(y)}</text>',
    ]
    return "".join(parts)


def write_svg(path: Path, chart: str) -> None:
    """Write a chart as a file of its own, on white paper.

    Parameters
    ----------
    path
        ends in .svg
    chart
        what `curves` returned
    """
    light = dict(re.findall(r"(--\w+): ([^;]+);", STYLE[: STYLE.index("@media")]))
    rules = (
        "".join(re.findall(r"^svg .*\n", STYLE, re.MULTILINE)) + "svg { font-family: sans-serif; background: #fff; }"
    )
    rules = re.sub(r"var\((--\w+)\)", lambda name: light[name[1]], rules)  # programs that draw know no variables
    alone = chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
        ">", f"><style>{rules}</style>", 1
    )
    write_whole(path, lambda file: file.write(alone.encode("utf-8")))


def matrix(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """What was taken for what: a table with a row for what pictures are; of many classes, the worst pairs.

    Parameters
    ----------
    counts
        counts[a][b]: pictures of the class a that were taken for b
    classes
        their names
    """
    if len(classes) > MOST:
        return _pairs(counts, classes)
    turned = "upright" if max(map(len, classes)) > 3 else "number"
    heads = "".join(f'<th scope="col" class="{turned}"><span>{text(name)}</span></th>' for name in classes)
    rows = []
    for place, (name, row) in enumerate(zip(classes, counts, strict=True)):
        cells = "".join(_cell(number, max(1, sum(row)), other == place) for other, number in enumerate(row))
        rows.append(f'<tr><th scope="row"><bdi>{text(name)}</bdi></th>{cells}</tr>')
    return (
        '<p class="faint">Rows: what the pictures are. Columns: what they were taken for.</p><div class="scroll">'
        f'<table class="matrix"><thead><tr><td></td>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _cell(number: int, total: int, right: bool) -> str:
    if not number:
        return '<td class="number faint">·</td>'
    ink = "--accent" if right else "--serious"
    shade = f"background: color-mix(in srgb, var({ink}) {10 + 35 * number / total:.0f}%, transparent)"
    return f'<td class="number" style="{shade}">{number:,}</td>'


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


def _drawn(point: tuple[float, float], log_x: bool) -> bool:
    return isfinite(point[0]) and isfinite(point[1]) and (not log_x or point[0] > 0)


def _path(points: Points, across: Axis, up: Axis) -> str:
    """A line through the points, with gaps where they are not finite."""
    words, pen = [], False
    for point in points:
        if _drawn(point, across.log):
            words.append(f"{'L' if pen else 'M'}{across.at(point[0]):.1f} {up.at(point[1]):.1f}")
        pen = _drawn(point, across.log)
    return "".join(words)


def _lone(points: Points, log_x: bool) -> list[tuple[float, float]]:
    """Points between gaps, through which no line goes."""
    there = [False, *(_drawn(point, log_x) for point in points), False]
    return [point for place, point in enumerate(points, 1) if there[place - 1 : place + 2] == [False, True, False]]


def _told(name: str, points: Points) -> str:
    """A line in words."""
    (first, start), (last, end) = points[0], points[-1]
    if len(points) == 1:
        return f"{name} is {start:.4g} at {first:.4g}"
    lowest, highest = (choose(points, key=lambda point: point[1]) for choose in (min, max))
    return (
        f"{name} goes from {start:.4g} at {first:.4g} to {end:.4g} at {last:.4g}, lowest {lowest[1]:.4g} at "
        f"{lowest[0]:.4g}, highest {highest[1]:.4g} at {highest[0]:.4g}"
    )


def _cut(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
