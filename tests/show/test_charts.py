"""Charts: every number stands where its axis says, labels can be read, and all is told in words."""

import re
import xml.etree.ElementTree as tree
from itertools import pairwise
from math import inf, isclose, log10, nan

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from striate.show.axes import Axis, spread, written
from striate.show.charts import BOTTOM, HEIGHT, LINE, TOP, curves, matrix, write_svg

NUMBERS = st.floats(-1e9, 1e9).filter(lambda number: number == 0 or abs(number) > 1e-9)


@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_a_linear_axis_holds_its_numbers_between_round_ends(numbers):
    axis = Axis.of(numbers, 50, 450)
    assume(axis.high - axis.low > 1e-6 * max(map(abs, numbers)))
    for number in numbers:
        assert 50 - 1e-3 <= axis.at(number) <= 450 + 1e-3
    assert 3 <= len(axis.ticks) <= 12
    step = axis.ticks[1] - axis.ticks[0]
    power = 10 ** round(log10(step) - 0.35)  # 1, 2 and 5 are all nearest to their own power of ten, less a third
    assert any(isclose(step, round_step * power, rel_tol=1e-3) for round_step in (1, 2, 5, 10))


@given(st.floats(1e-12, 1e12), st.floats(1.01, 1e12))
def test_on_a_logarithmic_axis_equal_ratios_take_equal_room(low, ratio):
    axis = Axis.of([low, low * ratio], 50, 450, log=True)
    assert axis.at(low) == pytest.approx(50)
    assert axis.at(low * ratio) == pytest.approx(450)
    assert axis.at(low * ratio**0.25) == pytest.approx(150, abs=1e-3)
    assert 3 <= len(axis.ticks) <= 15
    assert all(49.9 <= axis.at(tick) <= 450.1 for tick in axis.ticks)


@pytest.mark.parametrize(
    ("number", "words"), [(0.05, "0.05"), (20000, "20,000"), (1e-6, "1e-06"), (0, "0"), (2.5, "2.5"), (1e12, "1e+12")]
)
def test_numbers_beside_an_axis(number, words):
    assert written(number) == words


@given(st.lists(st.floats(-100, 400), max_size=8))
def test_labels_keep_apart_and_in_order(places):
    moved = spread(places, 15, 30, 250)
    assert all(30 - 1e-9 <= place <= 250 + 1e-9 for place in moved)
    for one, other in pairwise(sorted(moved)):
        assert other - one >= 15 - 1e-9
    order = sorted(range(len(places)), key=lambda index: places[index])
    assert [moved[index] for index in order] == sorted(moved)


def test_labels_that_are_apart_stay():
    assert spread([200, 40, 100], 15, 30, 250) == [200, 40, 100]


def drawn(chart: str) -> tree.Element:
    return tree.fromstring(chart)


def lines(chart: str) -> list[tree.Element]:
    return [part for part in drawn(chart) if "curve" in part.get("class", "")]


def test_a_curve_has_its_points_its_name_and_its_numbers_in_words():
    chart = curves("Loss", {"training": [(0, 2.0), (5, 1.0), (10, 0.5)]}, "epoch", "loss")
    (line,) = lines(chart)
    assert re.findall("[A-Z]", line.get("d", "")) == ["M", "L", "L"]
    assert "training" in [part.text for part in drawn(chart)]
    told = drawn(chart).get("aria-label")
    assert told == ("Loss: loss over epoch. training goes from 2 at 0 to 0.5 at 10, lowest 0.5 at 10, highest 2 at 0")
    assert drawn(chart).get("role") == "img"


def dots(chart: str) -> list[tree.Element]:
    return [part for part in drawn(chart) if part.tag == "circle"]


