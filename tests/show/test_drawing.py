"""Charts on a page and in files: whole, escaped, in the page's colours, the same every time."""

import re
import xml.etree.ElementTree as tree

import altair as alt
import numpy as np
import pytest
from PIL import Image
from seen import words

from striate.errors import StriateError
from striate.show.charts import curves, sizes
from striate.show.drawing import SHARP, for_page, inline, svg, write_chart
from striate.show.looks import INKS
from striate.show.page import COLOURS, STYLE

EVIL = '<script>alert(\'1\')</script>" onload="alert(2)" \udcff\u202e fill="#1f6fb2"'


@pytest.fixture(scope="module")
def chart() -> alt.LayerChart:
    lines = {"training": [(0, 1), (1, 2), (2, 1)], "validation": [(1, 2)]}
    return curves("Loss", lines, "epoch", "loss", marks={"best": 1})


def test_on_a_page_every_colour_is_one_of_the_page(chart):
    for drawn in (inline(chart), inline(sizes("t", {(1, 2): 3}, "x", "y", (5, 5)))):
        colours = {part.get(kind, "none") for part in tree.fromstring(drawn).iter() for kind in ("fill", "stroke")}
        named = set(re.findall(r"var\(--(\w+)\)", " ".join(colours)))
        assert colours == {"none"} | {f"var(--{name})" for name in named}
        assert {"paper", "ink", "faint", "line", "accent"} <= named <= COLOURS.keys()
        assert "#" not in drawn


def test_every_text_of_a_page_has_a_colour_and_the_font_of_the_page(chart):
    texts = list(tree.fromstring(inline(chart)).iter("text"))
    assert all(re.fullmatch(r"var\(--\w+\)", part.get("fill", "")) for part in texts)
    assert "font-family" not in inline(chart)
    assert 'font-family="sans-serif"' in svg(chart)


def test_colours_of_the_page_are_there_in_light_and_in_dark():
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")[:2]
    for name, pair in COLOURS.items():
        assert f"--{name}: {pair[0]}" in light
        assert f"--{name}: {pair[1]}" in dark


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("name", ["ink", "faint", "accent", "second", "third", "fourth"])
def test_texts_can_be_read_on_light_and_dark_paper(name, which):
    def brightness(colour: str) -> float:  # relative luminance, as WCAG defines it
        shares = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
        linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    low, high = sorted(brightness(COLOURS[each][which]) for each in (name, "paper"))
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_page_gets_one_element_that_shrinks_and_is_told(chart):
    root = tree.fromstring(inline(chart))
    assert root.tag == "svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == chart.description
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert "svg { max-width: 100%; height: auto;" in STYLE
    assert {"class", "id", "style", "onload", "href"}.isdisjoint(key for part in root.iter() for key in part.attrib)
    assert {part.tag for part in root.iter()} <= {"svg", "g", "path", "line", "text", "rect"}
    assert float(root.get("width", "")) < 500


def test_names_are_text():
    chart = curves(EVIL, {EVIL: [(0, 1), (1, 2)]}, EVIL, EVIL, marks={EVIL: 0.5})
    for drawn in (svg(chart), inline(chart)):
        root = tree.fromstring(drawn)
        assert "script" not in {part.tag.rpartition("}")[2] for part in root.iter()}
        assert all(not key.startswith("on") for part in root.iter() for key in part.attrib)
        assert "<script" not in drawn
        shown = '<script>alert(\'1\')</script>" onload="alert(2)" \\xff\\u202e fill="#1f6fb2"'
        assert shown in words(drawn)  # as it is written, also where it looks like a colour


def test_a_file_is_on_white_paper_and_becomes_what_the_page_has(chart, tmp_path):
    write_chart(tmp_path / "loss.svg", chart)
    content = (tmp_path / "loss.svg").read_text(encoding="utf-8")
    root = tree.fromstring(content)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root[0].attrib == {"width": root.get("width"), "height": root.get("height"), "fill": "#ffffff"}
    assert "var(" not in content  # many programs do not know them
    assert INKS[0] in content
    assert for_page(content) == inline(chart)


def test_a_picture_has_twice_the_pixels(chart, tmp_path):
    write_chart(tmp_path / "loss.PNG", chart)
    with Image.open(tmp_path / "loss.PNG") as image:
        assert image.format == "PNG"
        root = tree.fromstring(svg(chart))
        assert image.size == tuple(SHARP * int(root.get(side, "")) for side in ("width", "height"))
        pixels = np.asarray(image.convert("RGB"))
    assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()
    blue = (pixels == [int(INKS[0][place : place + 2], 16) for place in (1, 3, 5)]).all(2)
    assert blue.sum() > 500


@pytest.mark.parametrize("name", ["loss.pdf", "loss.html", "loss", "loss.svg.gz"])
def test_other_endings_are_refused(chart, tmp_path, name):
    with pytest.raises(StriateError, match=r"the output must end in \.svg, \.png, but is"):
        write_chart(tmp_path / name, chart)
    assert not list(tmp_path.iterdir())


def test_the_same_chart_gives_the_same_bytes(tmp_path):
    made = [curves("t", {"a": [(0, 0.1), (1, 1 / 3)]}, "x", "y") for _ in range(2)]
    assert inline(made[0]) == inline(made[1])
    for place, chart in enumerate(made):
        write_chart(tmp_path / f"{place}.png", chart)
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()


def test_charts_can_be_changed_and_put_together(chart):
    both = alt.hconcat(chart, chart.properties(title="Another")).properties(description="two of them")
    root = tree.fromstring(inline(both))
    assert root.get("aria-label") == "two of them"
    assert {"Loss", "Another"} <= words(inline(both)).keys()
    again = alt.Chart.from_dict(chart.to_dict())
    assert svg(again) == svg(chart)


def test_a_theme_of_the_notebook_changes_nothing(chart):
    plain = svg(chart)
    with alt.theme.enable("dark"):
        dark = tree.fromstring(svg(chart))
    assert dark[0].get("fill") == "#ffffff"
    assert {part.get("fill") for part in dark.iter() if part.tag.endswith("text")} == {
        part.get("fill") for part in tree.fromstring(plain).iter() if part.tag.endswith("text")
    }


def test_a_long_name_ends_within_the_chart(tmp_path):
    wide = curves("t", {"W" * 40: [(0, 1), (1, 2)]}, "x", "y")
    write_chart(tmp_path / "wide.png", wide)
    with Image.open(tmp_path / "wide.png") as image:
        assert (np.asarray(image.convert("L"))[:, -2:] > 250).all()
    assert any(word.endswith("W…") for word in words(svg(wide)))
