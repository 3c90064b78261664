"""Axes of charts: where a number stands, and which round numbers are written beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor, log10

ROUND = (1, 2, 5, 10)


@dataclass(frozen=True)
class Axis:
    """A scale from numbers to pixels.

    Parameters
    ----------
    low, high
        the numbers at its ends
    start, end
        the pixels at its ends; upwards, the end is the smaller one
    log
        whether equal ratios take equal room, instead of equal differences
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    @classmethod
    def of(cls, numbers: Sequence[float], start: float, end: float, log: bool = False) -> "Axis":
        """An axis that holds all of these numbers; on a linear one the ends are round."""
        low, high = (min(numbers), max(numbers)) if numbers else (1.0, 1.0)
        if log:
            low, high = (low, high) if low < high else (low / 2, high * 2)
            return cls(low, high, start, end, log)
        if high - low <= 1e-9 * max(abs(low), abs(high)):  # all are one number
            room = abs(low) / 2 or 0.5
            low, high = low - room, high + room
        step = _step(high - low)
        return cls(floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step, start, end)

    def at(self, number: float) -> float:
        """The pixel of a number."""
        low, high, place = (log10(value) if self.log else value for value in (self.low, self.high, number))
        return self.start + (place - low) / (high - low) * (self.end - self.start)

    @cached_property
    def ticks(self) -> list[float]:
        """Round numbers, few enough to be read."""
        if self.log:
            powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
            steps = (1, 2, 5) if log10(self.high / self.low) < 4 else (1,)
            apart = max(1, len(powers) // 7)  # over many powers of ten, every second or third has a number
            ticks = [float(f"{step}e{power}") for power in powers[::apart] for step in steps]
            inside = [tick for tick in ticks if self.low * (1 - 1e-9) <= tick <= self.high * (1 + 1e-9)]
            if len(inside) > 2:
                return inside
        step = _step(self.high - self.low)
        first, last = ceil(self.low / step - 1e-6), floor(self.high / step + 1e-6)
        return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def written(number: float) -> str:
    """A number beside an axis: '0.05', '20,000', '1e-06'.

    Parameters
    ----------
    number
        round already
    """
    if number == int(number) and abs(number) < 1e9:
        return f"{int(number):,}"
    return f"{number:.4g}"


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places of labels near where they belong: at least `gap` apart, inside the room if there is enough.

    Parameters
    ----------
    places
        where they belong, in any order
    gap
        the height of a label
    low, high
        the room
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = [min(max(places[index], low), high) for index in order]
    for number in range(1, len(moved)):
        moved[number] = max(moved[number], moved[number - 1] + gap)
    limit = high
    for number in reversed(range(len(moved))):  # what was pushed out of the room pushes back
        moved[number] = min(moved[number], limit)
        limit = moved[number] - gap
    back = dict(zip(order, moved, strict=True))
    return [back[index] for index in range(len(places))]


def _step(length: float) -> float:
    """The distance of ticks: 1, 2 or 5 times a power of ten, four to eight of them over a length."""
    rough = length / 6
    power = 10.0 ** floor(log10(rough))
    return power * min(ROUND, key=lambda step: abs(log10(step * power / rough)))
