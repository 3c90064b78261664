"""Charts, as Altair draws them: to be seen in a notebook, changed, put together, and written by `drawing`.

Their look is part of them, not of a theme, so that they keep it wherever they are put. Altair is imported when a chart
is made, since that takes half a second.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from math import ceil, isfinite
from typing import TYPE_CHECKING

from striate.show.looks import INKS, LIGHT, SMALL, THIN, axis, framed, inked, of_rows, round_span, span, spread
from striate.show.names import printable

if TYPE_CHECKING:
    import altair as alt

WIDTH, HEIGHT = 390, 210  # of the lines with their names, in pixels
SQUARE = 300  # pixels on a side of a chart with two axes of one scale
LETTER, LINE = 7, 15  # roughly the width of a letter, and the height of a line
LONGEST = 150  # pixels that a name may take beside its line
FEW = 6  # lines that have their names at their ends; more have a legend
LEFT = 42  # pixels for the numbers of an axis, so that charts one below the other are aligned
POINTS = 200  # of a line, of which more could not be told apart
DOT = 45  # square pixels

Point = tuple[float, float]
Pieces = list[list[Point]]  # a line between its gaps


def curves(
    title: str,
    series: Mapping[str, Sequence[Point]],
    x: str,
    y: str,
    *,
    marks: Mapping[str, float] | None = None,
    log_x: bool = False,
) -> "alt.LayerChart":
    """Lines over common axes, each with its name at its end.

    Parameters
    ----------
    title
        what is shown
    series
        points of each line by its name, from left to right; where one is not finite, the line has a gap
    x, y
        what the axes measure, with the unit
    marks
        places on the x axis that get a name: the best epoch
    log_x
        whether equal ratios of x take equal room
    """
    import altair as alt

    lines = {printable(name): found for name, points in series.items() if (found := _pieces(points, log_x))}
    told = "; ".join(_told(name, [*chain(*pieces)]) for name, pieces in lines.items()) or "no numbers"
    told = f"{printable(title)}: {printable(y)} over {printable(x)}. {told}"
    if not lines:
        empty = of_rows([{}]).mark_text(align="left", fontSize=SMALL, color=LIGHT["faint"])
        empty = empty.encode(alt.XValue(0), alt.YValue(HEIGHT / 2), alt.TextValue("there are no numbers to draw"))
        return framed([empty], title, told, WIDTH, HEIGHT)
    points = [*chain(*chain(*lines.values()))]
    there = {printable(name): place for name, place in (marks or {}).items() if _drawn((place, 0), log_x)}
    ends, (low, high) = span([a for a, _ in points] + [*there.values()], log_x), round_span([b for _, b in points])
    scale = alt.Scale(type="log" if log_x else "linear", domain=ends, nice=False)
    across = alt.X("x:Q", scale=scale, axis=axis(x, ends if log_x else None))
    up = alt.Y("y:Q", scale=alt.Scale(domain=[low, high], nice=False), axis=axis(y, extent=LEFT))
    direct = len(lines) <= FEW
    colour, dash = inked([*lines], legend=not direct)
    layers = [
        of_rows(_rows({name: [piece for piece in pieces if len(piece) > 1] for name, pieces in lines.items()}))
        .mark_line(strokeWidth=2, strokeJoin="round", order=False)
        .encode(across, up, colour, dash, detail="piece:N")
    ]
    if lone := _rows({name: [piece for piece in pieces if len(piece) == 1] for name, pieces in lines.items()}):
        dots = of_rows(lone).mark_point(filled=True, opacity=1, shape="circle", size=DOT)
        layers.append(dots.encode(across, up.axis(None), colour))
    room = 0.0
    if direct:
        room = 8 + min(LETTER * max(map(len, lines)), 1.2 * LONGEST)  # the letters of a page may be wider than these
        places = spread([pieces[-1][-1][1] for pieces in lines.values()], LINE / HEIGHT * (high - low), low, high)
        # what keeps the names' room, whatever the chart is put into, is an axis of which nothing is seen
        blank = alt.Axis(orient="right", minExtent=room, domain=False, ticks=False, labels=False, grid=False, title="")
        layers.append(
            of_rows({"line": name, "y": place} for name, place in zip(lines, places, strict=True))
            .mark_text(align="left", baseline="middle", dx=8, fontSize=SMALL, limit=LONGEST)
            .encode(alt.XValue("width"), up.axis(blank), colour, alt.Text("line:N"))
        )
    middle = (ends[0] * ends[1]) ** 0.5 if log_x else sum(ends) / 2
    for name, place in there.items():
        layers += _flag(name, place, across, left=place > middle)
    chart = framed(layers, title, told, WIDTH - room, HEIGHT, above=22 if there else 10)
    return chart.resolve_axis(y="independent")


def sizes(
    title: str, numbers: Mapping[tuple[int, int], int], x: str, y: str, corner: tuple[int, int]
) -> "alt.LayerChart":
    """Dots whose areas tell how many there are of each size, on logarithmic axes of one scale.

    Parameters
    ----------
    title
        what is shown
    numbers
        how many by x and y
    x, y
        what the axes measure
    corner
        a size to compare with, dashed
    """
    import altair as alt

    sides = [*chain(*numbers, corner)]
    low, high = 0.8 * min(sides), 1.25 * max(sides)
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    across, up = (
        alt.X("x:Q", scale=scale, axis=axis(x, (low, high))),
        alt.Y("y:Q", scale=scale, axis=axis(y, (low, high))),
    )
    area = alt.Size("number:Q", scale=alt.Scale(domain=[0, max(numbers.values())], range=[12, 300]), legend=None)
    outline = [{"x": a, "y": b} for a, b in ((corner[0], low), corner, (low, corner[1]))]
    frame = of_rows(outline).mark_line(color=LIGHT["faint"], strokeDash=THIN, strokeWidth=1, order=False)
    dots = of_rows({"x": a, "y": b, "number": number} for (a, b), number in numbers.items())
    dots = dots.mark_point(filled=True, opacity=0.45, shape="circle", color=INKS[0])
    (wide, tall), most = max(numbers.items(), key=lambda entry: entry[1])
    told = f"{printable(title)}: {len(numbers):,} different ones, most often ({most:,} times) {x} {wide} and {y} {tall}"
    return framed([frame.encode(across, up), dots.encode(across, up, area)], title, told, SQUARE, SQUARE)


def _flag(name: str, place: float, across: "alt.X", left: bool) -> "list[alt.Chart]":
    """A vertical line that stands out above the others, with its name on the side where there is more room."""
    import altair as alt

    base, colour = of_rows([{"x": place, "mark": name}]), LIGHT["faint"]
    rule = base.mark_rule(color=colour, strokeDash=THIN)
    side = -1 if left else 1
    word = base.mark_text(align="right" if left else "left", dx=4 * side, dy=-8, color=colour, fontSize=SMALL)
    return [
        rule.encode(across, alt.YValue(-14), alt.Y2Value("height")),
        word.encode(across, alt.YValue(0), alt.Text("mark:N")),
    ]


def _drawn(point: Point, log_x: bool) -> bool:
    return isfinite(point[0]) and isfinite(point[1]) and (not log_x or point[0] > 0)


def _pieces(points: Sequence[Point], log_x: bool) -> Pieces:
    pieces: Pieces = [[]]
    for point in points:
        if _drawn(point, log_x):
            pieces[-1].append((float(point[0]), float(point[1])))
        else:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _rows(lines: Mapping[str, Pieces]) -> list[dict[str, str | float]]:
    """What Altair draws: of a long line every so manieth point, with all its gaps and ends."""
    rows = []
    for name, pieces in lines.items():
        step = max(1, ceil(sum(map(len, pieces)) / POINTS))
        for number, piece in enumerate(pieces):
            rows += [{"line": name, "piece": number, "x": a, "y": b} for a, b in [*piece[:-1:step], piece[-1]]]
    return rows


def _told(name: str, points: Sequence[Point]) -> str:
    """A line in words."""
    (first, start), (last, end) = points[0], points[-1]
    if len(points) == 1:
        return f"{name} is {start:.4g} at {first:.4g}"
    lowest, highest = (choose(points, key=lambda point: point[1]) for choose in (min, max))
    return (
        f"{name} goes from {start:.4g} at {first:.4g} to {end:.4g} at {last:.4g}, lowest {lowest[1]:.4g} at "
        f"{lowest[0]:.4g}, highest {highest[1]:.4g} at {highest[0]:.4g}"
    )
