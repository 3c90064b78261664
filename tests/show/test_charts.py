"""Charts: every number stands where its axes say, names can be read, and all is told in words."""

import subprocess
import sys
from itertools import pairwise
from math import inf, log10, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seen import dots, lines, ticks, words

from striate.show.charts import FEW, LINE, POINTS, curves, sizes
from striate.show.drawing import svg
from striate.show.looks import INKS, LIGHT, round_span, spread

NUMBERS = st.floats(-1e9, 1e9).filter(lambda number: number == 0 or abs(number) > 1e-9)


@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_an_axis_holds_its_numbers_between_round_ends(numbers):
    low, high = round_span(numbers)
    room = 1e-6 * (high - low)
    assert low - room <= min(numbers) <= max(numbers) <= high + room
    assert low < high


@given(st.lists(st.floats(-100, 400), max_size=8))
def test_names_keep_apart_and_in_order(places):
    moved = spread(places, 15, 30, 250)
    assert all(30 - 1e-9 <= place <= 250 + 1e-9 for place in moved)
    for one, other in pairwise(sorted(moved)):
        assert other - one >= 15 - 1e-9
    order = sorted(range(len(places)), key=lambda index: places[index])
    assert [moved[index] for index in order] == sorted(moved)


def test_names_that_are_apart_stay():
    assert spread([200, 40, 100], 15, 30, 250) == [200, 40, 100]


def fit(marks: dict[str, float], log: bool = False) -> np.poly1d:
    """From numbers to pixels, as the numbers beside an axis say."""
    numbers = [float(mark.replace(",", "")) for mark in marks]
    numbers = [log10(number) for number in numbers] if log else numbers
    return np.poly1d(np.polyfit(numbers, list(marks.values()), 1))


def test_points_stand_where_the_axes_say():
    points = [(0, 2.0), (5, 1.0), (10, 0.5), (12, 0.45)]
    drawn = svg(curves("Loss", {"training": points}, "epoch", "loss"))
    across, up = map(fit, ticks(drawn))
    (line,) = lines(drawn)
    for (x, y), (a, b) in zip(line, points, strict=True):
        assert x == pytest.approx(across(a), abs=0.6)
        assert y == pytest.approx(up(b), abs=0.6)
    name = words(drawn)["training"]
    assert name[0] == pytest.approx(line[-1][0] + 8, abs=0.6)
    assert name[1] == pytest.approx(line[-1][1] + 4, abs=1)
    assert {"Loss", "epoch", "loss"} <= words(drawn).keys()


def test_a_logarithmic_chart_leaves_out_what_has_no_logarithm():
    points = [(0, 5), (1e-6, 1), (1e-3, 2), (1, 3)]
    chart = curves("t", {"a": points}, "rate", "y", marks={"chosen": 1e-3, "never": 0}, log_x=True)
    drawn = svg(chart)
    (line,) = lines(drawn)
    across = fit(ticks(drawn)[0], log=True)
    assert [x for x, _ in line] == pytest.approx([across(power) for power in (-6, -3, 0)], abs=0.6)
    assert list(ticks(drawn)[0]) == ["1e-6", "1e-5", "0.0001", "0.001", "0.01", "0.1", "1"]
    assert words(drawn)["chosen"][0] == pytest.approx(line[1][0] + 4, abs=0.6)
    assert "never" not in words(drawn)


@pytest.mark.parametrize(
    ("points", "marks"),
    [
        ([(0, 0), (1, 20000)], ["0", "5,000", "10,000", "15,000", "20,000"]),
        ([(0, 0), (1, 1e-6)], ["0", "2e-7", "4e-7", "6e-7", "8e-7", "1e-6"]),
        ([(0, -0.05), (1, 0.05)], ["−0.06", "−0.04", "−0.02", "0", "0.02", "0.04", "0.06"]),
        ([(0, 0), (1, 3e12)], ["0", "5e+11", "1e+12", "1.5e+12", "2e+12", "2.5e+12", "3e+12"]),
    ],
)
def test_numbers_beside_an_axis(points, marks):
    assert list(ticks(svg(curves("t", {"a": points}, "x", "y")))[1]) == marks


def test_a_chart_is_told_in_words():
    chart = curves("Loss", {"training": [(0, 2.0), (5, 1.0), (10, 0.5)], "other": [(1, 1.0)]}, "epoch", "loss")
    assert chart.description == (
        "Loss: loss over epoch. training goes from 2 at 0 to 0.5 at 10, lowest 0.5 at 10, highest 2 at 0; "
        "other is 1 at 1"
    )


