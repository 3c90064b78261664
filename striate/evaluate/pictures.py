"""What a run is judged by: its own pictures, or others with the same classes."""

from pathlib import Path
from typing import Literal

from striate.data.dataset import Dataset, OnBad
from striate.errors import DataError
from striate.show.names import listed, printable
from striate.show.numbers import count, exact
from striate.train.run import Run

Split = Literal["val", "test"]
SPLITS = {"val": "validation", "test": "test"}


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
        parts = run.parts()
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
            notes.append("the epoch was chosen by these very pictures, so all is a little too good")
        return data, notes
    data = where if isinstance(where, Dataset) else _opened(run, where, on_bad)
    if data.classes != run.classes:
        raise DataError(
            f"the classes must be those that the network learned, {listed(run.classes)}, but {printable(data.where)} "
            f"has {listed(data.classes)}"
        )
    if split is not None:
        data = data[split]
        if not len(data):
            raise DataError(f"{printable(data.where)} has no {SPLITS[split]} pictures; without --split all are judged")
    notes = [f"{count(len(data))} of {printable(data.where)}{f', {SPLITS[split]}' if split else ', all of them'}"]
    if run.may_know(data.where, split):
        notes.append("ATTENTION, from most of these the network learned; --split val or test has others")
    return data, notes


def _opened(run: Run, where: str | Path, on_bad: OnBad) -> Dataset:
    data = Dataset.open(where, on_bad=on_bad)
    if data.classes != run.classes and set(data.classes) == set(run.classes):
        data = Dataset.open(where, on_bad=on_bad, classes=run.folder / "classes.json")
    return data
