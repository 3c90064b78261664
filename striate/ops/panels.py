"""Results as panels of a sheet: light as light, signed values in blue and red."""

from pathlib import Path

import numpy as np
from PIL import Image

from striate.ops.answer import amount, is_small
from striate.ops.filtering import On
from striate.ops.filters import Kernel
from striate.ops.picture import COLOURS, Picture, write_picture
from striate.ops.sheet import Panel, colour_reach, light_image, signed_image
from striate.ops.size import show_size

SPACE = "\u00a0" * 3  # wide, and a line does not break at it


def before(source: Picture, on: On) -> Panel:
    """The picture as the operator sees it."""
    channel = COLOURS.index(on) if on in COLOURS else None
    values = source.gray() if on == "gray" else source.values if channel is None else source.values[channel][None]
    return light("picture" if channel is None else f"picture, {on}", values, values.max())


def light(title: str, values: np.ndarray, lightest: float, frame: tuple[int, int, int, int] | None = None) -> Panel:
    """Values as a picture; a small one from 0 to its lightest value, with its numbers."""
    if not is_small(values):
        return Panel(light_image(values), title, frame=frame)
    return Panel(light_image(values * (255 / (lightest or 1))), title, (), values[0])


def filtered(kernel: Kernel, values: np.ndarray, flip: bool = False) -> Panel:
    """What a kernel answered, (height, width): in blue and red; where it has no sign, from black to white."""
    reach, largest = colour_reach(values), np.abs(values).max()
    if kernel.signed:
        image, scale = signed_image(values, reach), f"darkest at ±{amount(reach)}"
        scale += f", largest {amount(largest)}" if largest > reach else ""
    else:
        image = light_image((values[None] - values.min()) * (255 / (np.ptp(values) or 1)))
        scale = f"black is {amount(values.min())}, white is {amount(values.max())}"
    image.thumbnail((1000, 1000))
    weights = f"{SPACE}/ {SPACE}".join(SPACE.join(f"{value:.3g}" for value in row) for row in kernel.rows)
    caption = tuple(line for line in (weights, kernel.colours(flip), scale) if line)
    return Panel(image, kernel.name, caption, values if is_small(values[None]) else None)


def weighed(weights: np.ndarray) -> Panel:
    """A small filter (height, width) as numbers."""
    return Panel(signed_image(weights, 2 * float(np.abs(weights).max())), "filter", (), weights)


def write_sheet(drawn: Image.Image, output: Path) -> str:
    """Write a sheet; returns a line that says so."""
    write_picture(drawn, output)
    return f"written: {output} ({show_size((drawn.height, drawn.width))})"
