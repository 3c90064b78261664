"""The command `striate distort`: what training would make of a picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from PIL import Image

from striate.data.distort.colour import colour_spread
from striate.data.distort.distortion import distortion
from striate.data.distort.draw import Drawn
from striate.data.distort.warp import warp
from striate.errors import StriateError
from striate.files import check_output
from striate.ops.options import Output
from striate.ops.picture import read_picture
from striate.pictures.sheet import PICTURE_ENDINGS, Panel, write_sheet
from striate.show.numbers import percent, show_size
from striate.show.table import Column, Table

MOST, LARGEST = 200, 2048  # more views, or larger ones, are no sheet that one can look at
Show = Callable[[Any], str]


def _factor(value: float) -> str:
    return f"×{value:.2f}"


SHAPE: dict[str, tuple[str, Show]] = {
    "crop": ("crop", percent),
    "mirror": ("mirrored", lambda _: "yes"),
    "right": ("to the right", lambda pixels: f"{pixels:+d} px"),
    "down": ("down", lambda pixels: f"{pixels:+d} px"),
    "rotate": ("turned", lambda degrees: f"{abs(round(degrees))}° {'left' if degrees >= 0 else 'right'}"),
    "shear": ("shear", lambda degrees: f"{round(degrees):+d}°"),
    "scale": ("size", _factor),
    "warp": ("warp", lambda pixels: f"up to {pixels:.1f} px"),
}
COLOUR: dict[str, tuple[str, Show]] = {
    "brightness": ("brightness", _factor),
    "contrast": ("contrast", _factor),
    "saturation": ("saturation", _factor),
    "hue": ("hue", lambda degrees: f"{round(degrees):+d}°"),
    "pca": ("colour shift", lambda levels: f"{levels:.0f} levels"),
    "gray": ("gray", lambda _: "yes"),
    "blur": ("blur", lambda sigma: f"{sigma:.1f} px"),
    "erase": ("erased", percent),
}
SHOWN = SHAPE | COLOUR
NOTHING = ("0°", "+0", "×1.00")  # too little to see


def distort(
    picture: str | Path | None = None,
    /,
    *,
    preset: Annotated[str, Parameter(name=("--preset", "-p"))] = "photo",
    size: int = 224,
    count: int = 11,
    seed: int = 0,
    output: Output = None,
) -> Table:
    """Show what training would make of a picture: views, each cut, turned and coloured differently.

    Parameters
    ----------
    picture
        A file, or built in: scene (the default), halves.
    preset
        none, light, photo, digits or strong; then what differs from it: "photo, rotate 25, mirror 0". What can be set:
        mirror, crop, aspect, padding, rotate, shear, scale, warp, brightness, contrast, saturation, hue, pca, gray,
        blur, sigma, erase, erased.
    size
        Height and width of a view, in pixels.
    count
        How many views.
    seed
        Another seed draws other views.
    output
        Where to write a sheet of the picture and its views (.png, .jpg, .webp).
    """
    check_output(output, PICTURE_ENDINGS, picture)
    if not (1 <= size <= LARGEST and 1 <= count <= MOST):
        raise StriateError(
            f"a sheet holds 1 to {MOST} views of 1 to {LARGEST} pixels a side, but {count} of {size} were asked for"
        )
    wanted, source = distortion(preset), read_picture(picture)
    pixels = np.ascontiguousarray(np.moveaxis(np.rint(source.pixels).astype(np.uint8), 0, 2))
    notes = list(source.notes)
    spread = None
    if wanted.pca and pixels.shape[2] == 3:
        spread = colour_spread([pixels])
        notes.append("pca shifts along the colours of this picture; training takes those of the whole data")
    elif wanted.pca:
        spread = np.zeros((3, 3))
    rows, panels = [], [Panel(_image(pixels), "the picture", (show_size(pixels.shape),))]
    for number in range(1, count + 1):
        drawn = wanted.draw(pixels.shape[:2], (size, size), seed, 0, number, spread)
        rows.append({"view": number, **drawn.amounts})
        if output:
            panels.append(Panel(_image(warp(pixels, drawn)), f"view {number}", _caption(drawn)))
    title = f"Views of {source} → {show_size((size, size))}"
    if output:
        notes.append(write_sheet(output, title, [f"Distortion: {wanted}"], panels, 4))
    return _table(title, rows, [f"distortion: {wanted}", *notes])


def _caption(drawn: Drawn) -> tuple[str, ...]:
    """What was drawn, in words: a line on the shape, and one on the colours."""
    lines = []
    for words in (SHAPE, COLOUR):
        said = [(title, show(drawn.amounts[name])) for name, (title, show) in words.items() if name in drawn.amounts]
        parts = [title if text == "yes" else f"{title} {text}" for title, text in said if not text.startswith(NOTHING)]
        lines += [", ".join(part.replace(" ", "\u00a0") for part in parts)] if parts else []
    return tuple(lines) or ("as it is",)


def _table(title: str, rows: list[dict[str, float]], notes: list[str]) -> Table:
    """A row per view, a column for each distortion that any of them has."""
    used = [name for name in SHOWN if any(name in row for row in rows)]
    columns = [Column("view", "view")]
    columns += [Column(SHOWN[name][0], name, SHOWN[name][1], narrow=at) for at, name in enumerate(used, 1)]
    return Table(columns, [{name: row.get(name) for name in ("view", *used)} for row in rows], title, notes=notes)


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]).convert("RGB")
