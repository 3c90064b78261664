"""Folders named by class, in folders named by split or not: root/train/cat/1.jpg or root/cat/1.jpg."""

import os

from striate.data.dataset import Problem
from striate.data.sources.classes import same_name
from striate.data.sources.opened import Files, Opened
from striate.data.sources.trees import Below, Tree
from striate.errors import DataError
from striate.pictures.opened import ENDINGS
from striate.show.names import listed, printable
from striate.show.numbers import exact

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
HEIC_ENDINGS = (".heic", ".heif", ".hif")  # iPhones' pictures, which neither Pillow nor OpenCV reads
TABLE_ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
ARCHIVE_ENDINGS = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz")


def is_picture(name: str) -> bool:
    """Whether a file's name says that it is a picture."""
    return os.path.splitext(name)[1].lower() in ENDINGS and not is_hidden(name)  # noqa: PTH122  # of 100,000 names


def is_hidden(name: str) -> bool:
    """Whether a file, or a folder that it lies in, is one that people do not see: .DS_Store, ._1.jpg, __MACOSX."""
    return name.startswith(".") or "/." in name or "__MACOSX" in name.split("/")


def hidden_folder(name: str) -> str:
    """The hidden folder that a file lies in; "" where there is none."""
    folders = name.split("/")[:-1]
    first = next((depth for depth in range(len(folders)) if is_hidden("/".join(folders[: depth + 1]) + "/")), None)
    return "" if first is None else "/".join(folders[: first + 1])


def heic_pictures(tree: Tree) -> list[str]:
    """The pictures of iPhones that are not JPEG."""
    return [name for name in tree.entries() if name.lower().endswith(HEIC_ENDINGS) and not is_hidden(name)]


def not_read(heic: list[str]) -> str:
    """What to do with pictures in HEIC."""
    count = exact(len(heic)) + (" picture is" if len(heic) == 1 else " pictures are")
    return f"HEIC is not read, and {count} HEIC, which must be converted to JPEG: {listed(heic)}"


def is_table(name: str) -> bool:
    """Whether a file's name says that it is a table."""
    return name.lower().endswith(TABLE_ENDINGS) and not is_hidden(name)


def look_through(tree: Tree) -> Tree:
    """The folder that is all that an archive or folder holds, as packing a folder makes it; else the whole."""
    names = [name for name in tree.entries() if not is_hidden(name)]
    tops = {name.partition("/")[0] for name in [*names, *tree.folders()] if not is_hidden(f"{name}/")}
    direct = [name for name in names if name.count("/") == 1]
    if len(tops) != 1 or any("/" not in name for name in names) or {*map(str.lower, tops)} & SPLIT_NAMES.keys():
        return tree
    is_class = any(map(is_picture, direct)) and not any(map(is_table, direct))
    return tree if is_class else Below(tree, tops.pop())


def open_folders(tree: Tree) -> Opened:
    """Pictures whose class is the folder that they lie in, also where there are more folders in between.

    Parameters
    ----------
    tree
        the folder or archive
    """
    entries = tree.entries()
    pictures = [name for name in entries if is_picture(name)]
    if not pictures:
        raise DataError(_no_pictures(tree))
    _check_no_samples(tree, pictures)
    tops = {name.partition("/")[0] for name in pictures if "/" in name}
    split_tops = {top: SPLIT_NAMES[top.lower()] for top in tops if top.lower() in SPLIT_NAMES}
    _check_tops(tree, tops, split_tops)
    depth = 1 if split_tops else 0  # of the class among the folders of a picture's name

    problems, names, labels, splits = list(tree.problems), [], [], []
    loose = []
    for name in pictures:
        folders = name.split("/")[:-1]
        if len(folders) <= depth:
            loose.append(name)
        elif not entries[name].size:
            problems.append(Problem(name, f"{printable(name)} is empty: it has 0 bytes"))
        else:
            names.append(name)
            labels.append((same_name(folders[depth]),))
            splits.append(split_tops.get(folders[0], ""))
    if len(loose) == len(pictures):
        raise DataError(
            f"pictures lie in folders named by their class, such as {'train/' if depth else ''}cat/1.jpg, but those of "
            f"{printable(tree.where)} do not: {listed(loose)}; make a folder for each class, "
            "or a table metadata.csv with the columns file_name and label"
        )
    problems += [
        Problem(name, f"{printable(name)} lies in no class's folder, so its class is unknown") for name in loose
    ]

    empty, without = _folders_without_pictures(tree, {name for (name,) in labels}, split_tops, depth)
    notes = [*tree.notes, *without]
    hidden = {name: hidden_folder(name) for name in entries if is_hidden(name)}
    heic = heic_pictures(tree)
    if heic:
        notes.append(f"ATTENTION, {not_read(heic)}")
    other = sorted({name for name in entries if not is_picture(name) and not hidden.get(name)} - {*heic})
    if other:
        notes.append(f"files that are not pictures: {listed(other)}")
    if any(hidden.values()):
        notes.append(f"hidden folders, which are skipped: {listed(sorted({*hidden.values()} - {''}))}")
    unused = [top for top in tree.folders() if top.lower() in SPLIT_NAMES and top not in split_tops]
    if unused and split_tops:
        notes.append(f"ATTENTION, folders of splits without a picture, which are no splits: {listed(unused)}")
    if len({*labels}) == 1 and all(name.count("/") > depth + 1 for name in names):
        notes.append(f"if the folders inside of {printable(labels[0][0])} are the classes, open it instead")
    source = Files(tree, names, [entries[name] for name in names])
    return Opened(source, names, labels, splits, [""] * len(names), problems=problems, notes=notes, empty=empty)


