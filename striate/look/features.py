"""`striate look features`: what a layer makes of a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from cyclopts import Parameter
from PIL import Image

from striate.errors import StriateError
from striate.files import check_output
from striate.look.bars import bars
from striate.look.layers import layers
from striate.look.looked import Channels, Looked, Weights, Whose, named_channels, named_layer, passing
from striate.look.photo import photo
from striate.look.subject import still, subject
from striate.ops.options import Output
from striate.pictures.sheet import (
    BOX_WIDTH,
    PICTURE_ENDINGS,
    Bar,
    Panel,
    heat_image,
    signed_image,
    write_sheet,
)
from striate.show.names import printable
from striate.show.numbers import count, exact, percent, show_size
from striate.show.table import Column, Table

MOST = 99  # panels beside the picture
BARS = 30


@dataclass(frozen=True, eq=False, repr=False)
class Features(Looked):
    """What a layer puts out for a picture.

    Parameters
    ----------
    layer
        its path
    channels
        which are shown, in order
    maps
        (channels, height, width) of all channels, or (numbers,) where a layer has no maps
    dead
        channels that are 0 everywhere
    """

    layer: str
    channels: list[int]
    maps: np.ndarray
    dead: list[int]


def features(
    whose: Whose,
    picture: Annotated[Path, Parameter(accepts_keys=False)],
    *,
    layer: str | None = None,
    channels: Channels = None,
    number: int = 15,
    weights: Weights = None,
    output: Output = None,
) -> Features:
    """Show what a layer makes of a picture: its strongest maps, or its numbers as bars.

    Parameters
    ----------
    whose
        a run's folder, or a network's name or text
    picture
        a file
    layer
        its path, as `striate shapes` prints it; the end of the first stage if absent
    channels
        numbers from 0; the strongest if absent: those whose values are farthest from 0 on average
    number
        how many of the strongest
    weights
        for a network's name: a file, or a Hugging Face name
    output
        where to write the sheet (.png, .jpg, .webp)
    """
    check_output(output, PICTURE_ENDINGS, picture)
    if not 1 <= number <= MOST:
        raise StriateError(f"a sheet holds 1 to {MOST} maps, but {number} are asked for")
    who = subject(whose, weights)
    known = layers(who.network, who.input)
    path = first_maps(known) if layer is None else named_layer(known, layer)
    if len(known[path]) not in (1, 3):
        raise StriateError(f"features are maps or numbers, but {path} puts out {show_size(known[path])}")
    wanted = named_channels(channels, known[path][0], path)
    shown = photo(picture, who)
    with still(who.network), torch.no_grad(), passing(who.network, path) as passed:
        who.network(shown.input)
        maps = passed[path][0].cpu().numpy()  # (channels, height, width), or (numbers,)
    flat = maps.reshape(len(maps), -1)
    strength = np.abs(flat).mean(1)
    chosen = wanted or np.argsort(-strength, kind="stable")[:number].tolist()
    dead = np.flatnonzero(~flat.any(1)).tolist()
    names = who.classes if path == list(known)[-1] and len(who.classes) == len(maps) else ()
    title = f"{path} of {who.title} on {printable(shown.name)}"
    maps_there, those = flat.shape[1] > 1, "those asked for" if wanted else f"the strongest {exact(len(chosen))}"
    how = "farthest from 0 on average" if maps_there else "farthest from 0"
    zero = f"0 everywhere on this picture: {exact(len(dead))} of {count(len(maps), 'channel')}"
    notes = [
        f"output: {show_size((*maps.shape[1:], len(maps)))}; {zero}"
        if maps_there
        else f"output: {count(len(maps), 'number')}, {exact(len(dead))} of them 0 on this picture",
        f"shown: {those}" + ("" if wanted else f", those {how}"),
        *who.notes,
    ]
    if output:
        seen = Panel(Image.fromarray(_colour(shown.fitted)), "what the network sees", (shown.name,))
        if maps_there:
            panels, bar = _maps(maps[chosen], chosen)
            lines = [*notes[:2], "All maps have one scale, the bar below; a square is one position of the layer."]
            notes.append(write_sheet(output, title, _sentences(lines), [seen, *panels], 4, bar))
        else:
            words = [names[channel] if names else f"channel {channel}" for channel in chosen[:BARS]]
            numbers = Panel(bars(words, flat[chosen[:BARS], 0].tolist(), BOX_WIDTH[2]), "its numbers")
            notes.append(write_sheet(output, title, _sentences(notes[:2]), [seen, numbers], 2))
    rows = [
        {
            "channel": channel,
            **({"class": names[channel]} if names else {}),
            "mean": float(flat[channel].mean()),
            "smallest": float(flat[channel].min()),
            "largest": float(flat[channel].max()),
            "zero": float((flat[channel] == 0).mean()),
        }
        for channel in chosen
    ]
    return Features(_table(title, rows, notes, bool(names), maps_there), path, chosen, maps, dead)


def first_maps(known: dict[str, tuple[int, ...]]) -> str:
    """The end of the first stage that has maps."""
    stages = [path for path, shape in known.items() if "." not in path and len(shape) == 3]
    return stages[0] if stages else next(iter(known))


def _table(title: str, rows: list[dict], notes: list[str], named: bool, maps: bool) -> Table:
    number = lambda value: f"{value:.4g}"  # noqa: E731
    columns = [Column("channel", "channel")]
    if named:
        columns.append(Column("class", "class", printable, align="left"))
    columns.append(Column("mean" if maps else "value", "mean", number))
    if maps:
        columns += [
            Column("smallest", "smallest", number),
            Column("largest", "largest", number),
            Column("is 0 on", "zero", percent, narrow=1),
        ]
    return Table(columns, rows, title, notes=notes)


def _maps(maps: np.ndarray, channels: list[int]) -> tuple[list[Panel], Bar]:
    """Maps (channels, height, width) in the same colours, and what these mean."""
    signed = bool(maps.min() < 0)
    # a few points that stand out must not leave all the rest in the dark
    largest = float(np.quantile(np.abs(maps), 0.998, method="higher"))
    told = f"{largest:.3g}{' or more' if np.abs(maps).max() > largest else ''}"
    panels = []
    for channel, one in zip(channels, maps, strict=True):
        image = signed_image(one, largest) if signed else heat_image(one, largest)
        caption = f"{one.min():.3g} to {one.max():.3g}" + (f", 0 on {percent((one == 0).mean())}" if not signed else "")
        panels.append(Panel(image, f"channel {channel}", (caption,)))
    return panels, Bar(-1, (f"−{told}", "0", told)) if signed else Bar(0, ("0", f"{largest / 2:.3g}", told))


def _colour(pixels: np.ndarray) -> np.ndarray:
    """(height, width, 1 or 3) bytes with three channels."""
    return pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)


def _sentences(lines: list[str]) -> list[str]:
    return [f"{line[0].upper()}{line[1:].rstrip('.')}." for line in lines]
