"""What several runs said of the pictures that all of them held out, brought together by the names of the pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from striate.show.names import printable
from striate.show.numbers import exact
from striate.train.learn.tally import figures_of
from striate.train.run import Run

SPLITS = {"val": "validation", "test": "test"}
PREFIXES = {"val": "", "test": "test_"}  # of their arrays in predictions.npz
LEAST = 1e-30  # a probability whose logarithm is still a number


@dataclass(frozen=True, eq=False)
class Said:
    """What each member said of a split.

    Parameters
    ----------
    names, rows
        (n,) of the pictures, as the first member has them
    labels
        (n,) or (n, classes), in its classes
    probabilities
        (members, n, classes)
    """

    names: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    @cached_property
    def mean(self) -> np.ndarray:
        """(n, classes): what the ensemble says."""
        return self.probabilities.mean(0)

    def figures(self, probabilities: np.ndarray) -> dict[str, float]:
        """Loss and accuracy, as a training has them.

        Parameters
        ----------
        probabilities
            (n, classes), of a member or of all
        """
        several = self.labels.ndim == 2
        yes, no = (np.log(np.maximum(side, LEAST, dtype=np.float64)) for side in (probabilities, 1 - probabilities))
        return figures_of(yes - no if several else yes, self.labels, several)


def held_out(runs: Sequence[Run]) -> tuple[dict[str, Said], str]:
    """What runs said of the splits that they held out; or nothing, and why these are not the same pictures.

    Where one run's validation pictures are another's training pictures, the mean of both would look far too good.

    Parameters
    ----------
    runs
        with the same classes
    """
    said: dict[str, Said] = {}
    first, *others = runs
    for other in others:
        ours, theirs = ({(run.config["data"][key]) for key in ("where", "validation")} for run in (first, other))
        if ours != theirs and first.config["data"]["fingerprint"] != other.config["data"]["fingerprint"]:
            return {}, f"{printable(first.folder)} and {printable(other.folder)} learned from other data"
    for split, prefix in PREFIXES.items():
        each = [_split(run, prefix, first.classes) for run in runs]
        for run, one in zip(runs, each, strict=True):
            if not (np.array_equal(one.names, each[0].names) and np.array_equal(one.labels, each[0].labels)):
                return {}, (
                    f"{printable(first.folder)} and {printable(run.folder)} held out {exact(len(each[0].names))} and "
                    f"{exact(len(one.names))} {SPLITS[split]} pictures that are not the same, or not labelled the same"
                )
        if len(each[0].names):
            said[split] = Said(
                each[0].names, each[0].rows, each[0].labels, np.concatenate([one.probabilities for one in each])
            )
    return said, ""


def _split(run: Run, prefix: str, classes: Sequence[str]) -> Said:
    """What one run said, in the order of names, and of other classes."""
    kept = run.predictions or {}
    names = kept.get(f"{prefix}names", np.array([], str))
    rows, labels = (kept.get(f"{prefix}{what}", np.array([], int)) for what in ("rows", "labels"))
    probabilities = kept.get(f"{prefix}probabilities", np.empty((0, len(classes))))
    order, places = np.argsort(names, kind="stable"), [run.classes.index(name) for name in classes]
    if labels.ndim == 2:
        labels = labels[:, places]
    elif run.classes != tuple(classes):
        labels = np.array([tuple(classes).index(name) for name in run.classes])[labels]
    return Said(names[order], rows[order], labels[order], probabilities[None, order][..., places])
