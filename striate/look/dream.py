"""`striate look dream`: pictures that a network paints itself, to show what a channel, a unit or a class looks for."""

import copy
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from cyclopts import Parameter
from PIL import Image
from torch import nn

from striate.engine.quick import quick
from striate.errors import StriateError, one_of
from striate.files import check_output
from striate.look.ascent import Where, paint, until
from striate.look.canvas import Canvas
from striate.look.layers import layers
from striate.look.looked import Channels, Looked, Weights, Whose, named_channels, named_layer
from striate.look.subject import Subject, still, subject
from striate.ops.options import Output
from striate.pictures.sheet import PICTURE_ENDINGS, Panel, write_sheet
from striate.show.names import printable
from striate.show.numbers import count, show_size
from striate.show.table import Column, Table
from striate.train.machine import pick_device

FIRST = 12  # dreams, if nothing is named
SIDES, MOST = (8, 1024), 10_000  # pixels; steps
SHOWN = 320  # pixels of a picture on the sheet; those of 64 and more are enlarged smoothly


@dataclass(frozen=True, eq=False, repr=False)
class Dream(Looked):
    """What was painted.

    Parameters
    ----------
    pictures
        (n, height, width, 3) bytes
    reached
        (n,) what each excites: a class's logit, or the mean of a channel
    noise
        (n,) the same for noise with the same waves
    """

    pictures: np.ndarray
    reached: np.ndarray
    noise: np.ndarray


def dream(
    whose: Whose,
    *,
    layer: str | None = None,
    channels: Channels = None,
    classes: Annotated[
        list[str] | None,
        Parameter(name=("--class", "--classes"), consume_multiple=True, negative="", metavar="NAME"),
    ] = None,
    at: Where = "everywhere",
    steps: int = 256,
    size: int | None = None,
    seed: int = 0,
    weights: Weights = None,
    output: Output = None,
    device: str | None = None,
) -> Dream:
    """Paint what a network looks for: pictures that excite classes, channels or units most.

    Parameters
    ----------
    whose
        a run's folder, or a network's name or text
    layer
        its path, as `striate shapes` prints it; classes are painted if absent
    channels
        numbers from 0 of that layer's channels or units; the first 12 if absent
    classes
        names; the first 12 if absent
    at
        what of a channel counts: its mean everywhere, or the unit in the middle alone
    steps
        more make it stronger
    size
        height and width of a picture in pixels; the network's own if absent
    seed
        another one paints other pictures
    weights
        for a network's name: a file, or a Hugging Face name
    output
        where to write the sheet (.png, .jpg, .webp)
    device
        cpu, cuda, cuda:1, …
    """
    check_output(output, PICTURE_ENDINGS)
    one_of("part of a channel", at, Where)
    who = subject(whose, weights)
    check(layer, channels, classes, at, steps, size)
    shape = (size, size) if size else who.preprocess.size
    places = wanted(who, layer, channels, classes)
    names = [f"channel {place}" if layer else printable(who.classes[place]) for place in places]
    where = pick_device(device)
    canvas = Canvas(shape, who.preprocess, seed, where)
    network = quick(copy.deepcopy(who.network).to(where))
    with still(network):
        fits(network, canvas, layer, who)
        painted = paint(network, canvas, layer, places, at, steps)
    pictures, reached, noise = (np.concatenate(each) for each in zip(*painted, strict=True))
    what = f"{layer} of {who.title}" if layer else f"the classes of {who.title}"
    title = f"What excites {what}" if layer else f"What {who.title} takes for its classes"
    value = "logit" if layer is None else "mean activation" if at == "everywhere" else "activation in the middle"
    rows = [
        {"dream": name, "reached": float(high), "noise": float(low)}
        for name, high, low in zip(names, reached, noise, strict=True)
    ]
    columns = [
        Column("channel" if layer else "class", "dream", align="left"),
        Column("reached", "reached", lambda number: f"{number:.4g}"),
        Column("noise", "noise", lambda number: f"{number:.4g}"),
    ]
    notes = [
        *who.notes,
        f"reached: {value}; noise: the same for a picture of the same waves that begin anywhere",
        f"{count(len(places))} of {show_size(shape)}, {count(steps, 'step')}, seed {seed}",
    ]
    if output:
        panels = [
            Panel(smooth(picture), name, (f"{high:.4g}, noise {low:.4g}",))
            for picture, name, high, low in zip(pictures, names, reached, noise, strict=True)
        ]
        notes.append(write_sheet(output, title, notes[:], panels, 4))
    return Dream(Table(columns, rows, title, notes=notes), pictures, reached, noise)


def check(
    layer: str | None, channels: list[int] | None, classes: list[str] | None, at: Where, steps: int, size: int | None
) -> None:
    """Refuse what does not go together."""
    if layer and classes is not None:
        raise StriateError(f"a dream is of classes or of a layer, but classes and the layer {layer} are given")
    if channels is not None and not layer:
        raise StriateError("channels belong to a layer, but none is given; --layer PATH names it")
    if at == "middle" and not layer:
        raise StriateError("the middle is that of a layer's maps, but none is given; --layer PATH names it")
    if not 1 <= steps <= MOST:
        raise StriateError(f"a dream takes 1 to {MOST:,} steps, but {steps:,} are asked for")
    if size is not None and not SIDES[0] <= size <= SIDES[1]:
        raise StriateError(f"a dream has {SIDES[0]} to {SIDES[1]:,} pixels a side, but {size:,} are asked for")


def wanted(who: Subject, layer: str | None, channels: list[int] | None, classes: list[str] | None) -> list[int]:
    """Places of classes or channels."""
    if not layer:
        if classes is None:
            return list(range(min(FIRST, len(who.classes))))
        return list(dict.fromkeys(who.place(name) for name in classes))
    known = layers(who.network, who.input)
    named_layer(known, layer)
    if len(known[layer]) not in (1, 3):
        raise StriateError(f"a layer has channels or units, but {layer} puts out {show_size(known[layer])}")
    return named_channels(channels, known[layer][0], layer) or list(range(min(FIRST, known[layer][0])))


def fits(network: nn.Module, canvas: Canvas, layer: str | None, who: Subject) -> None:
    """Refuse a size that the network cannot take."""
    channels, *own = who.input
    try:
        with torch.no_grad(), until(network, layer) as run:
            run(torch.zeros(1, channels, *canvas.size, device=canvas.device))
    except (RuntimeError, ValueError, StriateError) as error:
        raise StriateError(
            f"pictures of {show_size(canvas.size)} do not go through {who.title}; its own size, "
            f"{show_size(tuple(own))}, would fit"
        ) from error


def smooth(picture: np.ndarray) -> Image.Image:
    """A picture as it is laid on the sheet: smoothly enlarged, unless it is so small that its pixels are to be seen."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    if not 64 <= max(image.size) < SHOWN:
        return image
    scale = SHOWN / max(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
