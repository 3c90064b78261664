"""Views of a picture that a frozen front sees once: what validation sees, its mirror, then distorted ones."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from striate.data.dataset import Dataset, OnBad
from striate.data.distort.distortion import PRESETS, Distortion
from striate.data.distort.warp import warp
from striate.data.feeds import WholeFeed
from striate.data.order import Order
from striate.data.prepared import FinalPictures, shaped
from striate.errors import StriateError
from striate.preprocess import Preprocess

MOST = 1000


@dataclass(frozen=True)
class Views:
    """How often each picture is seen, and how.

    Parameters
    ----------
    count
        views of a picture: the plain one, which validation sees; its mirror; from the third on, distorted ones
    distortion
        of those, drawn as a training would draw it in the epoch of the view's number
    seed
        of the draws
    """

    count: int = 2
    distortion: Distortion = PRESETS["photo"]
    seed: int = 0

    def __post_init__(self) -> None:
        if type(self.count) is not int or not 1 <= self.count <= MOST:
            raise StriateError(f"each picture has a whole number of views from 1 to {MOST:,}, but it is {self.count!r}")

    @property
    def settings(self) -> dict[str, Any]:
        """What the views depend on, as plain values."""
        drawn = {"distortion": str(self.distortion), "seed": self.seed} if self.count > 2 else {}
        return {"views": self.count, **drawn}


class Viewed:
    """The views of each picture of a data set; each is decoded once for all of them.

    Parameters
    ----------
    data
        the pictures
    preprocess
        the network's input
    views
        how many, and which
    on_bad
        what to do with pictures that cannot be read, where the colours of the data are looked at
    """

    def __init__(self, data: Dataset, preprocess: Preprocess, views: Views, on_bad: OnBad = "stop"):
        data = replace(data, gray=preprocess.channels == "L")
        self.pictures, self.views = FinalPictures(data, preprocess, "off"), views
        self._spread = None
        if views.count > 2 and views.distortion.pca and not data.gray:
            self._spread = WholeFeed(self.pictures, Order(data, shuffle=False), on_bad).colour_spread()
        elif data.gray:
            self._spread = np.zeros((3, 3))

    def __getitem__(self, place: int) -> np.ndarray:
        """(views, height, width, channels) of uint8."""
        whole, preprocess, views = self.pictures.decoded(place), self.pictures.preprocess, self.views
        plain = preprocess.pixels(whole)
        seen = np.empty((views.count, *plain.shape), np.uint8)
        seen[0] = plain
        if views.count > 1:
            seen[1] = plain[:, ::-1]
        row = int(self.pictures.data.rows[place])
        whole = shaped(whole, preprocess, views.distortion)
        for view in range(2, views.count):
            drawn = views.distortion.draw(whole.shape[:2], preprocess.size, views.seed, view, row, self._spread)
            warp(whole, drawn, seen[view])
        return seen
