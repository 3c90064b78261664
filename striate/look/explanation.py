"""What was found about answers: maps of each picture, a sheet to look at, a table."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from striate.files import writing
from striate.look.found import sheet_files
from striate.look.methods import METHODS
from striate.look.photo import Photo
from striate.pictures.sheet import Bar, Frame, Panel, write_sheet
from striate.show.names import printable
from striate.show.numbers import percent, show_size
from striate.show.table import Column, Table

HEAT = Bar(0.0, ("nothing", "", "most"))
SIGNS = Bar(-1.0, ("speaks against it", "0", "speaks for it"))


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a network says what it says of a picture.

    Parameters
    ----------
    path
        the picture's file
    photo
        the picture, and which part of it the network sees
    said
        in words, what the network takes it for
    classes
        that are explained
    probabilities
        (k,) of these
    maps
        (k, rows, columns) of each method, by name; they divide what the network sees evenly
    size
        height and width of the picture, of which `photo` may hold fewer pixels
    network
        what it is called, and what to know of it
    """

    path: Path
    photo: Photo
    said: str
    classes: tuple[str, ...]
    probabilities: np.ndarray
    maps: dict[str, np.ndarray]
    size: tuple[int, int]
    network: str

    def save(self, output: str | Path) -> str:
        """Write a sheet: the picture beside the maps that are laid over it. Returns a line that says so.

        Parameters
        ----------
        output
            the file (.png, .jpg, .webp)
        """
        whole = Panel(self.photo.drawn(), "the picture", self._words, frame=self._seen)
        rows = [[self._panel(name, place) for place in range(len(self.classes))] for name in self.maps]
        if len(rows) > 1 and 1 < len(self.classes) <= 3:  # a row for each method
            cells = [cell for number, row in enumerate(rows) for cell in (None if number else whole, *row)]
            columns = 1 + len(self.classes)
        else:
            cells = [whole, *(panel for row in rows for panel in row)]
            columns = len(cells) if len(cells) <= 4 else 3 if len(cells) in (5, 6, 9) else 4
        lines = [self.network, f"what it says: {self.said}"]
        lines += [f"{METHODS[name].title}: {METHODS[name].meaning}." for name in self.maps]
        lines += ["Classes share a scale, so that the same colour is as much."] if len(self.classes) > 1 else []
        signed = {METHODS[name].signed for name in self.maps}
        bars = [bar for bar, there in ((HEAT, False), (SIGNS, True)) if there in signed]
        return write_sheet(Path(output), printable(self.path.name), lines, cells, columns, bars)

    def _panel(self, name: str, place: int) -> Panel:
        method = METHODS[name]
        maps = method.drawn(self.maps[name])
        image = self.photo.overlaid(maps[place], method.largest(maps), method.signed)
        words = (f"{printable(self.classes[place])} {_share(self.probabilities[place])}", method.title)
        title, caption = words if len(self.maps) == 1 else reversed(words)
        more = () if maps[place].any() else ("nothing speaks for it",)
        return Panel(image, title, (caption, *more), frame=self._seen)

    @property
    def _seen(self) -> Frame | None:
        """What the network sees, where that is not all."""
        top, bottom, left, right = self.photo.seen
        inside = max(0.0, top), min(1.0, bottom), max(0.0, left), min(1.0, right)
        return None if inside == (0, 1, 0, 1) else inside

    @property
    def _words(self) -> tuple[str, ...]:
        """What there is to know of the picture."""
        return (f"{show_size(self.size)} pixels", *(["the network sees what is in the frame"] if self._seen else []))


@dataclass(frozen=True, eq=False)
class Explanations:
    """Those of several pictures, in their order.

    Parameters
    ----------
    each
        an explanation for each picture
    notes
        what to know of all
    files
        the sheets that were written
    """

    each: tuple[Explanation, ...]
    notes: list[str] = field(default_factory=list)
    files: tuple[Path, ...] = ()

    def save(self, output: str | Path) -> tuple[Path, ...]:
        """Write a sheet for each picture.

        Parameters
        ----------
        output
            a folder, which is made if it is not there; or for a single picture a file (.png, .jpg, .webp)
        """
        files = sheet_files(Path(output), [one.path for one in self.each])
        with writing(files[0].parent):
            files[0].parent.mkdir(parents=True, exist_ok=True)
        for one, file in zip(self.each, files, strict=True):
            one.save(file)
        return tuple(files)

    @property
    def table(self) -> Table:
        """A row for each picture and class."""
        files = self.files or [None] * len(self.each)
        rows = [
            {
                "picture": str(one.path),
                "class": name,
                "probability": float(share),
                "method": ", ".join(one.maps),
                "file": file and str(file),
            }
            for one, file in zip(self.each, files, strict=True)
            for name, share in zip(one.classes, one.probabilities, strict=True)
        ]
        columns = [
            Column("picture", "picture", printable, "left"),
            Column("class", "class", printable, "left"),
            Column("probability", "probability", _share),
            Column("method", "method", align="left"),
            Column("written", "file", printable, "left"),
        ]
        return Table(columns[: 5 if self.files else 4], rows, notes=self.notes)

    def to_json(self) -> str:
        """The table as JSON."""
        return self.table.to_json()

    def to_csv(self) -> str:
        """The table as comma-separated values."""
        return self.table.to_csv()

    def __len__(self) -> int:
        return len(self.each)

    def __iter__(self) -> Iterator[Explanation]:
        return iter(self.each)

    def __getitem__(self, place: int) -> Explanation:
        return self.each[place]

    def __rich__(self) -> Table:
        return self.table

    def __str__(self) -> str:
        return str(self.table)


def _share(probability: float) -> str:
    return percent(float(probability), 1)