def test_a_single_value_is_a_dot_where_the_axes_say():
    chart = curves("Loss", {"training": [(0, 2.0), (1, 1.0)], "validation": [(1, 1.0)]}, "epoch", "loss")
    (dot,) = dots(chart)
    end = lines(chart)[0].get("d", "").rpartition("L")[2]
    assert f"{dot.get('cx')} {dot.get('cy')}" == end
    assert dot.get("class") == "name2"  # as its name is
    assert "validation is 1 at 1" in (drawn(chart).get("aria-label") or "")


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_what_is_not_finite_leaves_a_gap(bad):
    chart = curves("Loss", {"a": [(0, 1), (1, 2), (2, bad), (3, 3), (4, bad), (5, 1)]}, "x", "y")
    path = lines(chart)[0].get("d", "")
    assert re.findall("[A-Z]", path) == ["M", "L", "M", "M"]
    assert len(dots(chart)) == 2  # those between gaps, of which no line can be seen
    assert "nan" not in chart
    assert "inf" not in chart


def test_many_lines_differ_without_colour_and_their_names_do_not_overlap():
    chart = curves("t", {f"line {number}": [(0, 1), (1, 1 + number / 1000)] for number in range(6)}, "x", "y")
    looks = {tuple(line.get("class", "").split()[1:]) for line in lines(chart)}
    assert len(looks) == 6
    assert len({dash for _, dash in looks}) == 4
    places = sorted(float(part.get("y", "")) for part in drawn(chart) if part.get("class", "").startswith("name"))
    assert all(other - one >= LINE - 0.11 for one, other in pairwise(places))
    assert places[0] >= TOP
    assert places[-1] <= HEIGHT - BOTTOM + 5


def test_a_logarithmic_chart_leaves_out_what_has_no_logarithm():
    chart = curves("t", {"a": [(0, 5), (1e-6, 1), (1e-3, 2), (1, 3)]}, "rate", "y", marks={"chosen": 1e-3}, log_x=True)
    at = [float(place) for place in re.findall(r"[ML]([\d.]+) ", lines(chart)[0].get("d", ""))]
    assert len(at) == 3
    assert at[1] - at[0] == pytest.approx(at[2] - at[1], abs=0.2)
    mark = next(part for part in drawn(chart) if part.get("class") == "mark")
    assert mark.get("d", "").startswith(f"M{at[1]}")
    assert "chosen" in [part.text for part in drawn(chart)]


@pytest.mark.parametrize("series", [{}, {"a": []}, {"a": [(0, nan)]}])
def test_a_chart_of_nothing_says_so(series):
    assert "there are no numbers to draw" in curves("t", series, "x", "y")


def test_names_are_text():
    evil = "<script>alert(1)</script>"
    chart = curves(evil, {evil: [(0, 1), (1, 2)]}, evil, evil, marks={evil: 0.5}) + matrix([[1]], [evil])
    assert "<script" not in chart
    assert "&lt;script&gt;" in chart


def test_a_file_of_its_own_needs_no_page(tmp_path):
    write_svg(tmp_path / "lr.svg", curves("t", {"a": [(0, 1), (1, 2)]}, "x", "y"))
    content = (tmp_path / "lr.svg").read_text(encoding="utf-8")
    root = tree.fromstring(content)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in content  # many programs do not know them
    assert "svg .ink1 { stroke: #1f6fb2; }" in content
    assert "prefers-color-scheme" not in content


def test_the_matrix_has_every_count_and_many_classes_become_pairs():
    small = matrix([[8, 2], [0, 5]], ["cat", "dog"])
    assert re.findall(r">([\d·]+)</td>", small) == ["8", "2", "·", "5"]
    classes = [f"class {number}" for number in range(40)]
    counts = [[10 if one == other else 0 for other in range(40)] for one in range(40)]
    assert "No picture was taken for another class" in matrix(counts, classes)
    counts[3][7], counts[5][2] = 4, 30
    large = matrix(counts, classes)
    assert re.findall(r"class \d+", large) == ["class 5", "class 2", "class 3", "class 7"]
    assert "75 %" in large
    assert "29 %" in large  # 4 of 14
