"""`striate look exciting`: the pictures, and the parts of them, that excite a channel most."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from PIL import Image, ImageDraw

from striate.data.dataset import Dataset, OnBad
from striate.errors import DataError, StriateError
from striate.files import check_output
from striate.look.layers import layer_with_maps
from striate.look.looked import Channels, Looked, Weights, Whose
from striate.look.sight import box, is_global, traces
from striate.look.strongest import Excited, excited, strongest
from striate.look.subject import Subject, subject
from striate.look.tiles import tiled
from striate.measure.trace import Trace
from striate.ops.options import Output
from striate.pictures.sheet import BOX_WIDTH, INK, PAPER, PICTURE_ENDINGS, Panel, write_sheet
from striate.show.names import listed, printable
from striate.show.numbers import count, exact, show_size
from striate.show.progress import track
from striate.show.table import Column, Table
from striate.train.machine import pick_device
from striate.train.run import Run, is_run, open_run

MOST = 100  # pictures for each channel
SIDE = 240  # pixels of what is kept of a picture for the sheet


@dataclass(frozen=True, eq=False, repr=False)
class Exciting(Looked):
    """What excites channels.

    Parameters
    ----------
    layer
        its path
    found
        the strongest pictures of each channel, the strongest first
    """

    layer: str
    found: dict[int, list[Excited]]


def exciting(
    whose: Whose,
    data: Annotated[str | Path | Dataset | None, Parameter(accepts_keys=False)] = None,
    *,
    layer: str | None = None,
    channels: Channels = None,
    number: int = 9,
    weights: Weights = None,
    output: Output = None,
    device: str | None = None,
    workers: int | None = None,
    on_bad: OnBad = "stop",
) -> Exciting:
    """Find the pictures, and the parts of them, that excite a layer's channels most.

    Parameters
    ----------
    whose
        a run's folder, or a network's name or text
    data
        pictures; of a run its own validation if absent
    layer
        its path, as `striate shapes` prints it; the last one with maps if absent
    channels
        numbers from 0; the first 4 if absent
    number
        pictures for each channel
    weights
        for a network's name: a file, or a Hugging Face name
    output
        where to write the sheet (.png, .jpg, .webp)
    device
        cpu, cuda, cuda:1, …
    workers
        threads that load pictures
    on_bad
        stop at a picture that cannot be read, or skip it
    """
    check_output(output, PICTURE_ENDINGS)
    if not 1 <= number <= MOST:
        raise StriateError(f"1 to {MOST} pictures are shown for each channel, but {number} are asked for")
    run = open_run(whose) if isinstance(whose, str | Path) and is_run(whose) else whose
    who = subject(run, weights)
    path = layer_with_maps(who.network, who.input, layer)
    trace = traces(who.network, who.input).get(path)
    box(trace, (0, 0), who.input, path)  # tell before anything is computed
    pictures = _pictures(run, data, on_bad)
    best, skipped, shape = strongest(who, path, channels, pictures, number, pick_device(device), workers, on_bad)
    upright = {place: None for tops in best.values() for _, place, _ in tops}
    found: dict[int, list[Excited]] = {channel: [] for channel in best}
    small: dict[int, Image.Image] = {}
    seen = {}
    for place in track(list(upright), "cutting out what excites"):
        pixels = pictures.picture(place, background=who.preprocess.background).pixels
        small[place] = _small(pixels)
        seen[place] = pixels.shape[:2]
        for channel, tops in best.items():
            for value, other, position in tops:
                if other == place:
                    found[channel].append(excited(who, path, trace, channel, value, place, position, pixels, pictures))
    for tops in found.values():
        tops.sort(key=lambda one: (-one.value, one.place))
    assert trace and trace.sights
    notes = _notes(pictures, path, trace, who, shape, skipped, found)
    title = f"What excites {path} of {who.title}"
    if output:
        notes.append(_sheet(output, title, notes[:2], found, small, seen))
    return Exciting(_table(title, found, notes), path, found)


def _pictures(run: Whose, data: str | Path | Dataset | None, on_bad: OnBad) -> Dataset:
    """Those that are named, or those by which a run was judged meanwhile."""
    if isinstance(data, Dataset):
        return data
    if data is not None:
        return Dataset.open(data, on_bad=on_bad)
    if not isinstance(run, Run):
        raise DataError("only a run has pictures of its own; name some: striate look exciting NETWORK DATA")
    if not (own := run.parts().val):
        raise DataError(
            f"{printable(run.folder)} held out no validation pictures; name some: striate look exciting RUN DATA"
        )
    return own


def _notes(
    data: Dataset,
    path: str,
    trace: Trace,
    who: Subject,
    shape: Sequence[int],
    skipped: list[str],
    found: dict[int, list[Excited]],
) -> list[str]:
    assert trace.sights
    there = box(trace, (0, 0), who.input, path).size
    sees = "something of the whole picture, and nearby " if is_global(trace.sights) else ""
    notes = [
        f"{count(len(data) - len(skipped))} of {printable(data.where)}; each counts once, by its strongest position",
        f"a position of {path} ({show_size((*shape[1:], shape[0]))}) sees {sees}{show_size(there)} pixels of the "
        f"{show_size(who.preprocess.size)} that the network gets; what of these lies in the picture is shown",
    ]
    for channel, tops in found.items():
        if tops and tops[0].value <= 0:
            notes.append(f"channel {channel} is never above 0 on these pictures")
    if skipped:
        notes.append(f"{count(len(skipped))} left out, which cannot be read: {listed(skipped)}")
    return notes + who.notes


def _table(title: str, found: dict[int, list[Excited]], notes: list[str]) -> Table:
    rows = [
        {
            "channel": channel,
            "rank": rank,
            "value": one.value,
            "picture": one.name,
            "row": one.position[0],
            "column": one.position[1],
            **dict(zip(("top", "bottom", "left", "right"), one.part, strict=True)),
        }
        for channel, tops in found.items()
        for rank, one in enumerate(tops, 1)
    ]
    for row in rows:
        row["rows"] = f"{row['top']} to {row['bottom'] - 1}"
        row["columns"] = f"{row['left']} to {row['right'] - 1}"
    columns = [
        Column("channel", "channel"),
        Column("", "rank", exact),
        Column("value", "value", lambda value: f"{value:.4g}"),
        Column("picture", "picture", printable, align="left"),
        Column("rows", "rows", narrow=1),
        Column("columns", "columns", narrow=1),
    ]
    return Table(columns, rows, title, notes=notes)


def _small(pixels: np.ndarray) -> Image.Image:
    """What a sheet shows of a picture."""
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]).convert("RGB")
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image


def _sheet(
    output: Path,
    title: str,
    notes: list[str],
    found: dict[int, list[Excited]],
    small: dict[int, Image.Image],
    sizes: dict[int, tuple[int, int]],
) -> str:
    """For each channel the patches, and beside them where they come from."""
    panels = []
    for channel, tops in found.items():
        words = [f"{one.value:.3g}" for one in tops]
        patches = [_small(one.patch) for one in tops]
        panels.append(Panel(tiled(patches, words, BOX_WIDTH[2]), f"channel {channel}: what it saw, and its value"))
        wholes = [_framed(small[one.place], one.part, sizes[one.place]) for one in tops]
        panels.append(Panel(tiled(wholes, [Path(one.name).name for one in tops], BOX_WIDTH[2]), "in these pictures"))
    lines = [f"{line[0].upper()}{line[1:]}." for line in notes]
    return write_sheet(output, title, lines, panels, 2)


def _framed(image: Image.Image, part: Sequence[int], size: tuple[int, int]) -> Image.Image:
    """A picture with a part outlined."""
    scale = SIDE / max(image.size)
    shown = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.NEAREST
    )
    top, bottom = (row / size[0] * shown.height for row in part[:2])
    left, right = (column / size[1] * shown.width for column in part[2:])
    draw = ImageDraw.Draw(shown)
    draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=PAPER, width=4)
    draw.rectangle((left + 1, top + 1, max(left + 1, right - 2), max(top + 1, bottom - 2)), outline=INK, width=2)
    return shown
