"""`striate look filters`: what a layer's channels look for, as pictures."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from striate.errors import StriateError, one_of
from striate.files import check_output
from striate.look.layers import layers
from striate.look.looked import Channels, Looked, Weights, Whose, named_channels, named_layer, passing
from striate.look.sight import box, noise, traces
from striate.look.subject import Subject, still, subject
from striate.look.tiles import light_and_colour, tiled
from striate.ops.options import Output
from striate.pictures.sheet import BOX_WIDTH, PICTURE_ENDINGS, Panel, write_sheet
from striate.show.numbers import exact, percent, show_size
from striate.show.progress import track
from striate.show.table import Column, Table

DRAWN = 64  # channels of a deep layer that are computed where none are named: each costs a pass back
NOISES = 8  # pictures of noise whose gradients are averaged
Scale = Literal["each", "common"]


@dataclass(frozen=True, eq=False, repr=False)
class Filters(Looked):
    """What channels look for.

    Parameters
    ----------
    layer
        its path
    channels
        which are shown
    maps
        (channels, 1 or 3, height, width): red, green and blue, or brightness
    weights
        whether these are the weights themselves, and not what the channels answer to on average
    """

    layer: str
    channels: list[int]
    maps: np.ndarray
    weights: bool


def filters(
    whose: Whose,
    *,
    layer: str | None = None,
    channels: Channels = None,
    scale: Scale = "each",
    weights: Weights = None,
    output: Output = None,
) -> Filters:
    """Draw a layer's filters: the first one's weights, a deeper one's average effect on the picture.

    Parameters
    ----------
    whose
        a run's folder, or a network's name or text
    layer
        its path, as `striate shapes` prints it; the first convolution if absent. Of a deeper layer, what is drawn is
        the gradient of a channel's middle position on the picture, averaged over noise: of a linear network exactly
        its filters composed, of any other what it answers to on average
    channels
        numbers from 0; all if absent, of a deeper layer the first 64
    scale
        each filter's largest weight gets the strongest colour, or the largest of all: common
    weights
        for a network's name: a file, or a Hugging Face name
    output
        where to write the sheet (.png, .jpg, .webp)
    """
    check_output(output, PICTURE_ENDINGS)
    one_of("--scale", scale, Scale)
    who = subject(whose, weights)
    known, found = layers(who.network, who.input), traces(who.network, who.input)
    first = [path for path in known if isinstance(who.network.get_submodule(path), nn.Conv2d)]
    if layer is None and not first:
        raise StriateError("filters belong to a convolution, but this network has none; name another layer: --layer")
    path = named_layer(known, layer) if layer is not None else first[0]
    if len(known[path]) not in (1, 3):
        raise StriateError(f"filters belong to channels, but {path} puts out {show_size(known[path])}")
    number, module = known[path][0], who.network.get_submodule(path)
    own = isinstance(module, nn.Conv2d) and found[path].depth == 1 and module.in_channels == who.input[0]
    shown = named_channels(channels, number, path) or list(range(number if own else min(number, DRAWN)))
    if own:
        maps = next(module.parameters()).detach().double().cpu().numpy()[shown]
        what = f"{exact(number)} filters of {show_size((*maps.shape[2:], maps.shape[1]))}: its weights"
    else:
        maps = effects(who, path, shown)
        what = (
            f"{exact(len(shown))} of {exact(number)} channels: what each answers to on average, as the gradient of its "
            f"middle position over {NOISES} pictures of noise"
        )
    if who.preprocess.channels == "BGR":
        maps = maps[:, ::-1].copy()
    title = f"Filters of {path}, {who.title}"
    notes, told = [what, *who.notes], [what]
    if not own:
        if silent := int((~maps.any((1, 2, 3))).sum()):
            told.append(f"silent on all of this noise, so plain gray: {exact(silent)} of {exact(len(shown))}")
            notes.append(told[-1])
        notes.append("`striate look exciting` shows pictures that excite a channel, `striate look dream` draws one")
    if output:
        notes.append(_sheet(output, title, [f"{line[0].upper()}{line[1:]}." for line in told], shown, maps, scale))
    return Filters(_table(title, shown, maps, notes), path, shown, maps, own)


def effects(who: Subject, path: str, channels: list[int], noises: int = NOISES) -> np.ndarray:
    """What channels answer to on average: gradients on the picture, (channels, colours, height, width).

    By Stein's lemma the mean gradient over normal noise is also the mean of the noise, weighted by the answers: the
    reverse correlation by which physiologists find what a cell of the striate cortex looks for.

    Parameters
    ----------
    who
        whose channels
    path
        of a layer
    channels
        which
    noises
        pictures of noise
    """
    shape = layers(who.network, who.input)[path]
    place = (shape[1] // 2, shape[2] // 2) if len(shape) == 3 else (0, 0)
    seen = box(traces(who.network, who.input).get(path), place, who.input, path).clipped(*who.input[1:])
    pictures = noise(who, noises).requires_grad_()
    maps = []
    with still(who.network), passing(who.network, path) as passed:
        who.network(pictures)
        answers = passed[path].reshape(noises, shape[0], *(shape[1:] or (1, 1)))[:, :, *place]  # (noises, channels)
        for channel in track(channels, f"looking through {path}"):
            (gradient,) = torch.autograd.grad(answers[:, channel].sum(), pictures, retain_graph=True)
            maps.append(gradient.mean(0)[:, seen.top : seen.bottom, seen.left : seen.right].double().numpy())
    return np.stack(maps)


def _table(title: str, channels: list[int], maps: np.ndarray, notes: list[str]) -> Table:
    """A row for each filter, the strongest first."""
    norms = np.sqrt((maps**2).sum((1, 2, 3)))
    gray = np.sqrt(maps.shape[1] * (maps.mean(1) ** 2).sum((1, 2)))  # of the part that all colours share
    rows = []
    for place in np.argsort(-norms, kind="stable").tolist():
        row = {"channel": channels[place], "norm": float(norms[place]), "sum": float(maps[place].sum())}
        if maps.shape[1] > 1:
            row["colour"] = float(1 - (gray[place] / (norms[place] or 1)) ** 2)
        rows.append(row)
    columns = [
        Column("channel", "channel"),
        Column("norm", "norm", lambda value: f"{value:.3g}"),
        Column("sum", "sum", lambda value: f"{value:+.3g}"),
    ]
    if maps.shape[1] > 1:
        columns.append(Column("colour", "colour", percent))
        notes = [*notes, "colour: the share of a filter's squares that a gray picture would not see"]
    return Table(columns, rows, title, notes=notes)


def _sheet(output, title: str, lines: list[str], channels: list[int], maps: np.ndarray, scale: Scale) -> str:
    colours = "a colour counts for a filter where it is lighter, and against it where it is darker"
    light = "light counts for a filter, dark against it"
    lines.append(f"Gray is 0; {light if maps.shape[1] == 1 else colours}.")
    largest = np.abs(maps).max((1, 2, 3))
    if scale == "each":
        lines.append("Each has its own scale: its largest number gets the strongest colour. Below it, its channel.")
    else:
        lines.append(f"All have one scale: ±{largest.max():.3g} gets the strongest colour. Below each, its channel.")
        largest[:] = largest.max()
    images = [light_and_colour(one, most) for one, most in zip(maps, largest.tolist(), strict=True)]
    whole = tiled(images, [str(channel) for channel in channels], BOX_WIDTH[1])
    return write_sheet(output, title, lines, [Panel(whole, "")], 1)
