"""One side of a certificate: an exported file, asked by ONNX Runtime and nothing else of what trains."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from striate.errors import PictureError, WeightsError
from striate.pictures.decode import decode
from striate.ship.checked import check
from striate.ship.proof.drift import DECODERS, resizers
from striate.ship.proof.sides import Picture, timed
from striate.ship.shipped import Shipped
from striate.show.numbers import show_size

NAME = "the exported file"


class Heard(NamedTuple):
    """What a file says of pictures; (n, classes) each, of those that could be read.

    Parameters
    ----------
    alone
        each picture, in its own size, through the whole graph
    together
        all of them fitted first, then answered at once, as a server does
    otherwise
        when others decode or resize, by their names; NaN where they cannot
    bad
        by their places, why others could not be read
    """

    alone: np.ndarray
    together: np.ndarray
    otherwise: dict[str, np.ndarray]
    bad: dict[int, str]


class ByFile:
    """An exported file that is asked.

    Parameters
    ----------
    content
        its bytes
    """

    def __init__(self, content: bytes):
        self.shipped = Shipped(Path(NAME), check(content, NAME), content)

    def answers(self, pictures: list[Picture], otherwise: bool = False) -> Heard:
        """What it says, from the pictures' files on; also when others decode or resize, if that is asked for."""
        kept, pixels, bad = [], [], {}
        for place, picture in enumerate(pictures):
            try:
                pixels.append(read(picture, self.shipped.about.preprocess.background))
                kept.append(picture)
            except PictureError as problem:
                bad[place] = str(problem)
        if not pixels:
            nothing = np.empty((0, len(self.shipped.classes)), np.float32)
            return Heard(nothing, nothing, {}, bad)
        alone = np.stack([self._alone(each) for each in pixels])
        return Heard(alone, self._together(pixels), self._otherwise(kept, pixels, alone) if otherwise else {}, bad)

    def timed(self, pictures: list[Picture]) -> list[tuple[float, float]]:
        """Seconds for pictures that are answered at once, some times: of decoding, and of all that follows."""

        def answered(pixels: list[np.ndarray]) -> None:
            _ = self._alone(pixels[0]) if len(pixels) == 1 else self._together(pixels)

        background = self.shipped.about.preprocess.background
        return timed(lambda: [read(picture, background) for picture in pictures], answered)

    def _alone(self, pixels: np.ndarray) -> np.ndarray:
        return self._each(self.shipped(pixels[None]).probabilities, 1)[0]

    def _together(self, pixels: list[np.ndarray]) -> np.ndarray:
        fitted = np.stack([self.shipped.fit(each) for each in pixels])
        return self._each(self.shipped.answers(fitted).probabilities, len(pixels))

    def _each(self, probabilities: np.ndarray, number: int) -> np.ndarray:
        """Probabilities, if there is one for each picture and class."""
        if probabilities.shape != (number, len(self.shipped.classes)):
            raise WeightsError(
                f"probabilities are one for each picture and class, {number}×{len(self.shipped.classes)} here, but "
                f"{NAME} gives {show_size(probabilities.shape)}"
            )
        return probabilities

    def _otherwise(self, pictures: list[Picture], pixels: list[np.ndarray], alone: np.ndarray) -> dict[str, np.ndarray]:
        told = {}
        for name, decoded in DECODERS.items():
            if any(isinstance(picture.content, bytes) for picture in pictures):
                told[name] = alone.copy()
                for place, (picture, own) in enumerate(zip(pictures, pixels, strict=True)):
                    theirs = decoded(picture.content) if isinstance(picture.content, bytes) else own
                    if theirs is None:
                        told[name][place] = np.nan
                    elif not np.array_equal(theirs, own):  # of the same pixels, it says the same
                        told[name][place] = self._alone(theirs)
        for name, resized in resizers(self.shipped.about.preprocess).items():
            fitted = {place: each for place, each in enumerate(map(resized, pixels)) if each is not None}
            told[name] = np.full_like(alone, np.nan)
            if fitted:
                batch = np.stack([np.moveaxis(each, 2, 0) for each in fitted.values()])
                told[name][list(fitted)] = self.shipped.answers(batch).probabilities
        return told


def read(picture: Picture, background: tuple[int, int, int]) -> np.ndarray:
    """A picture's upright pixels, (height, width, 3) of uint8.

    Parameters
    ----------
    picture
        its content
    background
        what transparent parts are laid on
    """
    if isinstance(picture.content, bytes):
        return decode(picture.content, picture.name, background=background).pixels
    return np.repeat(picture.content, 3, axis=2) if picture.content.shape[2] == 1 else picture.content
