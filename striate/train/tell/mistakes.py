"""What a network got wrong on the validation pictures, as parts of a page."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.data.dataset import HALF
from striate.show.matrix import matrix
from striate.show.names import printable
from striate.show.numbers import count, exact, percent
from striate.show.page import table_html
from striate.show.table import Column, Table
from striate.train.run import Run
from striate.train.tell.album import SHOWN, Album

CLASSES = 200  # that have a row each; of more, the worst


@dataclass(frozen=True)
class Answers:
    """What a network said of pictures.

    Parameters
    ----------
    classes
        names
    names, rows
        (n,) which pictures
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1
    probabilities
        (n, classes)
    """

    classes: tuple[str, ...]
    names: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, run: Run) -> "Answers | None":
        """Those of the validation pictures; None where there are none."""
        kept = run.predictions
        if kept is None or "names" not in kept:
            return None
        return cls(run.classes, *(kept[name] for name in ("names", "rows", "labels", "probabilities")))

    @property
    def several(self) -> bool:
        """Whether a picture may have several labels."""
        return self.labels.ndim == 2

    @property
    def counts(self) -> np.ndarray:
        """(classes, classes): pictures of one class, which were taken for another."""
        counts = np.zeros((len(self.classes), len(self.classes)), np.int64)
        np.add.at(counts, (self.labels, self.probabilities.argmax(1)), 1)
        return counts

    def worst(self) -> list[tuple[int, str]]:
        """Mistakes and what they were, the most confident first."""
        if not self.several:
            said = self.probabilities.argmax(1)
            sure = self.probabilities[np.arange(len(said)), said]
            wrong = np.flatnonzero(said != self.labels)
            order = wrong[np.argsort(-sure[wrong], kind="stable")]
            names = [(self._name(self.labels[place]), self._name(said[place])) for place in order]
            return [
                (place, f"{name}, taken for {other}: {percent(float(sure[place]))}")
                for place, (name, other) in zip(order.tolist(), names, strict=True)
            ]
        off = np.abs(self.labels - self.probabilities)  # (n, classes)
        most = off.argmax(1)
        size = off[np.arange(len(off)), most]
        wrong = np.flatnonzero(size > HALF)
        order = wrong[np.argsort(-size[wrong], kind="stable")]
        told = []
        for place in order.tolist():
            share, name = percent(float(self.probabilities[place, most[place]])), self._name(most[place])
            there = self.labels[place, most[place]]
            told.append((place, f"{name}, but only {share}" if there else f"no {name}, but {share}"))
        return told

    def _name(self, label: Any) -> str:
        return printable(self.classes[label])


def confusion(answers: Answers) -> str:
    """What was taken for what.

    Parameters
    ----------
    answers
        with one label for each picture
    """
    return matrix(answers.counts.tolist(), answers.classes)


def class_rows(answers: Answers) -> str:
    """A row for each class, the worst first.

    Parameters
    ----------
    answers
        of the network
    """
    table = _several(answers) if answers.several else _single(answers)
    table.rows.sort(key=lambda row: (row["right"] is None, row["right"]))
    if len(table.rows) > CLASSES:
        table.notes.append(f"shown are the {CLASSES} worst of {len(table.rows):,} classes")
        del table.rows[CLASSES:]
    return table_html(table)


def _single(answers: Answers) -> Table:
    counts = answers.counts
    rows = []
    for place, name in enumerate(answers.classes):
        total, called, right = int(counts[place].sum()), int(counts[:, place].sum()), int(counts[place, place])
        others = counts[place].copy()
        others[place] = 0
        other = int(others.argmax())
        taken = f"{printable(answers.classes[other])} ({others[other]:,})" if others[other] else ""
        rows.append(
            {
                "class": name,
                "pictures": total,
                "right": right / total if total else None,
                "precision": right / called if called else None,
                "taken": taken,
            }
        )
    columns = [
        Column("class", "class", align="left"),
        Column("pictures", "pictures", exact),
        Column("recognised", "right", lambda share: percent(share, 1)),
        Column("right when named", "precision", lambda share: percent(share, 1)),
        Column("most often taken for", "taken", align="left"),
    ]
    return Table(columns, rows)


def _several(answers: Answers) -> Table:
    from sklearn.metrics import average_precision_score

    found = answers.probabilities >= HALF  # (n, classes)
    rows = []
    for place, name in enumerate(answers.classes):
        there, said = answers.labels[:, place] > 0, found[:, place]
        right = int((there & said).sum())
        score = average_precision_score(there, answers.probabilities[:, place]) if there.any() else None
        rows.append(
            {
                "class": name,
                "pictures": int(there.sum()),
                "right": None if score is None else float(score),
                "recall": right / int(there.sum()) if there.any() else None,
                "precision": right / int(said.sum()) if said.any() else None,
            }
        )
    columns = [
        Column("class", "class", align="left"),
        Column("pictures", "pictures", exact),
        Column("average precision", "right", lambda score: f"{score:.3f}"),
        Column("recognised", "recall", lambda share: percent(share, 1)),
        Column("right when named", "precision", lambda share: percent(share, 1)),
    ]
    return Table(columns, rows, notes=[f"a class is named from {percent(HALF)} on"])


def pictures(answers: Answers, album: Album) -> str:
    """The mistakes as pictures, the most confident first.

    Parameters
    ----------
    answers
        of the network
    album
        the run's pictures
    """
    worst = answers.worst()
    if not worst:
        return "<p>There are none.</p>"
    of = f"{len(worst):,} of {count(len(answers.rows))}"
    kind = "have at least one class wrong" if answers.several else "were taken for another class"
    first = f"; these are the {SHOWN} of which the network was surest" if len(worst) > SHOWN else ""
    shown = album.figures("val", [(str(answers.names[number]), (told,)) for number, told in worst[:SHOWN]])
    return f"<p>{of} {kind}{first}.</p>{shown}"
