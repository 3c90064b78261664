"""The newest two states of a training: the last one, and the one before in case the disk lost the last."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from striate.errors import WeightsError
from striate.files import PART, keep_names, writing
from striate.train.keep.sealed import load_sealed, save_sealed

NAME = re.compile(r"step-(\d{8,})\.safetensors")
KEPT = 2


@dataclass(frozen=True)
class Found:
    """A state to go on from.

    Parameters
    ----------
    step
        how many steps were made
    tensors, about
        what was saved
    notes
        a sentence for each newer state that is damaged
    """

    step: int
    tensors: dict[str, Tensor]
    about: dict[str, Any]
    notes: list[str] = field(default_factory=list)


class Checkpoints:
    """States of one training, each in a sealed file; only who holds the training's lock may save.

    Parameters
    ----------
    folder
        where they lie, and nothing else; made when the first is saved
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._damaged: set[int] = set()

    def save(self, step: int, tensors: dict[str, Tensor], about: dict[str, Any]) -> Path:
        """Write a state, then remove what it makes useless; gives the file.

        Useless are all but the newest two, those that were found damaged, and those of later steps: they belong to a
        future that went another way. So are the remains of writers that were killed.

        Parameters
        ----------
        step
            how many steps were made; a state of the same step is replaced
        tensors, about
            see `save_sealed`
        """
        path = self.folder / f"step-{step:08}.safetensors"
        if not self.folder.is_dir():
            with writing(self.folder):
                self.folder.mkdir(parents=True)
            keep_names(self.folder.parent)
        save_sealed(path, tensors, about)
        self._damaged.discard(step)
        files = self._files()
        good = [other for other in files if other <= step and other not in self._damaged]
        useless = [files[other] for other in files if other not in good[:KEPT]]
        with writing(self.folder):
            for other in (*useless, *self.folder.glob(f".*{PART}")):
                other.unlink()
        return path

    def newest(self) -> Found | None:
        """The newest state that is whole; None where none was saved. Nothing is removed before the next is saved."""
        reasons = []
        for step, path in self._files().items():
            try:
                tensors, about = load_sealed(path)
            except WeightsError as error:
                self._damaged.add(step)
                reasons.append(str(error))
            else:
                return Found(step, tensors, about, [f"{reason}; {path.name} is used instead" for reason in reasons])
        if reasons:
            raise WeightsError(f"no state of the training in {self.folder} is whole: {'; '.join(reasons)}")
        return None

    def _files(self) -> dict[int, Path]:
        """By step, the newest first."""
        matches = {path: NAME.fullmatch(path.name) for path in self.folder.glob("step-*")}
        steps = {int(match[1]): path for path, match in matches.items() if match}
        return dict(sorted(steps.items(), reverse=True))