def test_a_single_value_is_a_dot_in_the_colour_of_its_name():
    drawn = svg(curves("Loss", {"training": [(0, 2.0), (1, 1.0)], "validation": [(1, 1.0)]}, "epoch", "loss"))
    ((colour, place),) = dots(drawn)
    assert place == pytest.approx(lines(drawn)[0][-1], abs=0.6)
    assert colour == INKS[1]


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_what_is_not_finite_leaves_a_gap(bad):
    drawn = svg(curves("Loss", {"a": [(0, 1), (1, 2), (2, bad), (3, 3), (4, bad), (5, 1), (bad, 2)]}, "x", "y"))
    assert [len(line) for line in lines(drawn)] == [2]
    assert len(dots(drawn)) == 2  # those between gaps, of which no line can be seen


@pytest.mark.parametrize("number", [2, FEW, FEW + 1, 16])
def test_lines_differ_without_colour_and_their_names_do_not_overlap(number):
    names = [f"line {place}" for place in range(number)]
    chart = curves("t", {name: [(0, 1), (1, 1 + place / 1000)] for place, name in enumerate(names)}, "x", "y")
    colour, dash = (chart.to_dict()["layer"][0]["encoding"][kind] for kind in ("color", "strokeDash"))
    assert colour["scale"]["domain"] == dash["scale"]["domain"] == names
    looks = list(zip(colour["scale"]["range"], map(tuple, dash["scale"]["range"]), strict=True))
    assert len(set(looks)) == number
    if number <= FEW:  # within the colours, no dashes are alike, either
        assert len({dash for _, dash in looks[:4]}) == min(4, number)
    places = words(svg(chart))
    heights = sorted(places[name][1] for name in names)
    assert all(other - one >= LINE - 0.1 for one, other in pairwise(heights))


def test_a_long_line_is_thinned_with_its_gaps_and_ends():
    points = [(place, nan if place == 5000 else float(place % 7)) for place in range(10_000)]
    drawn = svg(curves("t", {"a": points}, "x", "y"))
    first, second = lines(drawn)
    assert POINTS * 0.9 < len(first) + len(second) < POINTS + 5
    across = fit(ticks(drawn)[0])
    ends = [line[place][0] for line in (first, second) for place in (0, -1)]
    assert ends == pytest.approx([across(place) for place in (0, 4999, 5001, 9999)], abs=0.6)


@pytest.mark.parametrize("points", [[(3, 7)], [(0, 0), (1, 0)], [(1, 1e-300), (2, 1e-300)], [(0, -1e300), (1, 1e300)]])
def test_what_is_all_one_number_or_far_apart_is_drawn(points):
    drawn = svg(curves("t", {"a": points}, "x", "y", marks={"here": points[0][0]}))
    assert "NaN" not in drawn
    assert lines(drawn) or dots(drawn)


@pytest.mark.parametrize("series", [{}, {"a": []}, {"a": [(0, nan)]}])
def test_a_chart_of_nothing_says_so(series):
    chart = curves("t", series, "x", "y", marks={"best": 3})
    assert "there are no numbers to draw" in words(svg(chart))
    assert chart.description == "t: y over x. no numbers"


def test_sizes_have_areas_by_their_numbers_beside_a_dashed_corner():
    chart = sizes("Sizes", {(100, 50): 9, (400, 800): 1}, "width", "height", (200, 100))
    drawn = svg(chart)
    axes = [fit(marks, log=True) for marks in ticks(drawn)]
    places = [place for _, place in dots(drawn)]
    for place, size in zip(places, [(100, 50), (400, 800)], strict=True):
        assert place == pytest.approx([axis(log10(side)) for axis, side in zip(axes, size, strict=True)], abs=0.8)
    assert chart.description == "Sizes: 2 different ones, most often (9 times) width 100 and height 50"
    layers = chart.to_dict()["layer"]
    assert [row[key] for row in layers[0]["data"]["values"][1:2] for key in "xy"] == [200, 100]


def test_charts_are_what_altair_allows():
    marks = {"best": 1}
    for chart in (
        curves("t", {"a": [(0, 1), (1, 2)], "b": [(1, 1)]}, "x", "y", marks=marks),
        curves("t", {str(n): [(1, 1), (2, n)] for n in range(9)}, "x", "y", log_x=True),
        curves("t", {}, "x", "y"),
        sizes("t", {(1, 2): 3}, "x", "y", (5, 5)),
    ):
        assert chart.to_dict(validate=True)["description"]


def test_altair_is_imported_when_a_chart_is_made():
    code = (
        "import sys, striate.show.charts, striate.show.drawing, striate.data.audit.page; print('altair' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_marks_are_no_colour_of_a_line():
    assert LIGHT["faint"] not in INKS
    assert len(set(LIGHT.values())) == len(LIGHT)
