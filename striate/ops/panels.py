"""Results as panels of a sheet: light as light, signed values in blue and red."""

from pathlib import Path

import numpy as np
from PIL import Image

from striate.ops.answer import amount, is_small
from striate.ops.filtering import On
from striate.ops.picture import COLOURS, Picture, write_picture
from striate.ops.sheet import Panel, colour_reach, light_image, signed_image
from striate.ops.size import show_size


def before(source: Picture, on: On) -> Panel:
    """The picture as the operator sees it."""
    channel = COLOURS.index(on) if on in COLOURS else None
    values = source.gray() if on == "gray" else source.values if channel is None else source.values[channel][None]
    return light("picture" if channel is None else f"picture, {on}", values, values.max())


def light(title: str, values: np.ndarray, lightest: float) -> Panel:
    """Values as a picture; a small one from 0 to its lightest value, with its numbers."""
    if not is_small(values):
        return Panel(light_image(values), title)
    return Panel(light_image(values * (255 / (lightest or 1))), title, (), values[0])


def signed(title: str, values: np.ndarray, signed: bool, caption: tuple[str, ...]) -> Panel:
    """Values (height, width) in blue and red; where they have no sign, from black to white."""
    reach, span = colour_reach(values), np.ptp(values) or 1.0
    if signed:
        image, scale = signed_image(values, reach), f"darkest at ±{amount(reach)}"
    else:
        image = light_image((values[None] - values.min()) * (255 / span))
        scale = f"black is {amount(values.min())}, white is {amount(values.max())}"
    image.thumbnail((1000, 1000))
    return Panel(image, title, (*caption, scale), values if is_small(values[None]) else None)


def bar_words(reach: float) -> tuple[str, str, str]:
    return f"−{amount(reach)} or less", "0", f"{amount(reach)} or more"


def write_sheet(drawn: Image.Image, output: Path) -> str:
    write_picture(drawn, output)
    return f"written: {output} ({show_size((drawn.height, drawn.width))})"
