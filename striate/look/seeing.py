"""`striate look field`: what one position of a layer can see of a picture, and what it really looks at."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from cyclopts import Parameter
from PIL import Image

from striate.errors import StriateError
from striate.files import check_output
from striate.look.layers import layer_with_maps, layers
from striate.look.looked import Looked, Weights, Whose, passing
from striate.look.photo import Photo, photo
from striate.look.sight import Box, box, is_global, noise, traces
from striate.look.subject import Subject, still, subject
from striate.measure.rows import show_sights
from striate.ops.options import Output, read_place
from striate.pictures.sheet import PICTURE_ENDINGS, Bar, Panel, heat_image, write_sheet
from striate.show.names import printable
from striate.show.numbers import percent, show_size
from striate.show.progress import track
from striate.show.table import Column, Table

HELD = 0.95  # of all gradient, by which the effective field is measured
DIRECTIONS, TOGETHER = 32, 8  # random ways to mix the channels, and how many pass at a time
At = Annotated[
    tuple[int, int] | None,
    Parameter(
        name="--at",
        converter=lambda _, tokens: read_place(tokens[0].value),
        n_tokens=1,
        allow_leading_hyphen=True,
        negative="",
        metavar="ROW,COL",
        show_choices=False,
    ),
]


@dataclass(frozen=True, eq=False, repr=False)
class Seeing(Looked):
    """What a position sees.

    Parameters
    ----------
    layer, position
        which: row and column of the map
    theoretical
        the pixels of the input on which it can depend, borders included
    whole
        whether it knows something of the whole picture beside, as after squeeze-and-excite
    effective
        the smallest square around the middle of that which holds 95 % of the gradient, cut off at the picture's end
    side
        of that square, in pixels
    heat
        (height, width) of the input: the mean size of the gradient, 1 in all
    """

    layer: str
    position: tuple[int, int]
    theoretical: Box
    whole: bool
    effective: Box
    side: int
    heat: np.ndarray


def field(
    whose: Whose,
    picture: Annotated[Path | None, Parameter(accepts_keys=False)] = None,
    *,
    layer: str | None = None,
    at: At = None,
    weights: Weights = None,
    output: Output = None,
) -> Seeing:
    """Draw what one position of a layer can see, and how much it looks where.

    Parameters
    ----------
    whose
        a run's folder, or a network's name or text
    picture
        a file; noise if absent
    layer
        its path, as `striate shapes` prints it; the last one with maps if absent
    at
        row and column of the position, from 0; the middle if absent
    weights
        for a network's name: a file, or a Hugging Face name
    output
        where to write the sheet (.png, .jpg, .webp)
    """
    check_output(output, PICTURE_ENDINGS, picture)
    who = subject(whose, weights)
    path = layer_with_maps(who.network, who.input, layer)
    _, rows, columns = layers(who.network, who.input)[path]
    row, column = at or (rows // 2, columns // 2)
    if not (0 <= row < rows and 0 <= column < columns):
        raise StriateError(
            f"{path} has the rows 0 to {rows - 1} and the columns 0 to {columns - 1}, but {row},{column} is asked for"
        )
    trace = traces(who.network, who.input).get(path)
    there = box(trace, (row, column), who.input, path)
    assert trace and trace.sights
    shown = photo(picture, who) if picture is not None else None
    heat = gradient_heat(who, path, (row, column), shown)
    effective, side = holding(heat, ((there.top + there.bottom) / 2, (there.left + there.right) / 2))
    whole = is_global(trace.sights)
    what = printable(shown.name) if shown else "noise"
    title = f"What {path} of {who.title} sees at {row},{column}"
    inside = there.clipped(*who.preprocess.size).size
    notes = [
        f"theoretical: {show_sights(trace.sights)} pixels a side can change it, borders included; {show_size(inside)} "
        f"of them lie in the input of {show_size(who.preprocess.size)}",
        f"effective: on {what}, {percent(HELD)} of the gradient lie in the square of {side} pixels around its middle",
        f"gradient: its mean size at each pixel, over {DIRECTIONS} random mixtures of the layer's channels",
    ]
    if whole:
        notes.append("whole, or global: beside its field it knows something of all of the picture, through a gate")
    notes += who.notes
    if output:
        notes.append(_sheet(output, title, notes[:4] if whole else notes[:3], shown, who, there, effective, heat))
    line = {
        "layer": path,
        "row": row,
        "column": column,
        "theoretical": show_sights(trace.sights),
        "box": f"rows {there.top} to {there.bottom - 1}, columns {there.left} to {there.right - 1}",
        "effective": side,
    }
    table = Table(
        [
            Column("layer", "layer", align="left"),
            Column("theoretical", "theoretical"),
            Column("pixels of the input", "box", align="left"),
            Column("effective", "effective"),
        ],
        [line],
        title,
        notes=notes,
    )
    return Seeing(table, path, (row, column), there, whole, effective, side, heat)


def gradient_heat(who: Subject, path: str, place: tuple[int, int], shown: Photo | None) -> np.ndarray:
    """How much each pixel moves a position: (height, width), 1 in all.

    The gradient of a normal mixture of channels is normal, too, with the length of the channels' gradients together as
    its deviation; so the mean size over mixtures tells that length without a pass back for each channel.

    Parameters
    ----------
    who, path, place
        whose position
    shown
        a picture; None is noise
    """
    row, column = place
    draw = torch.Generator().manual_seed(1)
    total = torch.zeros(who.input[1:], dtype=torch.float64)
    pictures = noise(who, DIRECTIONS) if shown is None else shown.input.expand(DIRECTIONS, -1, -1, -1)
    with still(who.network), passing(who.network, path) as passed:
        for some in track(pictures.split(TOGETHER), f"looking back from {path}", DIRECTIONS // TOGETHER):
            leaf = some.clone().requires_grad_()
            who.network(leaf)
            answers = passed[path][:, :, row, column]  # (TOGETHER, channels)
            (gradient,) = torch.autograd.grad((answers * torch.randn(answers.shape, generator=draw)).sum(), leaf)
            total += gradient.abs().sum((0, 1))
    if not total.any():
        raise StriateError(
            f"{path} at {row},{column} does not change with the picture: all of its channels are at rest there; "
            "another position or picture would tell more"
        )
    return (total / total.sum()).numpy()


def holding(heat: np.ndarray, centre: tuple[float, float], share: float = HELD) -> tuple[Box, int]:
    """The smallest square around a place that holds a share of all heat, cut off at the ends, and its side.

    Parameters
    ----------
    heat
        (height, width), 1 in all
    centre
        row and column: a half is between two pixels
    share
        what it must hold
    """
    # how far each pixel's farther edge is from the middle, along the axis where it is farther
    down, across = (
        np.maximum(np.abs(np.arange(side) - at), np.abs(np.arange(side) + 1 - at))
        for side, at in zip(heat.shape, centre, strict=True)
    )
    reach = np.maximum(down[:, None], across[None, :])
    order = np.argsort(reach, axis=None, kind="stable")
    gathered = np.cumsum(heat.ravel()[order])
    last = min(int(np.searchsorted(gathered, share * gathered[-1] * (1 - 1e-12))), len(order) - 1)
    far = float(reach.ravel()[order[last]])
    edges = [round(at + sign * far) for at in centre for sign in (-1, 1)]
    return Box(*edges).clipped(*heat.shape), round(2 * far)


def _sheet(
    output: Path,
    title: str,
    lines: list[str],
    shown: Photo | None,
    who: Subject,
    there: Box,
    effective: Box,
    heat: np.ndarray,
) -> str:
    size = who.preprocess.size
    seen = shown.seen if shown else (0.0, 1.0, 0.0, 1.0)
    largest = float(np.quantile(heat[heat > 0], 0.995))
    strong = np.sqrt(heat / largest)  # the tails would be black otherwise
    drawn = shown.overlaid(strong, 1.0) if shown else heat_image(strong, 1.0)
    panels = [
        Panel(
            shown.drawn() if shown else Image.fromarray(_bytes(who)),
            "what it can see",
            ("outlined: the theoretical field",),
            frame=there.frame(size, seen),
        ),
        Panel(
            drawn,
            "what it looks at",
            (f"outlined: the square that holds {percent(HELD)} of the gradient",),
            frame=effective.frame(size, seen),
        ),
    ]
    lines = [f"{line[0].upper()}{line[1:]}." for line in lines]
    bar = Bar(0, ("no gradient", "a quarter", "the strongest 0.5 % of pixels"))
    return write_sheet(output, title, lines, panels, 2, bar)


def _bytes(who: Subject) -> np.ndarray:
    """A picture of the noise, for the eye: (height, width, 3) bytes."""
    factor, shift = (values[:, None, None] for values in who.preprocess.factors)
    levels = (noise(who, 1)[0].numpy() - shift) / factor
    pixels = np.moveaxis(np.clip(np.rint(levels), 0, 255).astype(np.uint8), 0, 2)
    return pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)
