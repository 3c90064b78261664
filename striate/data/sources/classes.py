"""The classes of a data set: their order, and what is missing where."""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from striate.data.sources.opened import Opened
from striate.errors import DataError
from striate.show.names import listed, printable


def natural(name: str) -> tuple:
    """A key that sorts as people count: 2 before 10.

    >>> sorted(["class 10", "class 2", "class 1"], key=natural)
    ['class 1', 'class 2', 'class 10']
    """
    words = re.split("([0-9]+)", name.casefold())  # text, digits, text, digits, … , text
    digits = [word.lstrip("0") for word in words]
    numbered = [(len(word), word) for word in digits]
    return tuple(n if place % 2 else w for place, (w, n) in enumerate(zip(words, numbered, strict=True))), name


def same_name(name: str) -> str:
    """One way of writing a class's name: macOS writes é as two signs where others write one."""
    return unicodedata.normalize("NFC", name)


def read_classes(path: Path) -> list[str]:
    """A file with a class name per line, or a run's classes.json.

    Parameters
    ----------
    path
        the file
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".json":
            content = "\n".join(json.loads(content)).encode()
        return class_list(content, str(path))
    except (ValueError, TypeError) as error:
        raise DataError(f"{printable(path)} must hold a list of class names in JSON, but does not: {error}") from error
    except OSError as error:
        raise DataError(
            f"the file of classes has a name per line, but {printable(path)} cannot be read: {error.strerror}"
        ) from error


def class_list(content: bytes, where: str) -> list[str]:
    """The class names in a file's bytes, one per line.

    Parameters
    ----------
    content
        what the file holds
    where
        how messages call it
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"the file of classes has a name per line, but {printable(where)} cannot be read: it is not UTF-8"
        ) from error
    classes = [same_name(line.strip()) for line in lines if line.strip()]
    twice = [name for name in dict.fromkeys(classes) if classes.count(name) > 1]
    if not classes or twice:
        what = f"names {listed(twice)} twice" if twice else "is empty"
        raise DataError(f"the file of classes has a name per line, but {printable(where)} {what}")
    return classes


def order_classes(opened: Opened, file: Path | None) -> tuple[str, ...]:
    """The names of all classes in order: the file's, else the one that the data states, else the natural one.

    Parameters
    ----------
    opened
        the pictures
    file
        a file with a class name per line, or None
    """
    found = list(dict.fromkeys(name for label in opened.labels for name in label)) + opened.empty
    stated = read_classes(file) if file else opened.classes
    if stated is None:
        return tuple(sorted(set(found), key=natural))
    missing = sorted(set(found) - set(stated), key=natural)
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        what = f"the file of classes {printable(file)}" if file else "the data's own list of classes"
        raise DataError(
            f"every class must be in {what}, but {listed(missing)} {verb} not; it has {listed(stated, 6)}: add "
            f"{'it' if len(missing) == 1 else 'them'}, or leave the option away for the natural order"
            if file
            else f"every class must be in {what}, but {listed(missing)} {verb} not; a file of classes may name all"
        )
    return tuple(stated)


def label_places(labels: Sequence[tuple[str, ...]], classes: Sequence[str], several: bool) -> np.ndarray:
    """(n,) places in the classes, or (n, classes) of 0 and 1 where a picture may have several labels."""
    place = {name: number for number, name in enumerate(classes)}
    if not several:
        return np.array([place[label[0]] for label in labels], dtype=np.int64)
    table = np.zeros((len(labels), len(classes)), dtype=np.uint8)
    for row, label in enumerate(labels):
        table[row, [place[name] for name in label]] = 1
    return table


def class_counts(labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """(classes,) how many pictures each class has."""
    return labels.sum(0, dtype=np.int64) if labels.ndim == 2 else np.bincount(labels, minlength=len(classes))


def class_notes(labels: np.ndarray, splits: np.ndarray, classes: Sequence[str]) -> list[str]:
    """What a person should know of the classes: which has no picture, in all or in one split."""
    counts = {split: class_counts(labels[splits == split], classes) for split in dict.fromkeys(splits.tolist())}

    def names(missing: Iterable) -> str:
        return listed([name for name, is_missing in zip(classes, missing, strict=True) if is_missing], 8)

    total = sum(counts.values(), np.zeros(len(classes), np.int64))
    notes = []
    if len(classes) == 1:
        notes.append(f"there is one class only, {printable(classes[0])}: nothing can be told apart")
    if not total.all():
        notes.append(f"ATTENTION, nothing can be learned of classes without a picture: {names(total == 0)}")
    for split, found in counts.items():
        missing = (found == 0) & (total > 0)
        if missing.any():
            start = "ATTENTION, nothing can be learned of classes" if split == "train" else "classes"
            notes.append(f"{start} without a picture in {split}: {names(missing)}")
    return notes
