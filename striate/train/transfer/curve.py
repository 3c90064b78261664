"""Curve: how accuracy grows with the number of pictures, and what more of them would bring."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from striate.show.charts import curves
from striate.show.numbers import count, exact, percent
from striate.show.table import Column, Table
from striate.train.learn.tally import wilson
from striate.train.transfer.axes import Axes
from striate.train.transfer.compare import correct
from striate.train.transfer.folds import FOLDS, fold, kin
from striate.train.transfer.logistic import COARSE, probabilities
from striate.train.transfer.ridge import Ridge
from striate.train.transfer.side import side_by_side
from striate.train.transfer.solve import Problem, checked

if TYPE_CHECKING:
    import altair as alt

SHARES = (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)  # of the pictures to learn from
POWERS = np.linspace(0.1, 2, 39)  # c of a − b·n^−c that are tried
DRAWS = 1000  # of the bootstrap
LEAST = 3  # sizes that a law of three numbers needs


@dataclass(frozen=True)
class Law:
    """Accuracy = a − b·n^(−c), several times: of all pictures, and of pictures drawn again.

    Parameters
    ----------
    limit, scale, power
        (draws + 1,) a, b and c, those of all pictures first
    """

    limit: np.ndarray
    scale: np.ndarray
    power: np.ndarray

    def at(self, number: float) -> np.ndarray:
        """(draws + 1,): the accuracy with so many pictures."""
        return self.limit - self.scale * number**-self.power


@dataclass(frozen=True)
class Curve:
    """Accuracy by number of pictures.

    Parameters
    ----------
    numbers
        (sizes,) pictures that were learned from
    right
        (sizes, repeats, n) how right each picture was named where it was held out, from 0 to 1
    several
        whether a picture may have several labels
    law
        what is expected beyond, or None where there are too few sizes
    notes
        what a person should know
    """

    numbers: np.ndarray
    right: np.ndarray
    several: bool
    law: Law | None
    notes: tuple[str, ...]

    @property
    def whole(self) -> int:
        """All pictures that there are."""
        return self.right.shape[2]

    @property
    def rows(self) -> list[dict[str, float]]:
        """Each size with its accuracy and 95 % interval: of the pictures, which repeats do not make more."""
        means = self.right.mean((1, 2))
        bounds = [wilson(round(float(mean) * self.whole), self.whole) for mean in means]
        return [
            {"pictures": int(number), "right": float(mean), "low": low, "high": high}
            for number, mean, (low, high) in zip(self.numbers, means, bounds, strict=True)
        ]

    def gain(self, times: float = 2) -> tuple[float, float, float] | None:
        """What so many times the pictures would bring: expected, at least, at most (95 %); None without a law."""
        if self.law is None:
            return None
        gains = self.law.at(times * self.whole) - self.law.at(self.whole)
        low, high = np.quantile(gains[1:], (0.025, 0.975))
        return float(gains[0]), float(min(low, gains[0])), float(max(high, gains[0]))

    @property
    def sentence(self) -> str:
        """What twice as many pictures would bring."""
        if (gain := self.gain()) is None:
            return f"what more pictures would bring cannot be told from {count(self.whole)}"
        most, least, best = (100 * value for value in gain)
        return f"twice as many pictures would bring about {most:+.1f} points ({least:.1f} … {best:.1f})"

    @property
    def table(self) -> Table:
        """The sizes as a table."""
        columns = [
            Column("pictures", "pictures", exact),
            Column("labels right" if self.several else "right", "right", lambda share: percent(share, 1)),
            Column("at least", "low", lambda share: percent(share, 1)),
            Column("at most", "high", lambda share: percent(share, 1)),
        ]
        notes = [self.sentence, "at least, at most: of new pictures, with 95 % confidence", *self.notes]
        return Table(columns, list(self.rows), notes=notes)

    def chart(self) -> "alt.LayerChart":
        """The sizes, their intervals and the law."""
        rows = self.rows
        series = {
            name: [(row["pictures"], 100 * row[key]) for row in rows]
            for name, key in (("measured", "right"), ("at least", "low"), ("at most", "high"))
        }
        if self.law is not None:
            places = np.geomspace(self.numbers[0], 4 * self.whole, 25)
            series["expected"] = [(float(place), 100 * float(self.law.at(place)[0])) for place in places]
        what = "labels right, %" if self.several else "right, %"
        marks = {"now": self.whole}
        return curves("How many more pictures?", series, "pictures to learn from", what, marks=marks, log_x=True)


def curve(
    features: np.ndarray | Axes,
    labels: np.ndarray,
    classes: Sequence[str],
    groups: np.ndarray,
    strength: float,
    repeats: int = 3,
    seed: int = 0,
) -> Curve:
    """Measure how accuracy grows: heads of an eighth to all of the pictures, judged by those that are held out.

    In each repeat each picture is held out once, by other folds; of the rest, ever larger shares are learned from, each
    class in proportion, groups whole, and at least one group of each class. The strength is the same for all sizes: it
    belongs to the features, not to their number (see `solve`).

    Parameters
    ----------
    features, labels, strength
        as for `solve`
    classes
        names
    groups
        as for `fold`
    repeats
        how often
    seed
        another one, other folds and shares
    """
    problem = Problem.of(features, labels, len(classes))
    checked(strength, None, len(labels))
    each, rough = kin(groups), replace(problem, axes=problem.axes.rough())

    def grown(piece: tuple[int, np.ndarray, np.ndarray]) -> list[tuple[int, np.ndarray]]:
        """For each share, how many pictures were learned from, and how right those that are held out were named."""
        repeat, learn, held = piece
        place, head, told = _order(problem.labels[learn], each[learn], seed + repeat), problem.zero(), []
        for share in SHARES:
            some = learn[place <= share]
            ones = np.ones(len(some))
            if problem.ridge:
                head = Ridge(problem.axes.rows[some], problem.part(some).targets, ones).head(strength)
            else:
                head = rough.part(some).logistic(strength, ones, head, COARSE)
            answers = probabilities(head.scores(problem.axes.plain[held]), problem.several)
            told.append((len(some), correct(answers, problem.labels[held])))
        return told

    folds = [fold(labels, groups, classes, FOLDS, seed + repeat) for repeat in range(repeats)]
    pieces = [(repeat, *halves) for repeat, one in enumerate(folds) for halves in one]
    found = side_by_side(grown, pieces)
    right = np.zeros((len(SHARES), repeats, len(labels)))
    for (repeat, _, held), told in zip(pieces, found, strict=True):
        right[:, repeat, held] = [each for _, each in told]
    means = np.mean([[number for number, _ in told] for told in found], axis=0)
    sizes, first = np.unique(np.round(means).astype(int), return_index=True)
    right = right[first]
    law = _law(sizes, right, seed) if len(sizes) >= LEAST and sizes[0] >= 2 else None
    return Curve(sizes, right, problem.several, law, folds[0].notes)


def _order(labels: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """(n,): from which share of the pictures on each takes part; 0 for one group of each class."""
    have = labels if labels.ndim == 2 else np.eye(labels.max() + 1)[labels]
    have = np.column_stack([have, ~have.any(1)]).astype(int)  # what has no label is a class of its own
    names, each = np.unique(groups, return_inverse=True)
    content = np.zeros((len(names), have.shape[1]), int)
    np.add.at(content, each, have)
    total, seen, place = content.sum(0), np.zeros(have.shape[1]), np.zeros(len(names))
    for group in np.random.default_rng(seed).permutation(len(names)):
        there = content[group] > 0
        after = (seen[there] + content[group][there]) / total[there]  # how far through each of its classes it is
        place[group] = 0 if (seen[there] == 0).any() else after.max()
        seen += content[group]
    return place[each]


def _law(numbers: np.ndarray, right: np.ndarray, seed: int) -> Law:
    """Fit the law to all pictures and to pictures drawn with replacement.

    The sizes are judged by the same pictures and rise and fall together with them, so that the same pictures are drawn
    for all sizes: how the curve rises is known better than its height. Repeats are drawn, too.
    """
    draw = np.random.default_rng(seed)
    _, repeats, pictures = right.shape
    means = [right.mean((1, 2))]
    for _ in range(DRAWS):
        shares = draw.multinomial(pictures, np.full(pictures, 1 / pictures)) / pictures
        times = draw.multinomial(repeats, np.full(repeats, 1 / repeats)) / repeats
        means.append(times @ (right @ shares).T)
    return fit_law(numbers, np.stack(means))


def fit_law(numbers: np.ndarray, accuracy: np.ndarray) -> Law:
    """The law that is nearest to each row of accuracies (draws, sizes), with a at most 1 and b at least 0.

    Given c the law is a straight line over −n^(−c), found by least squares, so that only c is searched for.

    Parameters
    ----------
    numbers
        (sizes,) pictures
    accuracy
        (draws, sizes)
    """
    middle = accuracy.mean(1, keepdims=True)  # (draws, 1)
    best = np.full(len(accuracy), np.inf)
    law = Law(*np.zeros((3, len(accuracy))))
    for power in POWERS:
        place = -(numbers.astype(float) ** -power)  # (sizes,)
        away = place - place.mean()
        scale = np.maximum((accuracy - middle) @ away / (away @ away), 0)
        limit = middle[:, 0] - scale * place.mean()
        over = limit > 1  # then a is 1, and the line goes through it
        scale[over] = np.maximum((accuracy[over] - 1) @ place / (place @ place), 0)
        limit[over] = 1
        error = ((limit[:, None] + scale[:, None] * place - accuracy) ** 2).sum(1)
        better = error < best
        best[better] = error[better]
        law.limit[better], law.scale[better], law.power[better] = limit[better], scale[better], power
    return law
