"""`striate look symmetry`: what of a shift and of a mirror each layer keeps, and what breaks the rest.

A layer keeps a shift (it is equivariant) where the features of a moved picture are the moved features of the picture. A
convolution does so exactly wherever it sees no padding, for shifts that are multiples of its stride. The picture moves
inside its surroundings, so that nothing is made up at its edge; all is computed in float64, so that 0 is 0.
"""

import copy
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter
from torch import Tensor

from striate.errors import one_of
from striate.files import check_output
from striate.look.kept import Compared, apart, compared, field, joined
from striate.look.layers import layers
from striate.look.looked import Looked, Weights, Whose, passing
from striate.look.photo import photo
from striate.look.sight import traces
from striate.look.subject import Subject, still, subject
from striate.measure.ledger import By
from striate.measure.rows import Row
from striate.measure.shapes import observe
from striate.measure.trace import Trace
from striate.ops.options import Output
from striate.ops.picture import read_picture
from striate.show.charts import curves
from striate.show.drawing import ENDINGS, write_chart
from striate.show.names import listed, printable
from striate.show.numbers import count, show_size
from striate.show.progress import track
from striate.show.table import Column, Table

if TYPE_CHECKING:
    import altair as alt

MOST = 32  # pixels of the largest shift
EXACT = 1e-9  # what rounding may leave of 0 in float64
ANSWER = "probabilities"


