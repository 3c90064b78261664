"""Which runs may be averaged, and where what comes of it may lie."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import torch

from striate.errors import DataError, StriateError
from striate.nets.ensemble import common_input
from striate.nets.net import Net
from striate.show.names import listed, printable
from striate.train.ensemble import open_trained
from striate.train.run import Run


def members(runs: Sequence[Path | Run]) -> list[Run]:
    """Open runs, each once, all of them trained to their end, for the same classes and with the same input.

    Parameters
    ----------
    runs
        or their folders
    """
    if isinstance(runs, str | Path | Run) or len(runs) < 2:
        raise StriateError("an ensemble is the mean of two runs or more, but fewer are given")
    opened = [open_trained(run.folder if isinstance(run, Run) else run) for run in runs]
    folders = [run.folder.resolve() for run in opened]
    if twice := [run.folder for run, folder in zip(opened, folders, strict=True) if folders.count(folder) > 1]:
        raise StriateError(f"each run of an ensemble counts once, but {printable(twice[0])} is given twice")
    first = opened[0]
    for run in opened:
        if run.result is None:
            raise StriateError(
                f"an ensemble is made of runs that have ended, but {printable(run.folder)} has not: "
                f"`striate train --resume {printable(run.folder)}` goes on with it"
            )
        if set(run.classes) != set(first.classes):
            (mine, other) = (listed(sorted(set(a.classes) - set(b.classes))) for a, b in ((first, run), (run, first)))
            raise DataError(
                f"runs are averaged that know the same classes, but {printable(first.folder)} alone knows "
                f"{mine or 'none'}, and {printable(run.folder)} {other or 'none'}"
            )
        if run.config["data"]["several"] != first.config["data"]["several"]:
            raise DataError(
                "runs are averaged that all give a picture one label, or all several, but "
                f"{printable(first.folder)} and {printable(run.folder)} differ in that"
            )
        try:
            common_input([first.preprocess, run.preprocess])
        except StriateError as mistake:
            raise StriateError(
                f"{mistake}: {printable(first.folder)} and {printable(run.folder)}; "
                f"`striate train --like {printable(first.folder)} --seed 2` makes another that does"
            ) from mistake
    return opened


def check_output(output: Path, runs: Sequence[Run]) -> None:
    """Refuse a folder that is in use, or part of a member.

    Parameters
    ----------
    output
        where the ensemble is to lie
    runs
        its members
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise StriateError(f"--output is a new folder, but {printable(output)} is there and is not empty")
    for run in runs:
        if output.resolve().is_relative_to(run.folder.resolve()):
            raise StriateError(
                f"--output is a folder of its own, but {printable(output)} lies in {printable(run.folder)}, a member"
            )


def check_different(runs: Sequence[Run], networks: Sequence[Net]) -> None:
    """Refuse a run and its copy, or its replay: it would count twice.

    Parameters
    ----------
    runs, networks
        the members, in the same order
    """
    for (first, ours), (second, theirs) in combinations(zip(runs, networks, strict=True), 2):
        mine, others = ours.state_dict(), theirs.state_dict()
        if mine.keys() == others.keys() and all(torch.equal(mine[name], others[name]) for name in mine):
            raise StriateError(
                f"each run of an ensemble counts once, but {printable(first.folder)} and {printable(second.folder)} "
                "have the same weights"
            )
