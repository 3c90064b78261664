"""`striate robustness`: how good a run's network stays when pictures are moved, turned, blurred, noisy, compressed."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from cyclopts import Parameter
from torch import Tensor

from striate.data.dataset import Dataset, OnBad
from striate.data.randomness import Purpose, generator
from striate.errors import DataError, StriateError, UnknownName, one_of
from striate.evaluate.disturbing import KINDS, Disturbances, View
from striate.evaluate.endured import Point, Robustness
from striate.evaluate.figures import AREAS, drawn_areas, interval
from striate.evaluate.judging import Judged, judged
from striate.evaluate.pictures import Split, pictures_for
from striate.evaluate.specimen import specimen, typical
from striate.show.names import listed, printable
from striate.show.numbers import count
from striate.train.learn.tally import wilson
from striate.train.machine import pick_device
from striate.train.run import Run, open_run, own_folder
from striate.train.train import NO_KEYS
from striate.train.transfer.compare import difference


def robustness(
    run: Annotated[Path | Run, NO_KEYS],
    data: Annotated[str | Path | Dataset | None, NO_KEYS] = None,
    *,
    split: Split | None = None,
    kinds: Annotated[str | Sequence[str] | None, Parameter(n_tokens=1, accepts_keys=False)] = None,
    pictures: int | None = None,
    seed: int = 0,
    output: Path | None = None,
    device: str | None = None,
    workers: int | None = None,
    on_bad: OnBad = "stop",
) -> Robustness:
    """Disturb pictures more and more: how good a run's network stays, and what hurts it most.

    Parameters
    ----------
    run
        a run's folder
    data
        other pictures with the same classes, all of them; those of the run if absent
    split
        val or test, and no others; of the run's own pictures test if there are any
    kinds
        shift, rotation, scale, blur, noise, jpeg, brightness, contrast, with commas between them; all if absent
    pictures
        only so many, of each class the same share; all if absent
    seed
        of the pictures that are chosen, of the noise, and of where pictures are moved and turned
    output
        a folder for robustness.json, robustness.csv, a chart of each kind, and a sheet of one picture
    device
        cpu, cuda, cuda:1, …
    workers
        threads that load and disturb pictures
    on_bad
        stop at a picture that cannot be read, or skip it
    """
    run = run if isinstance(run, Run) else open_run(run)
    if split is not None:
        one_of("--split", split, Split)
    wanted = read_kinds(kinds)
    if pictures is not None and (not isinstance(pictures, int) or pictures < 1):
        raise StriateError(f"--pictures is a whole number of at least 1, but is {pictures}")
    output = own_folder(output)
    chosen, notes = pictures_for(run, data, split, on_bad)
    if pictures is not None and pictures < len(chosen):
        chosen = sample(chosen, pictures, seed)
        notes.append(f"{count(pictures)} of these, of each class the same share, drawn by seed {seed}")
    with ThreadPoolExecutor(workers, "striate disturbing") as pool:
        shown = Disturbances(run.preprocess, wanted, seed, pool)
        said = judged(run, chosen, shown, pick_device(device), workers, on_bad, answers)
        points = measured(said, shown.views)
        notes.append(
            f"each picture was shown {len(shown)} times, disturbed at the scale of the network's input; where a "
            "picture ends, as in small scales, its border goes on, which costs something, too"
        )
        notes.append(f"the network takes {1000 * said.seconds / len(shown):.1f} ms each time: {said.told[0]}")
        if said.skipped:
            notes.append(f"{count(len(said.skipped))} left out, which cannot be read: {listed(said.skipped)}")
        found = Robustness("mean average precision" if said.data.several else "right", points, notes)
        if output is not None:
            found.save(output)
            place = 0 if said.data.several else typical(said.scores == said.data.labels[:, None])
            specimen(output / "picture.png", run, said.data, place, shown)
            notes.append(f"written to {printable(output)}: robustness.json, robustness.csv, charts, picture.png")
    return found


def read_kinds(kinds: str | Sequence[str] | None) -> list[str]:
    """Kinds of disturbances, in their usual order.

    Parameters
    ----------
    kinds
        names, or a text of them; None is all

    >>> read_kinds("noise, shift")
    ['shift', 'noise']
    """
    if kinds is None:
        return list(KINDS)
    asked = [part.strip() for part in kinds.split(",")] if isinstance(kinds, str) else list(kinds)
    for name in asked or [""]:
        if name not in KINDS:
            raise UnknownName("disturbance", name, KINDS)
    return [name for name in KINDS if name in asked]


def sample(data: Dataset, number: int, seed: int) -> Dataset:
    """Some of the pictures: of each class, or of each set of labels, the same share, to one picture.

    Parameters
    ----------
    data
        the pictures
    number
        how many
    seed
        another one, other pictures
    """
    draw = generator(seed, 0, Purpose.SAMPLE)
    _, labels, counts = np.unique(data.labels, axis=0, return_inverse=True, return_counts=True)
    order = draw.permutation(len(data))
    begin = draw.random(len(counts))  # else all classes would get their last picture at once
    rank = np.empty(len(data))
    for place in range(len(counts)):
        own = order[labels.ravel()[order] == place]
        rank[own] = (np.arange(len(own)) + begin[place]) / len(own)
    return data.part(np.sort(np.argsort(rank, kind="stable")[:number]))


def answers(said: list[Tensor], several: bool) -> Tensor:
    """What figures need of the logits (n, classes) of each view: (n, views) answers; of several labels all of them.

    Parameters
    ----------
    said
        the logits
    several
        whether a picture may have several labels
    """
    return torch.stack([each.float() if several else each.argmax(1) for each in said], 1)


def measured(said: Judged, views: Sequence[View]) -> list[Point]:
    """Figures of each view, and how they differ from those of the first, picture by picture.

    Parameters
    ----------
    said
        `answers` to all views
    views
        their kinds and strengths, the first undisturbed
    """
    labels, points = said.data.labels, []
    names = [(view.kind, view.strength) if view.kind else ("undisturbed", None) for view in views]
    if not said.data.several:
        right = said.scores == labels[:, None]  # (n, views)
        for name, each in zip(names, right.T, strict=True):
            bounds = wilson(int(each.sum()), len(each))
            change = difference(each, right[:, 0]) if points else (0.0, 0.0, 0.0)
            points.append(Point(*name, float(each.mean()), *bounds, *change))
        return points
    plain = None
    for place, name in enumerate(names):
        areas = drawn_areas(said.scores[:, place], labels)
        if not len(areas):
            raise DataError(f"{AREAS[0]} needs pictures with a label and some without it, but no class has both")
        drawn = areas[0]  # (1 + times,)
        plain = drawn if plain is None else plain
        bounds = [
            interval(float(each[0]), each[1:]) if len(each) > 1 else (None, None) for each in (drawn, drawn - plain)
        ]
        points.append(Point(*name, float(drawn[0]), *bounds[0], float(drawn[0] - plain[0]), *bounds[1]))
    return points
