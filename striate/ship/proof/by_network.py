"""The other side of a certificate: the trained network in PyTorch, asked as training's validation asks it."""

from pathlib import Path

import numpy as np
import torch

from striate.data.batches import Batches
from striate.data.dataset import Dataset
from striate.data.normalise import normalised
from striate.ship.proof.sides import Picture, timed
from striate.train.judge import judge
from striate.train.ranks import Ranks
from striate.train.run import open_run


class Given:
    """Where pictures lie that somebody handed over.

    Parameters
    ----------
    pictures
        these
    """

    def __init__(self, pictures: list[Picture]):
        self.pictures = pictures

    def read(self, row: int) -> bytes | np.ndarray:
        """What its file holds, or its pixels."""
        return self.pictures[row].content

    def stamp(self, row: int) -> tuple[int, int]:
        """Size in bytes, and nothing more: they do not change."""
        content = self.pictures[row].content
        return len(content) if isinstance(content, bytes) else content.nbytes, 0


class ByNetwork:
    """A run's network that is asked.

    Parameters
    ----------
    folder
        the run's
    """

    def __init__(self, folder: Path):
        self.run = open_run(folder)
        self.network = self.run.net()
        self.device = torch.device("cpu")

    def answers(self, pictures: list[Picture]) -> np.ndarray:
        """What validation would note of them, from their files on: (n, classes) probabilities."""
        data, preprocess = self._data(pictures), self.run.preprocess
        batches = Batches(data, preprocess, batch_size=len(data), cache="off", device=self.device)
        return judge(self.network, batches, preprocess, Ranks(0, 1, self.device)).probabilities

    def timed(self, pictures: list[Picture]) -> list[tuple[float, float]]:
        """Seconds for pictures that are answered at once, some times: of decoding, and of all that follows."""
        data, preprocess = self._data(pictures), self.run.preprocess

        def answered(decoded: list[np.ndarray]) -> None:
            pixels = torch.from_numpy(np.stack([preprocess.pixels(each) for each in decoded])).permute(0, 3, 1, 2)
            with torch.inference_mode():
                logits = self.network(normalised(pixels, preprocess))
                _ = logits.sigmoid() if self._several else logits.softmax(1)

        def decoded() -> list[np.ndarray]:
            return [data.picture(place, background=preprocess.background).pixels for place in range(len(data))]

        return timed(decoded, answered)

    @property
    def _several(self) -> bool:
        return self.run.config["data"]["several"]

    def _data(self, pictures: list[Picture]) -> Dataset:
        """The pictures as a data set; what they show is not told here."""
        count = len(pictures)
        return Dataset(
            where="the certificate's pictures",
            source=Given(pictures),
            rows=np.arange(count),
            names=[picture.name for picture in pictures],
            classes=self.run.classes,
            labels=np.zeros((count, len(self.run.classes)) if self._several else count, np.int64),
            splits=np.full(count, "test"),
            groups=np.full(count, ""),
            gray=self.run.preprocess.channels == "L",
        )
