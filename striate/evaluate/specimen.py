"""One picture under all disturbances, with what the network says of each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from striate.data.batches import Batch
from striate.data.dataset import Dataset
from striate.data.normalise import normalised
from striate.evaluate.disturbing import AS_IT_IS, KINDS, Disturbances, View
from striate.pictures.sheet import Panel, write_sheet
from striate.show.names import listed, printable
from striate.show.numbers import percent
from striate.train.run import Run
from striate.train.transfer.compare import HALF


def specimen(output: Path, run: Run, data: Dataset, place: int, shown: Disturbances) -> str:
    """Write a sheet of a picture: a row for each kind, from the weakest on; returns a line that says so.

    Parameters
    ----------
    output
        a .png
    run
        whose network it is
    data
        the pictures
    place
        of the picture among them
    shown
        the disturbances
    """
    data = replace(data, gray=run.preprocess.channels == "L")
    upright = data.picture(place, background=run.preprocess.background).pixels
    pixels = torch.from_numpy(shown.preprocess.pixels(upright)).permute(2, 0, 1)[None]
    batch = Batch(pixels, torch.zeros(1), data.rows[[place]], 0, 0)
    views = torch.cat(list(shown.of(batch)))  # (views, channels, height, width)
    with torch.inference_mode():
        logits = run.net()(normalised(views, run.preprocess))
    sure = (logits.sigmoid() if data.several else logits.softmax(1)).numpy()
    label = data.labels[place] > 0 if data.several else np.arange(len(run.classes)) == data.labels[place]
    panels: dict[View, Panel] = {}
    for view, pixels, probabilities in zip(shown.views, views.permute(0, 2, 3, 1).numpy(), sure, strict=True):
        title = KINDS[view.kind].amount.format(f"{view.strength:g}") if view.kind else "as it is"
        caption = _said(run.classes, probabilities, label, data.several)
        panels[view] = Panel(Image.fromarray(pixels.squeeze()).convert("RGB"), title, caption)
    rows = []
    for name in dict.fromkeys(view.kind for view in shown.views[1:]):
        kind = KINDS[name]
        row = [(view.strength, panels[view]) for view in shown.views if view.kind == name]
        plain = (max(kind.strengths) + 1 if kind.plain is None else kind.plain, panels[AS_IT_IS])
        row = [panel for _, panel in sorted([*row, plain], key=lambda each: each[0])]
        row[0] = replace(row[0], title=f"{name}: {row[0].title}")
        rows.append(row)
    columns = max(map(len, rows))
    cells = [cell for row in rows for cell in (*row, *[None] * (columns - len(row)))]
    names = [name for name, there in zip(run.classes, label, strict=True) if there]
    title = f"{printable(data.names[place])}: {listed(names) or 'no label'}"
    lines = ["What the network sees under each disturbance, what it says, and how sure it is."]
    return write_sheet(output, title, lines, cells, columns)


def typical(right: np.ndarray) -> int:
    """The place of a picture that is neither the easiest nor the hardest.

    Parameters
    ----------
    right
        (n, views) whether answers are right, the first undisturbed
    """
    known = np.flatnonzero(right[:, 0])
    if not len(known):
        return 0
    return int(known[np.argsort(right[known].sum(1), kind="stable")[len(known) // 2]])


def _said(classes: tuple[str, ...], probabilities: np.ndarray, label: np.ndarray, several: bool) -> tuple[str, ...]:
    """The answer, and whether it is wrong."""
    if several:
        named = probabilities >= HALF
        names = listed([name for name, there in zip(classes, named, strict=True) if there], 2) or "none"
        return (names if (named == label).all() else f"{names}: wrong",)
    best = int(probabilities.argmax())
    told = f"{printable(classes[best])}, {percent(float(probabilities[best]))}"
    return (told if label[best] else f"{told}: wrong",)
