"""How charts look: their axes, colours and dashes, and where names stand beside lines."""

from collections.abc import Iterable, Sequence
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.show.names import printable
from striate.show.page import COLOURS

if TYPE_CHECKING:
    import altair as alt

LIGHT = {name: light for name, (light, _) in COLOURS.items()}
INKS = [LIGHT[name] for name in ("accent", "second", "third", "fourth")]
DASHES = [[1, 0], [7, 3], [2, 3], [9, 3, 2, 3]]
THIN = [4, 4]  # the dashes of what is no line of numbers
SMALL = 12  # pixels high, as all letters but those of the title
ROUND = (1, 2, 5, 10)
TICKS, LOG_TICKS = 6, 9  # numbers beside an axis, about
# 0.05, 20,000, 1e-6
NUMBER = (
    "!datum.value || abs(datum.value) >= 1e-4 && abs(datum.value) < 1e9 "
    "? format(datum.value, ',.6~g') : format(datum.value, '~e')"
)


def of_rows(rows: Iterable[dict[str, Any]]) -> "alt.Chart":
    """A chart of these rows, with no marks yet.

    Parameters
    ----------
    rows
        numbers that are finite, and texts
    """
    import altair as alt

    return alt.Chart(alt.Data(values=list(rows)))


def framed(
    layers: "list[alt.Chart]", title: str, told: str, width: float, height: float, above: float = 10
) -> "alt.LayerChart":
    """Layers as one chart, with its title.

    Parameters
    ----------
    layers
        the first is the lowest
    title
        as text
    told
        what it shows, in words
    width, height
        of where the marks stand, in pixels
    above
        pixels between that and the title
    """
    import altair as alt

    head = title_of(title, above)
    blank = alt.ViewBackground(stroke=None)
    return alt.LayerChart(layer=layers).properties(title=head, width=width, height=height, description=told, view=blank)


def title_of(title: str, above: float = 10, letters: int = 14) -> "alt.Title":
    """A title at the upper left.

    Parameters
    ----------
    title
        as text
    above
        pixels between it and what it is the title of
    letters
        pixels high
    """
    import altair as alt

    ink, words = LIGHT["ink"], printable(title)
    return alt.Title(
        words, anchor="start", frame="group", color=ink, fontSize=letters, fontWeight="normal", offset=above
    )


def axis(title: str, log: tuple[float, float] | None = None, extent: float = 0) -> "alt.Axis":
    """An axis with few lines and numbers.

    Parameters
    ----------
    title
        what it measures
    log
        the ends of a logarithmic one
    extent
        pixels that its numbers take at least
    """
    import altair as alt

    return alt.Axis(
        title=printable(title) or None,
        titleColor=LIGHT["faint"],
        titleFontSize=SMALL,
        titleFontWeight="normal",
        labelColor=LIGHT["faint"],
        labelFontSize=SMALL,
        labelFlush=False,
        labelPadding=6,
        labelExpr=NUMBER,
        gridColor=LIGHT["line"],
        domain=False,
        ticks=False,
        minExtent=extent,
        tickCount=LOG_TICKS if log else TICKS,
        values=_log_ticks(*log) if log else alt.Undefined,
    )


def inked(names: Sequence[str], legend: bool) -> "tuple[alt.Color, alt.StrokeDash]":
    """Colours and dashes by the field "line", no two of sixteen lines alike.

    Parameters
    ----------
    names
        of the lines
    legend
        whether it is to be told beside the chart
    """
    import altair as alt

    beside = None
    if legend:
        beside = alt.Legend(title=None, labelColor=LIGHT["faint"], labelFontSize=SMALL, symbolSize=400)
    places = range(len(names))
    inks = [INKS[place % len(INKS)] for place in places]
    dashes = [DASHES[(place + place // len(INKS)) % len(DASHES)] for place in places]
    colour = alt.Color("line:N", scale=alt.Scale(domain=list(names), range=inks), legend=beside)
    return colour, alt.StrokeDash("line:N", scale=alt.Scale(domain=list(names), range=dashes), legend=beside)


def span(numbers: Sequence[float], log: bool) -> tuple[float, float]:
    """From the smallest number to the largest, so that lines end where their names begin.

    Parameters
    ----------
    numbers
        at least one
    log
        whether equal ratios take equal room
    """
    low, high = min(numbers), max(numbers)
    if low < high:
        return low, high
    return (low / 2, high * 2) if log else (low - 0.5, high + 0.5)


def round_span(numbers: Sequence[float]) -> tuple[float, float]:
    """Round numbers around all of these.

    Parameters
    ----------
    numbers
        at least one

    >>> round_span([3, 97.5])
    (0.0, 100.0)
    """
    low, high = min(numbers), max(numbers)
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # all are one number
        room = abs(low) / 20 or 0.5
        low, high = low - room, high + room
    rough = (high - low) / 6
    power = 10.0 ** floor(log10(rough))
    step = power * min(ROUND, key=lambda step: abs(log10(step * power / rough)))
    return floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places of names near where they belong: at least `gap` apart, and inside the room if there is enough.

    Parameters
    ----------
    places
        where they belong, in any order
    gap
        the height of a name
    low, high
        the room
    """
    order = np.argsort(places, kind="stable")
    steps = gap * np.arange(len(places))
    moved = np.maximum.accumulate(np.clip(places, low, high)[order] - steps)
    moved = np.minimum(moved, high - gap * (len(places) - 1)) + steps  # what was pushed out of the room pushes back
    return moved[np.argsort(order)].tolist()


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, over few of them also twice and five times these, over less than that even steps.

    >>> _log_ticks(3, 70), _log_ticks(210, 630), _log_ticks(0.031, 0.05)
    ([5.0, 10.0, 20.0, 50.0], [300.0, 400.0, 500.0, 600.0], [0.035, 0.04, 0.045, 0.05])
    """
    steps = (1,) if high / low > 1e3 else (1, 2, 5)
    ticks = [float(f"{step}e{power}") for power in range(floor(log10(low)), ceil(log10(high)) + 1) for step in steps]
    inside = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    if len(inside) > 2:
        return inside
    third = (high - low) / 3
    power = floor(log10(third))
    step = next(step for step in (5, 2, 1) if step * 10.0**power <= third)
    first, last = ceil(low / 10.0**power / step), floor(high / 10.0**power / step)
    return [float(f"{place * step}e{power}") for place in range(first, last + 1)]
