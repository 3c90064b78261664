"""Many small pictures as one: tiles in rows, each with a word below it."""

from collections.abc import Sequence
from functools import cache
from math import ceil, sqrt

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from striate.pictures.sheet import FAINT, PAPER

GAP, WORD = 6, 15  # pixels between tiles, and of the line below each


def tiled(images: Sequence[Image.Image], words: Sequence[str], width: int, columns: int | None = None) -> Image.Image:
    """Lay pictures side by side; small ones are enlarged to sharp squares.

    Parameters
    ----------
    images
        row by row
    words
        below each
    width
        of the whole, in pixels
    columns
        tiles in a row; None makes about as many rows as columns
    """
    columns = columns or max(1, ceil(sqrt(len(images))))
    side = (width - (columns - 1) * GAP) // columns
    cell = side + WORD + GAP
    whole = Image.new("RGB", (width, -(-len(images) // columns) * cell - GAP), PAPER)
    draw = ImageDraw.Draw(whole)
    for number, (image, text) in enumerate(zip(images, words, strict=True)):
        left, top = number % columns * (side + GAP), number // columns * cell
        shown = _fitted(image, side)
        whole.paste(shown, (left + (side - shown.width) // 2, top + (side - shown.height) // 2))
        draw.text((left + side / 2, top + side + 1), _cut(text, side), fill=FAINT, font=_font(), anchor="ma")
    return whole


def light_and_colour(values: np.ndarray, largest: float) -> Image.Image:
    """Signed values (1 or 3, height, width) around gray: light where positive, dark where negative, in their colours.

    Parameters
    ----------
    values
        red, green and blue, or brightness
    largest
        what becomes white
    """
    levels = np.rint(127.5 + 127.5 * np.clip(values / (largest or 1), -1, 1)).astype(np.uint8)
    return Image.fromarray(levels[0] if len(levels) == 1 else np.moveaxis(levels, 0, 2)).convert("RGB")


def _cut(word: str, room: int) -> str:
    """A word that is no wider than its tile."""
    if _font().getlength(word) <= room:
        return word
    while word and _font().getlength(f"{word}…") > room:
        word = word[:-1]
    return f"{word}…"


def _fitted(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS)


@cache
def _font():
    return ImageFont.load_default(11)
