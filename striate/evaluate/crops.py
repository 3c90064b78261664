"""Crops: a picture is shown to a network several times, and what it says is averaged.

The places are those of the papers: AlexNet's ten are the corners and the middle of the picture before it is cropped,
and their mirrors. Each costs as much as the picture itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isqrt

from torch import Tensor

from striate.data.batches import Batch
from striate.errors import StriateError
from striate.preprocess import Preprocess
from striate.show.names import printable
from striate.show.numbers import count

MOST = 400  # of a grid
MARGIN = 8 / 7  # how much larger than the crop a picture is made, where the network's own input is all of it

Place = tuple[int, int]


@dataclass(frozen=True)
class Crops:
    """How often a picture is shown, and how.

    Parameters
    ----------
    preprocess
        makes the picture from which crops are taken
    places
        the top left corner of each
    size
        height and width of each
    mirrored
        whether each is shown mirrored as well
    """

    preprocess: Preprocess
    places: tuple[Place, ...]
    size: tuple[int, int]
    mirrored: bool

    def __len__(self) -> int:
        return len(self.places) * (1 + self.mirrored)

    def of(self, batch: Batch) -> Iterator[Tensor]:
        """Each crop of a batch.

        Parameters
        ----------
        batch
            of pictures as `preprocess` makes them
        """
        height, width = self.size
        for top, left in self.places:
            crop = batch.pixels[:, :, top : top + height, left : left + width]
            yield crop
            if self.mirrored:
                yield crop.flip(3)


def crops(text: str, preprocess: Preprocess) -> Crops:
    """What is meant by 1, flip, 5, 10, or a square number.

    Parameters
    ----------
    text
        1: the picture as the network is used; flip: and its mirror; 5: the corners and the middle; 10: these and their
        mirrors; 16, 25, …: a grid
    preprocess
        the network's input

    >>> len(crops("10", Preprocess())), crops("5", Preprocess()).places
    (10, ((16, 16), (0, 0), (0, 32), (32, 0), (32, 32)))
    """
    if text in ("1", "flip"):
        return Crops(preprocess, ((0, 0),), preprocess.size, text == "flip")
    number = int(text) if text.isascii() and text.isdigit() else 0
    side = isqrt(number)
    if text not in ("5", "10") and (side < 2 or side**2 != number or number > MOST):
        raise StriateError(
            f"crops are 1, flip, 5, 10 or a square number from 4 to {MOST} for a grid, but are '{printable(text)}'"
        )
    if preprocess.fit != "crop":
        raise StriateError(
            f"{count(number, 'crop')} of a picture are taken where the network's input is a crop, but here it is the "
            f"whole picture ({preprocess.fit}); flip shows it mirrored as well"
        )
    whole = _whole(preprocess)
    (height, width), (down, across) = (
        preprocess.size,
        (room - own for room, own in zip(whole.size, preprocess.size, strict=True)),
    )
    if text in ("5", "10"):
        places = ((down // 2, across // 2), (0, 0), (0, across), (down, 0), (down, across))
    else:
        steps = range(side)
        places = tuple(
            (round(down * row / (side - 1)), round(across * column / (side - 1))) for row in steps for column in steps
        )
    return Crops(whole, places, (height, width), text == "10")


def _whole(preprocess: Preprocess) -> Preprocess:
    """The picture around the network's input: all that its preprocess resizes, cropped to the input's shape alone."""
    short = min(preprocess.size)
    resize = preprocess.resize if preprocess.resize and preprocess.resize > short else round(short * MARGIN)
    size = tuple(side * resize // short for side in preprocess.size)
    return replace(preprocess, size=size, resize=resize)
