"""Samples of one tar shard in WebDataset's format, read from its beginning to its end and never back.

A sample is members one after the other whose names are the same up to the first dot of their last part: `dog/07.jpg`
and `dog/07.cls`. Nothing is written anywhere, so a name with `..` or from the root is a name like any other.
"""

import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import IO, NamedTuple

from striate.data.sources.classes import same_name
from striate.data.sources.unpacking import MEMBER_LIMIT, Unpacked
from striate.errors import DataError
from striate.pictures.opened import ENDINGS
from striate.show.names import listed, printable
from striate.show.numbers import memory

# where a label may stand; the first of them that a sample has, and that holds one, counts
LABELS = {".cls": "the number of a class", ".json": "JSON with `label` or `labels`", ".txt": "the name of a class"}
HEAD_LIMIT = 2**20  # bytes of the names and notes before a member
BLOCK = 2**18
EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, *tarfile.GNU_TYPES)


class Sample(NamedTuple):
    """A picture of a shard.

    Parameters
    ----------
    address
        the shard's number and the sample's place in it, as one whole number: its address for every random choice
    name
        the shard's name and the sample's
    content
        the picture's bytes, not decoded
    label
        the names of its classes
    """

    address: int
    name: str
    content: bytes
    label: tuple[str, ...]


class Head(tarfile.TarInfo):
    """A member's head. Where tarfile takes a broken one for the end of the archive, this raises."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        head = super().frombuf(buf, encoding, errors)
        if head.type in EXTENDED and not head.issparse() and head.size > HEAD_LIMIT:
            raise tarfile.ReadError(f"a member's head would take {memory(head.size)}")
        return head

    @classmethod
    def fromtarfile(cls, archive):  # type: ignore[override]
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # two empty blocks: the end
            raise
        except tarfile.HeaderError as error:
            empty = isinstance(error, tarfile.EmptyHeaderError)  # type: ignore[attr-defined]
            raise tarfile.ReadError("it ends without a mark of its end" if empty else str(error)) from error


@dataclass
class Group:
    """The members of one sample that are of use, by their endings; and what is wrong with them."""

    key: str
    parts: dict[str, bytes] = field(default_factory=dict)
    wrong: str = ""


def read_samples(
    shard: str,
    number: int,
    connect: Callable[[], AbstractContextManager[IO[bytes]]],
    classes: Sequence[str],
    several: bool,
    bad: Callable[[str, str], None],
) -> Iterator[Sample]:
    """Every good sample of a shard, in its order.

    Parameters
    ----------
    shard
        how messages call it
    number
        the shard's, for the addresses
    connect
        opens it
    classes
        names of all classes
    several
        whether a sample may have more or less than one label
    bad
        is called with a name and a reason for whatever cannot be used: it raises, or notes it
    """
    try:
        with connect() as file, tarfile.open(fileobj=Unpacked(file), mode="r|", tarinfo=Head, bufsize=BLOCK) as tar:
            for place, group in enumerate(groups(tar)):
                name = f"{shard}/{group.key}"
                try:
                    content, label = picture_of(group), label_of(group, classes, several)
                except DataError as error:
                    bad(name, f"{printable(name)} cannot be used: {error}")
                    continue
                yield Sample(number << 32 | place, name, content, label)
    except (tarfile.TarError, HTTPException, OSError, EOFError) as error:
        bad(shard, f"the shard {printable(shard)} cannot be read to its end: {error}")


def groups(tar: tarfile.TarFile) -> Iterator[Group]:
    """Members of the same key, together."""
    group = None
    try:
        while member := tar.next():
            tar.members.clear()  # type: ignore[attr-defined]  # tarfile would keep every head that it has read
            folder, slash, base = member.name.rpartition("/")
            if member.isdir() or base.startswith("."):  # a hidden file is the system's, not a sample's
                continue
            start, _, ending = base.partition(".")
            key = f"{folder}{slash}{start}"
            if group is None or key != group.key:
                if group:
                    yield group
                group = Group(key)
            add(group, f".{ending.lower()}", member, tar)
    except (tarfile.TarError, HTTPException, OSError, EOFError) as error:
        where = f"; the last sample that it began is {printable(group.key)}" if group else ""
        raise tarfile.ReadError(f"{error}{where}") from error
    if group:
        yield group


def add(group: Group, ending: str, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
    """Read a member into its sample, if it is a picture or a label."""
    if ending not in ENDINGS and ending not in LABELS:
        return
    if ending in group.parts:
        group.wrong = f"it has {ending} twice"
    elif not member.isreg() or member.issparse():
        group.wrong = f"its {ending} is a link, a device or a file with holes, but only plain files are read"
    elif member.size > MEMBER_LIMIT:
        group.wrong = f"its {ending} has {memory(member.size)}, but a member may have {memory(MEMBER_LIMIT)}"
    else:
        file = tar.extractfile(member)
        assert file
        group.parts[ending] = file.read()


def picture_of(group: Group) -> bytes:
    """The bytes of its only picture."""
    pictures = [ending for ending in group.parts if ending in ENDINGS]
    if group.wrong:
        raise DataError(group.wrong)
    if len(pictures) != 1:
        raise DataError(f"a sample has one picture, but it has {listed(pictures) or 'none'}")
    return group.parts[pictures[0]]


def label_of(group: Group, classes: Sequence[str], several: bool) -> tuple[str, ...]:
    """The class names of a sample, of which there is one, or any number where `several`."""
    label = tuple(dict.fromkeys(class_name(each, classes) for each in written_labels(group)))
    if len(label) != 1 and not several:
        raise DataError(f"a picture has one label unless `several` is given, but it has {listed(label) or 'none'}")
    return label


def written_labels(group: Group) -> list:
    """Numbers or names of classes, from the first of the members for labels that holds any."""
    for ending, rule in LABELS.items():
        if ending in group.parts:
            text = group.parts[ending].decode(errors="backslashreplace").strip()
            try:
                labels = parsed(ending, text)
            except (ValueError, RecursionError) as error:
                raise DataError(f"its {ending} must hold {rule}, but it is '{printable(text[:40])}'") from error
            if labels is not None:
                return labels
    raise DataError(f"a sample has a label in {', '.join(LABELS)}, but it has {listed(list(group.parts)) or 'none'}")


def parsed(ending: str, text: str) -> list | None:
    """The labels in a member's text; None where it is a JSON object of something else."""
    if ending == ".cls":
        return [int(text)]
    if ending == ".txt":
        return [text]
    fields = json.loads(text)
    if isinstance(fields, dict) and isinstance(fields.get("labels"), list):
        return fields["labels"]
    return [fields["label"]] if isinstance(fields, dict) and "label" in fields else None


def class_name(label: object, classes: Sequence[str]) -> str:
    """The class of a number or of a name."""
    if isinstance(label, int) and not isinstance(label, bool):
        if 0 <= label < len(classes):
            return classes[label]
        raise DataError(f"its label is {label}, but there are {len(classes)} classes, 0 to {len(classes) - 1}")
    if isinstance(label, str) and same_name(label) in classes:
        return same_name(label)
    raise DataError(f"its label '{printable(label)[:80]}' is none of the classes {listed(classes)}")
