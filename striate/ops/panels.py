"""Results as panels of a sheet: light as light, signed values in colours that have a middle."""

from collections.abc import Iterable

import numpy as np
from PIL import Image

from striate.ops.answer import amount, is_small
from striate.ops.filters import Kernel
from striate.ops.picture import COLOURS, Picture
from striate.pictures.sheet import Frame, Panel, signed_image

ROOM = 800  # no panel is higher or wider
SPACE = "\u00a0" * 3  # wide, and a line does not break at it


def light(title: str, channels: Iterable[np.ndarray], lightest: float, frame: Frame | None = None) -> Panel:
    """Channels (1 or 3, each height × width) as a picture; a small one from 0 to its lightest value, with numbers."""
    values = np.stack([shrunk(channel) for channel in channels])
    if not is_small(values):
        return Panel(_light_image(values), title, frame=frame)
    return Panel(_light_image(values * (255 / (lightest or 1))), title, (), values[0])


def picture_panel(source: Picture, on: str) -> Panel:
    """The picture as the operator sees it: its brightness, all channels, or one of them."""
    if on == "gray":
        return light("picture", source.gray(), source.pixels.max())
    if on == "all":
        return light("picture", source.pixels, source.pixels.max())
    channel = source.pixels[COLOURS.index(on)]
    return light(f"picture, {on}", [channel], channel.max())


def filtered(kernel: Kernel, values: np.ndarray, flip: bool = False) -> Panel:
    """What a kernel answered, (height, width): in blue and red; where it has no sign, from black to white."""
    small = shrunk(values)
    if kernel.signed:
        reach, largest = _colour_reach(small), max(values.max(), -values.min())
        image = signed_image(small, reach)
        scale = f"darkest at ±{amount(reach)}" + (f", largest {amount(largest)}" if largest > reach else "")
    else:
        image = _light_image((small[None] - small.min()) * (255 / (np.ptp(small) or 1)))
        scale = f"black is {amount(small.min())}, white is {amount(small.max())}"
    if _blocks(values) > 1:
        scale += f"; means of {_blocks(values)}×{_blocks(values)} pixels"
    weights = f"{SPACE}/ {SPACE}".join(SPACE.join(f"{value:.3g}" for value in row) for row in kernel.rows)
    caption = tuple(line for line in (weights, kernel.colours(flip), scale) if line)
    return Panel(image, kernel.name, caption, values if is_small(values[None]) else None)


def weighed(weights: np.ndarray) -> Panel:
    """A small filter (height, width) as numbers."""
    return Panel(signed_image(weights, 2 * float(np.abs(weights).max())), "filter", (), weights)


def framed(outside: np.ndarray) -> Frame:
    """The edges of a picture inside its border (True where it is border), as shares of the height and width."""
    rows, columns = np.flatnonzero(~outside.all(axis=1)), np.flatnonzero(~outside.all(axis=0))
    height, width = outside.shape
    return rows[0] / height, (rows[-1] + 1) / height, columns[0] / width, (columns[-1] + 1) / width


def shrunk(values: np.ndarray) -> np.ndarray:
    """Values (height, width) as means of square blocks, no larger than a sheet shows them: colouring more is waste."""
    if _blocks(values) == 1:
        return np.asarray(values, float)
    return np.asarray(Image.fromarray(values.astype(np.float32)).reduce(_blocks(values)), float)


def _blocks(values: np.ndarray) -> int:
    """The side of the blocks of which a panel shows the means."""
    return max(1, max(values.shape) // ROOM)


def _light_image(values: np.ndarray) -> Image.Image:
    """Channels (1 or 3, height, width) from 0 to 255 as a picture; what lies outside is cut off."""
    levels = np.clip(values + 0.5, 0, 255).astype(np.uint8)  # rounded, half up
    return Image.fromarray(levels[0] if len(levels) == 1 else np.moveaxis(levels, 0, 2)).convert("RGB")


def _colour_reach(values: np.ndarray) -> float:
    """The size that gets the darkest colour: exceeded by 0.5 % of the values, so that a few do not pale the rest."""
    sizes = np.abs(values)
    return float(np.quantile(sizes, 0.995, method="higher") or sizes.max())
