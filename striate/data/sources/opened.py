"""What every way of storing pictures is opened to, before classes are put in order and splits are made."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from striate.data.dataset import Problem, Source
from striate.data.sources.trees import Entry, Tree
from striate.data.sources.unpacking import MEMBER_LIMIT
from striate.errors import PictureError
from striate.show.names import printable
from striate.show.numbers import exact, memory


@dataclass
class Opened:
    """Pictures and the names of their classes, as they were found.

    Parameters
    ----------
    source
        where the pictures lie; its row i is the picture i of the lists below
    names
        how people and messages call each picture, none twice
    labels
        the names of each picture's classes: one, or any number where `several`
    splits
        train, val or test of each picture; "" where the data says none
    groups
        pictures of one group stay in one split; "" is a group of its own
    gray
        whether the pictures have one channel
    problems
        pictures that are not among the lists above, and why
    notes
        what a person should know
    several
        whether a picture may have several labels
    classes
        the order of the classes, where the data states one, also of classes without a picture; None sorts them
    empty
        classes without a picture, where the data states no order: an empty class folder
    """

    source: Source
    names: list[str]
    labels: list[tuple[str, ...]]
    splits: list[str]
    groups: list[str]
    gray: bool = False
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    several: bool = False
    classes: list[str] | None = None
    empty: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Files:
    """Pictures that are files of a tree.

    Parameters
    ----------
    tree
        where they lie
    names
        (n,) their names in the tree
    entries
        (n,) their sizes and stamps
    """

    tree: Tree
    names: Sequence[str]
    entries: Sequence[Entry]

    def read(self, row: int) -> bytes:
        """A file's bytes."""
        name, size = self.names[row], self.entries[row].size
        if size > MEMBER_LIMIT:
            raise PictureError(f"{printable(name)} has {memory(size)}, but a picture may have {memory(MEMBER_LIMIT)}")
        content = self.tree.read(name)
        if len(content) != size:
            raise PictureError(
                f"{printable(name)} has changed since it was opened: it had {exact(size)} bytes and has "
                f"{exact(len(content))}; open the data again"
            )
        return content

    def stamp(self, row: int) -> tuple[int, int]:
        """Its size, and the time of its last change or its sum."""
        size, stamp = self.entries[row]
        return size, stamp