@dataclass(frozen=True, eq=False, repr=False)
class Symmetry(Looked):
    """What each layer keeps.

    Parameters
    ----------
    shifts
        pixels of the input
    """

    shifts: list[int]

    def chart(self) -> "alt.LayerChart":
        """How far features are from moved features, layer by layer."""
        rows = [row for row in self.table.rows if row["layer"] != ANSWER]
        chosen = dict.fromkeys((self.shifts[0], self.shifts[len(self.shifts) // 2], self.shifts[-1]))
        lines = {f"{shift} px": [(at, row[f"shift_{shift}"]) for at, row in enumerate(rows, 1)] for shift in chosen}
        lines["mirror"] = [(at, row["mirror"]) for at, row in enumerate(rows, 1)]
        return curves("What layers do not keep", lines, "layer", "error: 0 kept, 1 unrelated")


def symmetry(
    whose: Whose,
    *pictures: Annotated[Path, Parameter(accepts_keys=False)],
    by: By = "stage",
    weights: Weights = None,
    output: Output = None,
) -> Symmetry:
    """Show what of a shift and of a mirror each layer keeps, and where stride or padding breaks it.

    Parameters
    ----------
    whose
        a run's folder, or a network's name or text
    pictures
        files; the built-in scene if absent
    by
        a line for each stage or for each layer
    weights
        for a network's name: a file, or a Hugging Face name
    output
        where to write the chart (.svg, .png)
    """
    check_output(output, ENDINGS)
    one_of("--by", by, By)
    who = subject(whose, weights)
    # the network is the caller's: its numbers stay as they are
    who = Subject(copy.deepcopy(who.network).double(), who.preprocess, who.classes, who.title, who.several, who.notes)
    shifts = [2**power for power in range(6) if 2**power <= min(MOST, min(who.preprocess.size) // 4)] or [1]
    paths = chosen(who, by)
    seen = traces(who.network, who.input)
    found: dict[tuple[str, int], list[Compared]] = defaultdict(list)  # shift 0 is the mirror
    answers: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    wide = [surroundings(picture, who, shifts[-1]) for picture in pictures or (None,)]
    jobs = [(pixels, shift) for pixels in wide for shift in (None, 0, *shifts)]
    before: dict[str, Tensor] = {}
    sure = torch.empty(0)
    for pixels, shift in track(jobs, "moving pictures", len(jobs)):
        with passing(who.network, *paths) as maps, still(who.network), torch.no_grad():
            logits = who.network(moved(pixels, shift, shifts[-1], who))
            after = {path: maps[path][0].clone() for path in paths}
        probabilities = who.probabilities(logits)[0]
        if shift is None:
            before, sure = after, probabilities
            continue
        for path in paths:
            found[path, shift].append(compared(before[path], after[path], shift, field(seen.get(path)), who.input[2]))
        answers[shift].append(apart(sure, probabilities, who.several))
    rows = [
        line(path, before[path], shifts, {shift: joined(found[path, shift]) for shift in (0, *shifts)}, who, seen)
        for path in paths
    ]
    breaks(rows, observe(who.network, (*who.input[1:], who.input[0])))
    rows.append(last(answers, shifts))
    notes = told(rows, shifts, answers, len(wide), who)
    title = f"What {printable(who.title)} keeps of a shift and of a mirror: errors, 0 kept, 1 unrelated"
    result = Symmetry(Table(columns(shifts), rows, title, notes=notes), shifts)
    if output is not None:
        write_chart(output, result.chart())
        notes.append(f"written: {printable(output)}")
    return result


def chosen(who: Subject, by: By) -> list[str]:
    """The layers that are told, in the order in which they end: stages, or modules without parts.

    Parameters
    ----------
    who
        whose
    by
        stage or layer
    """
    known = layers(who.network, who.input)
    if by == "stage":
        return [path for path in known if "." not in path]
    return [path for path in known if not any(True for _ in who.network.get_submodule(path).children())]


def surroundings(picture: Path | None, who: Subject, around: int) -> np.ndarray:
    """A picture as the network takes it, with so many pixels more on each side: (height, width, channels) bytes."""
    channels = who.input[0]
    if picture is not None:
        upright = photo(picture, who).upright[..., :channels]
    else:
        scene = read_picture(None)
        upright = np.moveaxis(np.rint(scene.gray() if channels == 1 else scene.values), 0, 2).astype(np.uint8)
    return who.preprocess.pixels(upright, around)


def moved(wide: np.ndarray, shift: int | None, around: int, who: Subject) -> Tensor:
    """The input (1, channels, height, width) that shows a picture as it is, moved to the right, or mirrored for 0."""
    _, height, width = who.input
    left = around - (shift or 0)
    numbers = torch.from_numpy(who.preprocess.normalised(wide[around : around + height, left : left + width]))
    return who.batch([numbers.flip(2)[None] if shift == 0 else numbers[None]])


def line(
    path: str, features: Tensor, shifts: list[int], found: dict[int, Compared], who: Subject, seen: dict[str, Trace]
) -> dict[str, Any]:
    """The row of a layer."""
    sees, width = field(seen.get(path)), who.input[2]
    maps = features.dim() == 3 and features.shape[1] * features.shape[2] > 1
    shape = tuple(features.shape)
    row: dict[str, Any] = {"layer": path, "output": list((*shape[1:], shape[0]) if len(shape) == 3 else shape)}
    row |= {"stride": sees.stride if sees and maps else None, "field": sees.size if sees and maps else None}
    row |= {f"shift_{shift}": found[shift].error() for shift in shifts}
    whole = [shift for shift in shifts if sees and maps and shift % sees.stride == 0]
    away = [error for shift in whole if (error := found[shift].error(found[shift].inside)) is not None]
    row["away"] = max(away, default=None)
    row["border"] = found[whole[0]].error(~found[whole[0]].inside) if whole else None
    row["mirror"] = found[0].error()
    row["off"] = None
    if sees and maps:  # by how many pixels the mirrored grid of fields misses itself
        row["off"] = width - sees.size - 2 * sees.start - (shape[2] - 1) * sees.stride
    row["breaks"] = ""
    return row


def breaks(rows: list[dict[str, Any]], parts: list[Row]) -> None:
    """Say of each row which strides and paddings lie in it."""
    for row in rows:
        inner = [part for part in parts if part.slides and (part.path + ".").startswith(row["layer"] + ".")]
        strides = [part.path for part in inner if part.slides[-1].s > 1]
        padded = [part.path for part in inner if part.slides[-1].p > 0]
        told = [f"{what} in {listed(paths, 1)}" for what, paths in (("stride", strides), ("padding", padded)) if paths]
        if all(paths in ([], [row["layer"]]) for paths in (strides, padded)):
            told = [word.partition(" in ")[0] for word in told]
        row["breaks"] = "; ".join(told)


def last(answers: dict[int, list[tuple[float, bool]]], shifts: list[int]) -> dict[str, Any]:
    """The row of the probabilities, which are to stay what they are."""
    mean = {shift: float(np.mean([far for far, _ in each])) for shift, each in answers.items()}
    return {"layer": ANSWER, "mirror": mean[0], **{f"shift_{shift}": mean[shift] for shift in shifts}}


def told(
    rows: list[dict[str, Any]],
    shifts: list[int],
    answers: dict[int, list[tuple[float, bool]]],
    number: int,
    who: Subject,
) -> list[str]:
    """What the table says, and how it is to be read."""
    away = [row["away"] for row in rows if row.get("away") is not None]
    notes = []
    if away:
        exact = max(away) < EXACT
        notes.append(
            f"away from borders, shifts by multiples of the stride are kept {'exactly' if exact else 'but for'} "
            f"{'' if exact else f'{max(away):.2g} '}in {count(len(away), 'layer')}; in all others every column sees "
            "padding, or no shift here is a multiple"
        )
    off = [f"{row['layer']} by {abs(row['off'])} px" for row in rows if row.get("off")]
    if off:
        notes.append(f"a mirrored picture falls between the positions of {listed(off)}: stride and even sizes do that")
    for name, chosen in (("shifts", shifts), ("mirror", [0])):
        same = [stays for shift in chosen for _, stays in answers[shift]]
        notes.append(f"{name}: the answer stays {sum(same)} of {count(len(same), 'time')}")
    seen = "pictures" if number > 1 else "picture"
    notes += [
        f"{count(number)}, moved to the right inside {'their' if number > 1 else 'its'} surroundings; the {seen} at "
        f"{show_size(who.preprocess.size)}, in float64",
        "shifts: all columns; between two columns where a shift is no multiple of the stride; away: those that see no "
        "padding; border: the others, at the smallest multiple of the stride",
        "error: √(mean (u − v)² / (var u + var v)) of the moved picture's features u and the moved features v; "
        f"{ANSWER}: {'the largest difference' if who.several else 'half the sum of differences'}",
    ]
    return notes + who.notes


def columns(shifts: list[int]) -> list[Column]:
    """Of the table."""

    def error(value: float) -> str:
        return "0" if value < EXACT else f"{value:.3f}"

    inner = range(1, len(shifts) - 1)
    return [
        Column("layer", "layer", printable, align="left"),
        Column("stride", "stride"),
        *(
            Column(f"{shift} px", f"shift_{shift}", error, narrow=3 if at in inner and at % 2 else 0)
            for at, shift in enumerate(shifts)
        ),
        Column("away", "away", error),
        Column("border", "border", error),
        Column("mirror", "mirror", error),
        Column("here", "breaks", printable, align="left", narrow=1),
    ]