def _check_tops(tree: Tree, tops: set[str], split_tops: dict[str, str]) -> None:
    others = sorted(tops - split_tops.keys())
    if split_tops and others:
        from difflib import get_close_matches  # an error may take its time; a start may not

        near = [name for other in others for name in get_close_matches(other.lower(), SPLIT_NAMES, n=1, cutoff=0.75)]
        raise DataError(
            f"the folders of {printable(tree.where)} must all be splits or all be classes, but "
            f"{listed(sorted(split_tops))} would be splits and {listed(others)} classes; "
            f"{f'did you mean {listed(near)}? Otherwise ' if near else ''}move either, or name the classes in a table"
        )
    inner = {name.split("/")[1] for name in tree.entries() if is_picture(name) and name.count("/") > 1}
    if len(others) == 1 and inner and all(name.lower() in SPLIT_NAMES for name in inner):
        raise DataError(
            f"the folders of {printable(tree.where)} must be splits or classes, but the only one, "
            f"{printable(others[0])}, holds {listed(sorted(inner))}; open it instead"
        )
    if len(set(split_tops.values())) < len(split_tops):
        raise DataError(
            f"each split must have one folder, but {printable(tree.where)} has {listed(sorted(split_tops))}; "
            "merge those that are the same split"
        )


def _check_no_samples(tree: Tree, pictures: list[str]) -> None:
    """Refuse WebDataset's samples, whose folders are no classes: 000/1.png beside 000/1.cls."""
    stems: dict[str, set[str]] = {}
    for name in tree.entries():
        stem, ending = os.path.splitext(name)  # noqa: PTH122
        if ending.lower() in (".cls", ".json", ".txt"):
            stems.setdefault(ending.lower(), set()).add(stem)
    for ending, labelled in stems.items():
        found = [name for name in pictures if os.path.splitext(name)[0] in labelled]  # noqa: PTH122
        if (ending == ".cls" and found) or 2 * len(found) > len(pictures):
            raise DataError(
                f"the folder of a picture is its class, but in {printable(tree.where)} {printable(found[0])} and "
                f"others have a file {ending} beside them, as in WebDataset's shards, which striate.open_shards opens "
                "as tar files; for these pictures in a folder, name them in a table metadata.csv, or move the "
                f"{ending} files away"
            )


def _folders_without_pictures(
    tree: Tree, classes: set[str], split_tops: dict[str, str], depth: int
) -> tuple[list[str], list[str]]:
    """Classes whose folder is empty, and a note on folders that hold something, but no picture."""
    filled = {"/".join(name.split("/")[: depth + 1]) for name in tree.entries() if not is_hidden(name)}
    empty, others = set(), []
    for folder in tree.folders():
        top, last = folder.split("/")[0], folder.split("/")[-1]
        at_depth = folder.count("/") == depth and not is_hidden(folder)
        if not at_depth or (top not in split_tops if depth else top.lower() in SPLIT_NAMES):
            continue
        if same_name(last) in classes:
            continue
        if folder in filled:
            others.append(folder)
        else:
            empty.add(same_name(last))
    notes = [f"folders without a picture, which are no classes: {listed(sorted(others))}"] if others else []
    return sorted(empty), notes


def _no_pictures(tree: Tree) -> str:
    entries, where = tree.entries(), printable(tree.where)
    if tree.problems:
        more = f" (and {len(tree.problems) - 1:,} more)" if tree.problems[1:] else ""
        return f"{where} holds no picture that can be used: {tree.problems[0].reason}{more}"
    folders = [name for name in tree.folders() if not is_hidden(name)]
    if not entries and folders:
        return f"the folders of {where} are empty: {listed(folders)}; each would hold the pictures of its class"
    if not entries:
        return f"{where} is empty; a data set holds folders of pictures, such as cat/1.jpg, or a table"
    hidden = [name for name in entries if hidden_folder(name)]
    if len(hidden) == len(entries):
        return f"{where} holds files in hidden folders alone, which are skipped: {listed(hidden)}"
    heic = heic_pictures(tree)
    if heic:
        return f"{where} holds no picture that can be read: {not_read(heic)}"
    archives = [name for name in entries if name.lower().endswith(ARCHIVE_ENDINGS) and not is_hidden(name)]
    if archives:
        return f"{where} holds no picture, but {listed(archives)}; open one of these"
    return f"{where} holds no picture with one of the endings {', '.join(sorted(ENDINGS))}, but {listed(list(entries))}"
