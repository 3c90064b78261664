"""Dataset.open: find out what lies somewhere, put its classes in order, and split it where it is not split yet."""

import shlex
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from striate.data.dataset import Dataset, OnBad, Problem
from striate.data.sources import arrays
from striate.data.sources.archives import Tar, Zip
from striate.data.sources.classes import class_notes, label_places, order_classes
from striate.data.sources.folders import is_hidden, is_picture, is_table, look_through, open_folders
from striate.data.sources.opened import Opened
from striate.data.sources.split import held_out, joined
from striate.data.sources.table_choice import table_in
from striate.data.sources.tables import open_table
from striate.data.sources.trees import Folder, Tree
from striate.errors import DataError
from striate.show.names import listed, printable
from striate.show.numbers import percent

SHARE = 0.2  # of the pictures, for validation
SHARE_BESIDE_TEST = 0.1  # the same, where a test split is given
ALL_ABOVE = "it is all that the folder above it holds"
WHAT_WORKS = "a data set is a folder, a table, a zip or tar archive, an .npz file, or 'digits'"


def open_dataset(where: str | Path, *, classes: Path | None, on_bad: OnBad, seed: int) -> Dataset:
    """Open pictures with labels, as `Dataset.open` says.

    Parameters
    ----------
    where
        a path, or `digits`
    classes
        a file with a class name per line
    on_bad
        stop at what cannot be used, or skip it
    seed
        of the split
    """
    if on_bad not in ("stop", "skip"):
        raise DataError(f"what cannot be used is a reason to stop or to skip it, but '{on_bad}' was asked for")
    inner = wrapped(where)
    where = inner or where
    opened = find(where, mixed_labels=classes is not None)
    opened.notes += [f"{ALL_ABOVE}, so {printable(inner)} was opened"] if inner else []
    stop_at(opened.problems, where, on_bad)
    if not opened.names:
        raise DataError(f"no picture of {printable(where)} can be used: {opened.problems[0].reason}")
    order = order_classes(opened, classes)
    data = Dataset(
        where=str(where),
        source=opened.source,
        rows=np.arange(len(opened.names)),
        names=opened.names,
        classes=order,
        labels=label_places(opened.labels, order, opened.several),
        splits=np.array(opened.splits, dtype="<U5"),
        groups=np.array(opened.groups, dtype=object),
        gray=opened.gray,
        skipped=tuple(opened.problems),
        notes=tuple(opened.notes),
    )
    data = with_validation(data, seed)
    return replace(data, notes=(*data.notes, *class_notes(data.labels, data.splits, data.classes)))


def wrapped(where: str | Path) -> Path | None:
    """The folder that is all that a folder holds, where it is no class and no split; it is opened instead."""
    try:
        path = Path(where)
        shown = [item for item in path.iterdir() if not is_hidden(item.name)] if str(where) and path.is_dir() else []
        if len(shown) != 1 or shown[0].is_symlink() or not shown[0].is_dir():
            return None
        tree = Folder(path)
        return shown[0] if any(map(is_picture, tree.entries())) and look_through(tree) is not tree else None
    except (OSError, TypeError, ValueError):
        return None  # what it is that cannot be opened is told by `find`


def asked_for(data: Dataset) -> Path:
    """The path that a data set was opened by: the folder above it, where that was looked through."""
    where = Path(data.where)
    return where.parent if any(note.startswith(ALL_ABOVE) for note in data.notes) else where


def find(where: str | Path, mixed_labels: bool = False) -> Opened:
    """What lies somewhere, as it was found.

    Parameters
    ----------
    where
        a path, or `digits`
    mixed_labels
        whether a table's labels may be numbers and words, as a file of classes settles
    """
    if not isinstance(where, str | PathLike):
        raise DataError(
            f"{WHAT_WORKS}, given as its path, but {printable(repr(where))[:80]} ({type(where).__name__}) was given"
        )
    path = Path(where)
    try:
        if not str(where):
            raise DataError(f"{WHAT_WORKS}, but nothing was given")
        if not path.exists():
            if "://" in str(where) or "{" in str(where):
                raise DataError(
                    f"{WHAT_WORKS}, but {printable(where)} is none of these; shards with braces or on a server "
                    f"are opened by st.open_shards({printable(repr(str(where)))})"
                )
            if str(where) == "digits":
                return arrays.open_digits()
            raise DataError(f"{WHAT_WORKS}, but {_missing(path)}")
        if path.is_dir():
            return _in_tree(Folder(path), mixed_labels)
        if path.is_file():
            return _in_file(path, mixed_labels)
    except OSError as error:
        raise DataError(f"{printable(where)} cannot be opened: {error.strerror or error}") from error
    raise DataError(f"{WHAT_WORKS}, but {printable(path)} is none of these")


