"""What stands where in an SVG, read from the file alone."""

import re
import xml.etree.ElementTree as tree
from collections.abc import Iterator

NUMBER = r"-?\d+(?:\.\d+)?"
Place = tuple[float, float]


def placed(svg: str) -> Iterator[tuple[tree.Element, Place]]:
    """Each element with where its origin is."""

    def inside(part: tree.Element, origin: Place) -> Iterator[tuple[tree.Element, Place]]:
        for x, y in re.findall(rf"translate\(({NUMBER}),({NUMBER})\)", part.get("transform", "")):
            origin = origin[0] + float(x), origin[1] + float(y)
        yield part, origin
        for other in part:
            yield from inside(other, origin)

    return inside(tree.fromstring(svg), (0.0, 0.0))


def paths(svg: str, **attributes: str) -> list[list[Place]]:
    """The corners of the lines that have these attributes."""
    found = []
    for part, (left, top) in placed(svg):
        wanted = all(part.get(name.replace("_", "-")) == value for name, value in attributes.items())
        if part.tag.endswith("path") and wanted:
            corners = re.findall(rf"[ML]({NUMBER}),({NUMBER})", part.get("d", ""))
            found.append([(left + float(x), top + float(y)) for x, y in corners])
    return found


def lines(svg: str) -> list[list[Place]]:
    """The corners of the lines of numbers."""
    return paths(svg, stroke_width="2", stroke_linejoin="round")


def dots(svg: str) -> list[tuple[str, Place]]:
    """The dots with their colours."""
    return [
        (part.get("fill", ""), place)
        for part, place in placed(svg)
        if part.tag.endswith("path") and "A" in part.get("d", "")
    ]


def words(svg: str) -> dict[str, Place]:
    """Texts with their places."""
    return {part.text or "": place for part, place in placed(svg) if part.tag.endswith("text")}


def ticks(svg: str) -> tuple[dict[str, float], dict[str, float]]:
    """The numbers beside the axes with their places: across, and up."""
    texts = [(part, place) for part, place in placed(svg) if part.tag.endswith("text")]
    numbers = [(part, place) for part, place in texts if re.fullmatch(r"[\d,.e+−-]+", part.text or "")]
    across = {part.text or "": x - 0.5 for part, (x, _) in numbers if part.get("text-anchor") == "middle"}
    up = {part.text or "": y - 4.5 for part, (_, y) in numbers if part.get("text-anchor") == "end"}
    return across, up  # axes stand between pixels, the middle of a digit 4 above its foot
