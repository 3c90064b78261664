"""What a run is judged by: its own pictures, or others with the same classes."""

from contextlib import suppress
from pathlib import Path
from typing import Literal

from striate.data.dataset import SPLITS as SPLIT_NAMES
from striate.data.dataset import Dataset, OnBad
from striate.data.sources.blocks import ArraySource
from striate.errors import DataError, StriateError
from striate.show.names import listed, printable
from striate.show.numbers import count, exact
from striate.train.parts import Parts, refuse_other_classes
from striate.train.run import Run

Split = Literal["val", "test"]
SPLITS = {"val": "validation", "test": "test"}
CHOSEN = "the epoch was chosen by these very pictures, so all is a little too good"


def without_folders(notes: list[str], *wheres: str) -> list[str]:
    """The same, for others, who need not know in which folders things lie here.

    Parameters
    ----------
    notes
        what there is to say of pictures
    wheres
        paths that may be in it, of which the last part stays

    >>> without_folders(["40 validation pictures of /home/ann/pets"], "/home/ann/pets")
    ['40 validation pictures of pets']
    """
    for where in wheres:
        notes = [note.replace(printable(where), printable(Path(where).name or where)) for note in notes]
    return notes


def pictures_for(
    run: Run, where: str | Path | Dataset | None, split: Split | None, on_bad: OnBad
) -> tuple[Dataset, list[str]]:
    """What a run is judged by, and what there is to say of that.

    Parameters
    ----------
    run
        whose network it is
    where
        other pictures; None are its own
    split
        val, test, or what there is
    on_bad
        stop at what cannot be used, or skip it
    """
    if where is None:
        try:
            parts = run.parts()
        except StriateError as error:
            raise DataError(
                f"{printable(run.folder)} learned from pictures that cannot be opened: {error}; others with the same "
                "classes may be named: striate evaluate RUN DATA, striate export RUN --data DATA"
            ) from error
        own = {"val": parts.val, "test": parts.test}
        split = split or ("test" if parts.test else "val")
        data, what = own[split], f"{SPLITS[split]} pictures"
        if not data:
            there = [name for name, part in own.items() if part]
            instead = f"--split {there[0]} has some" if there else "name others: striate evaluate RUN DATA"
            raise DataError(f"{printable(run.folder)} has no {what}; {instead}")
        notes = [f"{exact(len(data))} {what} of {printable(parts.where)}"]
        if parts.fingerprint != run.config["data"]["fingerprint"]:
            notes.append(f"ATTENTION, {printable(parts.where)} has changed since the training")
        if split == "val" and run.epoch_chosen:
            notes.append(CHOSEN)
        return data, notes
    data = where if isinstance(where, Dataset) else _opened(run, where, on_bad)
    refuse_other_classes(data.classes, run.classes, data.where, "those that the network learned")
    refuse_other_labels(data, run.config["data"]["several"])
    what, others = "all of them", held_out(data, run.config["data"]["fingerprint"])
    if split is not None:
        what = SPLITS[split]
    elif others:
        split = others[-1]
        what = f"{SPLITS[split]}, since the network learned from the others"
    data = data[split] if split else data
    if not len(data):
        raise DataError(f"{printable(data.where)} has no {what} pictures; without --split all are judged")
    notes = [f"{count(len(data))} of {printable(data.where)}, {what}", *left_out(data)]
    if run.may_know(data.where, split):
        notes.append("ATTENTION, from most of these the network learned; --split val or test has others")
    elif split == "val" and others and run.epoch_chosen:
        notes.append(CHOSEN)
    elif not split:
        learned, judged = _known(run, data)
        for number, did in ((learned, "the network learned from"), (run.epoch_chosen and judged, "chose the epoch")):
            if number:
                are = "is" if number == 1 else "are"
                notes.append(f"ATTENTION, {count(number)} of these {are} called and as large as pictures that {did}")
    return data, notes


def refuse_other_labels(data: Dataset, several: bool) -> None:
    """Figures of one label and of several are not to be compared.

    Parameters
    ----------
    data
        the pictures
    several
        whether the network gives a picture several labels
    """
    if data.several != several:
        ours, theirs = (("one label", "any number of labels")[kind] for kind in (several, data.several))
        raise DataError(f"the network gives a picture {ours}, but in {printable(data.where)} each has {theirs}")


def left_out(data: Dataset) -> list[str]:
    """A note on what was skipped when a data set was opened, if anything was.

    Parameters
    ----------
    data
        the pictures
    """
    reasons = [problem.reason for problem in data.skipped]
    return [f"{count(len(reasons))} left out when these were opened: {listed(reasons)}"] if reasons else []


def held_out(data: Dataset, learned: str) -> list[Split]:
    """Which parts of a data set a network did not learn from, where it learned from the other; else none.

    Parameters
    ----------
    data
        all of it
    learned
        the fingerprint of what it learned from
    """
    train, val, test = (data[name] for name in SPLIT_NAMES)
    parts = Parts(train, val if len(val) else None, test if len(test) else None, len(train))
    others: dict[Split, Dataset] = {"val": val, "test": test}
    return [name for name, part in others.items() if len(part)] if parts.fingerprint == learned else []


def _known(run: Run, data: Dataset) -> tuple[int, int]:
    """How many pictures are called, and as large, as some that were learned from, or judged by, wherever they lie."""
    learned: set[tuple[str, int]] = set()
    judged: set[tuple[str, int]] = set()
    for each in run.members.values() or [run]:
        with suppress(StriateError):  # they may be gone
            parts = each.parts()
            learned.update(_signs(parts.train) if isinstance(parts.train, Dataset) else ())
            judged.update(_signs(parts.val) if parts.val else ())
    signs = _signs(data)
    return sum(sign in learned for sign in signs), sum(sign in judged for sign in signs)


def _signs(data: Dataset) -> list[tuple[str, int]]:
    """The name and the bytes of each picture; rows of arrays are all called alike, and as large."""
    if isinstance(data.source, ArraySource):
        return []
    places = zip(data.names, data.rows.tolist(), strict=True)
    return [(Path(name).name, data.source.stamp(row)[0]) for name, row in places]


def _opened(run: Run, where: str | Path, on_bad: OnBad) -> Dataset:
    data = Dataset.open(where, on_bad=on_bad)
    if data.classes != run.classes and set(data.classes) == set(run.classes):
        data = Dataset.open(where, on_bad=on_bad, classes=run.folder / "classes.json")
    return data
