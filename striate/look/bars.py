"""Numbers with names as bars."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from striate.pictures.sheet import INK, PAPER

LINE = 24  # pixels of a bar with its name
ABOVE, BELOW = "#b5382a", "#2a6fa8"  # as in signed pictures: red is positive, blue negative


def bars(names: Sequence[str], values: Sequence[float], width: int) -> Image.Image:
    """A bar for each number, all on one scale, with its name on the left and the number on the right.

    Parameters
    ----------
    names
        a few letters each
    values
        as many
    width
        of the picture, in pixels
    """
    font = ImageFont.load_default(14)
    most = width * 0.4
    names = [_fitting(name, font, most) for name in names]
    left = max(font.getlength(name) for name in names) + 12
    room = max(font.getlength(_written(value)) for value in values) + 10
    whole = Image.new("RGB", (width, LINE * len(names)), PAPER)
    draw = ImageDraw.Draw(whole)
    lowest, highest = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    scale = (width - left - room) / ((highest - lowest) or 1)
    zero = left - lowest * scale
    for number, (name, value) in enumerate(zip(names, values, strict=True)):
        top = number * LINE
        draw.text((left - 8, top + LINE / 2), name, fill=INK, font=font, anchor="rm")
        ends = sorted((zero, zero + value * scale))
        draw.rectangle((ends[0], top + 4, ends[1], top + LINE - 5), fill=ABOVE if value >= 0 else BELOW)
        draw.text((max(ends[1], zero) + 6, top + LINE / 2), _written(value), fill=INK, font=font, anchor="lm")
    draw.line((zero, 0, zero, whole.height), fill=INK)
    return whole


def _written(value: float) -> str:
    return f"{value:.3g}"


def _fitting(name: str, font, most: float) -> str:
    if font.getlength(name) <= most:
        return name
    while name and font.getlength(f"{name}…") > most:
        name = name[:-1]
    return f"{name}…"
