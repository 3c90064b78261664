"""Sheets: panels side by side with titles, captions and a colour bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from striate.files import write_whole
from striate.show.numbers import show_size

PICTURE_ENDINGS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
Frame = tuple[float, float, float, float]
# blue where negative, white at 0, red where positive: readers of any colour vision tell them apart
STOPS = (-1.0, -0.5, 0.0, 0.5, 1.0)
STOP_COLOURS = np.array([(8, 48, 107), (66, 146, 198), (250, 250, 250), (222, 96, 70), (110, 4, 24)], float)
PAPER, INK, FAINT, FRAME = "#ffffff", "#1d2329", "#5c6670", "#c9d0d6"
MARGIN, GAP = 28, 22
BOX_WIDTH = {1: 640, 2: 480, 3: 380, 4: 320, 5: 260, 6: 220, 7: 190, 8: 170}
NUMBERS_FROM = 34  # a pixel enlarged to this many has room for its value
# Pillow's own font lacks these
SPELLED = str.maketrans({"×": "x", "−": "-", "→": "->", "—": "-", "–": "-", "\u00a0": " "})


@dataclass(frozen=True)
class Bar:
    """Colours explained below a sheet.

    Parameters
    ----------
    lowest
        the first colour's value, as a share of the last one's: -1 or 0
    words
        what the first, the middle and the last colour mean
    """

    lowest: float
    words: tuple[str, str, str]


SIGNED = Bar(-1.0, ("negative", "0", "positive"))


@dataclass(frozen=True)
class Panel:
    """One picture on a sheet.

    Parameters
    ----------
    image
        the picture
    title
        a few words above it
    caption
        lines below it
    numbers
        the value of each pixel (height, width), written into the pixels where they are large enough
    frame
        a part to outline: top, bottom, left and right as shares of the height and width
    """

    image: Image.Image
    title: str
    caption: tuple[str, ...] = ()
    numbers: np.ndarray | None = None
    frame: Frame | None = None


def write_sheet(
    output: Path,
    title: str,
    lines: list[str],
    cells: Sequence[Panel | None],
    columns: int,
    bar: Bar | Sequence[Bar] | None = None,
) -> str:
    """Write panels on one sheet; returns a line that says so.

    Parameters
    ----------
    output
        the file
    title
        the head of the sheet
    lines
        what to know, below the head
    cells
        panels row by row; None leaves a place free
    columns
        how many panels a row has
    bar
        explains the colours of the panels, where they mean something; several explain colours of several kinds
    """
    bars = [bar] if isinstance(bar, Bar) else list(bar or ())
    columns = min(columns, len(cells))
    panels = [panel for panel in cells if panel]
    width = BOX_WIDTH[columns]
    tallest = max(panel.image.height / panel.image.width for panel in panels)
    height = round(width * min(tallest, 1.25))
    page = columns * width + (columns - 1) * GAP
    captions = [[part for line in cell.caption for part in _wrapped(line, 14, width)] if cell else [] for cell in cells]
    cell = 26 + height + 8 + 19 * max(map(len, captions)) + GAP
    head = [part for line in lines for part in _wrapped(line, 15, page)]
    top = MARGIN + 36 + 21 * len(head) + 14
    rows = -(-len(cells) // columns)

    paper = Image.new("RGB", (page + 2 * MARGIN, top + rows * cell + 56 * len(bars) + MARGIN - GAP), PAPER)
    draw = ImageDraw.Draw(paper)
    _write(draw, (MARGIN, MARGIN - 6), _fitting(title, 25, page), 25)
    for number, line in enumerate(head):
        _write(draw, (MARGIN, MARGIN + 34 + 21 * number), line, 15, FAINT)
    for number, (panel, caption) in enumerate(zip(cells, captions, strict=True)):
        if panel is None:
            continue
        left, upper = MARGIN + number % columns * (width + GAP), top + number // columns * cell
        _write(draw, (left, upper), _fitting(panel.title, 17, width), 17)
        _paste(paper, draw, panel, (left, upper + 26), (width, height))
        for below, line in enumerate(caption):
            _write(draw, (left, upper + 26 + height + 8 + 19 * below), line, 14, FAINT)
    for number, bar in enumerate(bars):
        _colour_bar(paper, draw, bar, (MARGIN, top + rows * cell + 56 * number), min(page, 860))
    write_picture(paper, output)
    return f"written: {output} ({show_size((paper.height, paper.width))})"


def write_picture(image: Image.Image, output: Path) -> None:
    """Write a picture under its name only when it is complete.

    Parameters
    ----------
    image
        what is written
    output
        a path with a known ending
    """
    write_whole(output, lambda file: image.save(file, PICTURE_ENDINGS[output.suffix.lower()], quality=92))


def _paste(paper: Image.Image, draw: ImageDraw.ImageDraw, panel: Panel, corner: tuple[int, int], box: tuple[int, int]):
    """The picture in its box, as large as it fits; enlarged pixels stay sharp squares."""
    image = panel.image
    scale = min(box[0] / image.width, box[1] / image.height)
    fitted = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    if scale > 1:
        whole = ceil(scale)
        image = image.resize((image.width * whole, image.height * whole), Image.Resampling.NEAREST)
    image = image.resize(fitted, Image.Resampling.BOX if scale > 1 else Image.Resampling.LANCZOS)
    left, top = corner[0] + (box[0] - image.width) // 2, corner[1] + (box[1] - image.height) // 2
    paper.paste(image, (left, top))
    draw.rectangle((left - 1, top - 1, left + image.width, top + image.height), outline=FRAME)
    if panel.frame:
        spans = image.height, image.height, image.width, image.width
        upper, lower, first, last = (round(share * span) for share, span in zip(panel.frame, spans, strict=True))
        draw.rectangle((left + first, top + upper, left + last, top + lower), outline=PAPER, width=3)
        draw.rectangle((left + first + 1, top + upper + 1, left + last - 1, top + lower - 1), outline=INK)
    if panel.numbers is not None and scale >= NUMBERS_FROM:
        _write_numbers(draw, panel.numbers, image, (left, top), scale)


def _write_numbers(
    draw: ImageDraw.ImageDraw, numbers: np.ndarray, image: Image.Image, corner: tuple[int, int], scale: float
) -> None:
    """The value of each pixel in its middle, dark on light or light on dark, and lines between the pixels."""
    left, top = corner
    for row in range(1, len(numbers)):
        draw.line((left, top + row * scale, left + image.width - 1, top + row * scale), fill=FRAME)
    for column in range(1, numbers.shape[1]):
        draw.line((left + column * scale, top, left + column * scale, top + image.height - 1), fill=FRAME)
    light = np.asarray(image.convert("L"))
    for (row, column), value in np.ndenumerate(numbers):
        x, y = (column + 0.5) * scale, (row + 0.5) * scale
        ink = INK if light[int(y), int(x)] > 130 else PAPER
        draw.text((left + x, top + y), f"{value or 0:.4g}", fill=ink, font=_font(min(20, int(scale / 3))), anchor="mm")


def _colour_bar(paper: Image.Image, draw: ImageDraw.ImageDraw, bar: Bar, corner: tuple[int, int], width: int) -> None:
    left, top = corner
    values = np.tile(np.linspace(bar.lowest, 1, width), (16, 1))
    paper.paste(signed_image(values, 1) if bar.lowest < 0 else heat_image(values, 1), (left, top))
    draw.rectangle((left - 1, top - 1, left + width, top + 16), outline=FRAME)
    for share, anchor, word in zip((0, 0.5, 1), ("la", "ma", "ra"), bar.words, strict=True):
        draw.text((left + share * width, top + 22), _spelled(word), fill=INK, font=_font(14), anchor=anchor)


def signed_image(values: np.ndarray, largest: float) -> Image.Image:
    """Values (height, width) as blue (−largest), white (0) and red (+largest)."""
    share = np.clip(values / largest, -1, 1) if largest else np.zeros(values.shape)
    colours = np.stack([np.interp(share, STOPS, channel) for channel in STOP_COLOURS.T], axis=-1)
    return Image.fromarray(np.rint(colours).astype(np.uint8))


def heat_image(values: np.ndarray, largest: float) -> Image.Image:
    """Values (height, width) from dark (0) to bright (largest), in colours whose lightness only grows."""
    import cv2  # a start may not wait for it

    share = np.clip(values / largest, 0, 1) if largest else np.zeros(values.shape)
    levels = np.rint(255 * share).astype(np.uint8)
    return Image.fromarray(cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB))


@cache
def _font(size: int):
    return ImageFont.load_default(size)


def _spelled(text: str) -> str:
    return text.translate(SPELLED)


def _write(draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, size: int, colour: str = INK) -> None:
    draw.text(corner, _spelled(text), fill=colour, font=_font(size))


def _wrapped(text: str, size: int, width: int) -> list[str]:
    """The text in lines that are not wider than `width` pixels."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _font(size).getlength(_spelled(longer)) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _fitting(text: str, size: int, width: int) -> str:
    """The text, cut where it is wider than `width` pixels."""
    if _font(size).getlength(_spelled(text)) <= width:
        return text
    while text and _font(size).getlength(_spelled(text + "…")) > width:
        text = text[:-1]
    return text + "…"
