"""A chart as a picture: part of a page, in its colours, or a file of its own."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from striate.files import check_output, write_whole, writing
from striate.show.page import COLOURS

if TYPE_CHECKING:
    import altair as alt

ENDINGS = (".svg", ".png")
SHARP = 2  # pixels of a .png for each of the chart
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
VARIABLES = {light: f"var(--{name})" for name, (light, _) in COLOURS.items()}


def inline(chart: "alt.TopLevelMixin") -> str:
    """A chart as part of a page, without scripts.

    Parameters
    ----------
    chart
        what `curves` returned, changed or put together with others as one likes
    """
    return for_page(svg(chart))


def for_page(standalone: str) -> str:
    """What was a file of its own, in the colours and the font of a page, light or dark.

    Parameters
    ----------
    standalone
        what `svg` returned, as it may have been kept in a file
    """
    root = _parsed(standalone)
    for part in root.iter():
        part.attrib.pop("font-family", None)
        for place in ("fill", "stroke"):
            if (colour := part.get(place)) in VARIABLES:
                part.set(place, VARIABLES[colour])
    return ElementTree.tostring(root, encoding="unicode")


def svg(chart: "alt.TopLevelMixin") -> str:
    """A chart as a file's content: on white paper, with its description for who does not see it.

    Parameters
    ----------
    chart
        as for `inline`
    """
    from vl_convert import vegalite_to_svg

    spec = _spec(chart)
    root = _parsed(vegalite_to_svg(spec, allowed_base_urls=[]))
    for part in root.iter():
        for unseen in [
            each for each in part if each.tag == "path" and not {"fill", "stroke"}.intersection(each.keys())
        ]:
            part.remove(unseen)
        for name in ("class", "role", "aria-roledescription", "aria-label", "aria-hidden", "pointer-events"):
            part.attrib.pop(name, None)
        for name in ("d", "transform"):
            if value := part.get(name):  # a hundredth of a pixel is enough
                part.set(name, NUMBER.sub(lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), value))
    root.attrib = {
        "xmlns": "http://www.w3.org/2000/svg",
        **{name: root.attrib[name] for name in ("viewBox", "width", "height")},
        "role": "img",
        "aria-label": spec.get("description", ""),
    }
    return ElementTree.tostring(root, encoding="unicode")


def write_charts(folder: Path, charts: "Mapping[str, alt.LayerChart]") -> None:
    """Write charts into a folder, each as an SVG of its name.

    Parameters
    ----------
    folder
        made if it is not there
    charts
        by name
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, chart in charts.items():
        write_chart(folder / f"{name}.svg", chart)


def write_chart(path: Path, chart: "alt.TopLevelMixin") -> None:
    """Write a chart as a file of its own.

    Parameters
    ----------
    path
        ends in .svg or .png
    chart
        as for `inline`
    """
    check_output(path, ENDINGS)
    if path.suffix.lower() == ".svg":
        content = svg(chart).encode("utf-8")
    else:
        from vl_convert import vegalite_to_png

        content = vegalite_to_png(_spec(chart), scale=SHARP, allowed_base_urls=[])
    write_whole(path, lambda file: file.write(content))


def _spec(chart: "alt.TopLevelMixin") -> dict[str, Any]:
    """What Vega-Lite is told."""
    spec = chart.to_dict(validate=False)  # that takes as long as all the rest, and the tests do it
    spec.setdefault("background", COLOURS["paper"][0])
    spec["config"] = {**spec.get("config", {}), "aria": False}  # the whole is described, not each of its strokes
    return spec


def _parsed(content: str) -> ElementTree.Element:
    root = ElementTree.fromstring(content)
    for part in root.iter():
        part.tag = part.tag.rpartition("}")[2]  # pages know what an SVG is
    return root