def _in_file(path: Path, mixed_labels: bool) -> Opened:
    if is_table(path.name.lstrip(".")):
        return open_table(Folder(path.parent, str(path), fenced=False), path.name, mixed_labels)
    alone = Folder(path.parent, str(path), only=[path.name])
    if arrays.recognise(alone):
        return arrays.open_arrays(alone)
    if is_picture(path.name):
        raise DataError(f"{WHAT_WORKS}, but {printable(path)} is one picture; open the folder above its class's")
    if zipfile.is_zipfile(path):
        return _in_tree(look_through(Zip(path)), mixed_labels)
    if tarfile.is_tarfile(path):
        return _in_tree(look_through(Tar(path)), mixed_labels)
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise DataError(
                f"{printable(path)} begins as a zip archive but has no end, so it is cut short or broken; "
                "copy or fetch it again"
            )
    raise DataError(f"{WHAT_WORKS}, but {printable(path)} is none of these")


def _in_tree(tree: Tree, mixed_labels: bool) -> Opened:
    if arrays.recognise(tree):
        return arrays.open_arrays(tree)
    table = table_in(tree)
    if not table:
        return open_folders(tree)
    opened = open_table(tree, table, mixed_labels)
    named = {*opened.names, *(problem.name for problem in opened.problems)}
    others = [name for name in tree.entries() if is_picture(name) and name not in named]
    if others:
        opened.notes.append(f"pictures that the table does not name: {listed(others)}")
    return opened


def _missing(path: Path) -> str:
    """That a path does not exist, and which one was perhaps meant."""
    from difflib import get_close_matches

    parent = next(parent for parent in (*path.parents, Path()) if parent.is_dir())
    wanted = path.relative_to(parent).parts[0] if path.parts else ""
    near = get_close_matches(wanted, [*(item.name for item in parent.iterdir()), "digits"], n=1)
    meant = near and (near[0] if near[0] == "digits" else parent / near[0])
    return f"{printable(path)} does not exist" + (f"; did you mean {printable(meant)}?" if near else "")


def stop_at(problems: Sequence[Problem], where: object, on_bad: OnBad) -> None:
    """Name the first picture that cannot be used and count the others, unless they are to be skipped."""
    if on_bad == "skip" or not problems:
        return
    more = f", and there {'is' if len(problems) == 2 else 'are'} {len(problems) - 1:,} more" if problems[1:] else ""
    raise DataError(
        f'every picture must be usable, but {problems[0].reason}{more}; --on-bad skip (on_bad="skip") leaves '
        f"out what is not, and `striate check {shlex.quote(printable(where))}` lists it"
    )


def with_validation(data: Dataset, seed: int) -> Dataset:
    """The data with a validation split, held out of what would be trained on where it has none.

    Parameters
    ----------
    data
        pictures; a split of "" is none
    seed
        of the choice
    """
    given = sorted(set(data.splits.tolist()))
    notes = [*data.notes, *_torn_groups(data)]
    if given not in ([""], ["train"], ["test", "train"]):
        if "train" not in given:
            notes.append(
                f"there is no training split, only {' and '.join(given)}: good for measuring, not for training"
            )
        return replace(data, notes=tuple(notes))
    places = np.flatnonzero(data.splits != "test")
    splits = np.where(data.splits == "", "train", data.splits)
    part = replace(data, splits=splits).part(places)
    share = SHARE_BESIDE_TEST if "test" in given else SHARE
    components = belonging(part)
    held = held_out(part.names, part.labels, components, share, seed)
    splits[places[held]] = "val"
    _, sizes = np.unique(components, return_counts=True)
    together = (
        f"; {sizes[sizes > 1].sum():,} that are copies or of one group stay together" if (sizes > 1).any() else ""
    )
    notes.append(
        f"{held.sum():,} of {len(held):,} pictures were held out for validation, "
        f"{percent(share)} of each class, by seed {seed}{together}"
    )
    return replace(data, splits=splits, notes=tuple(notes))


def belonging(data: Dataset) -> np.ndarray:
    """(n,) components: pictures that are copies of each other or of one group must not be torn apart."""
    from striate.data.audit.duplicates import components

    if len(data) == 1:
        return np.zeros(1, dtype=np.int64)
    groups = [group or ("", place) for place, group in enumerate(data.groups)]  # "" is a group of its own
    number = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    return joined(components(data), np.array([number[group] for group in groups]))


def _torn_groups(data: Dataset) -> list[str]:
    """A note on groups of which pictures lie in several of the splits that the data gives."""
    first: dict[str, str] = {}
    pairs = zip(data.groups, data.splits.tolist(), strict=True)
    torn = dict.fromkeys(group for group, split in pairs if group and first.setdefault(group, split) != split)
    return [f"ATTENTION, groups that lie in several splits: {listed(list(torn))}"] if torn else []
