"""Folds: every picture is judged by a head that has not seen it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from striate.errors import DataError
from striate.show.names import printable
from striate.show.numbers import count
from striate.train.transfer.axes import Axes, Linear
from striate.train.transfer.logistic import COARSE, probabilities
from striate.train.transfer.ridge import Ridge, sureness
from striate.train.transfer.side import side_by_side
from striate.train.transfer.solve import Problem, checked

FOLDS = 5


@dataclass(frozen=True)
class Folds:
    """Which fold holds out which picture.

    Parameters
    ----------
    numbers
        (n,) from 0 on
    alone
        places of classes whose pictures all lie in one group: where they are held out, nothing is known of their class
    notes
        what a person should know
    """

    numbers: np.ndarray
    alone: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places to learn from, and places that are held out."""
        for number in range(len(self)):
            yield np.flatnonzero(self.numbers != number), np.flatnonzero(self.numbers == number)

    def __len__(self) -> int:
        return int(self.numbers.max()) + 1


def fold(
    labels: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    number: int = FOLDS,
    seed: int = 0,
) -> Folds:
    """Deal pictures out into folds: groups stay whole, and each class is spread as evenly as they allow.

    Parameters
    ----------
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1
    groups
        (n,) pictures of one group stay together; "" is a group of its own
    classes
        their names
    number
        of folds; where there are fewer groups, as many as groups
    seed
        another one, other folds

    >>> fold(np.array([0, 0, 1, 1]), np.array([""] * 4), ["cat", "dog"], number=2).numbers.tolist()
    [0, 1, 0, 1]
    """
    each = kin(groups)
    have = np.eye(len(classes), dtype=int)[labels] if labels.ndim == 1 else np.asarray(labels, int)  # (n, classes)
    content = np.zeros((each.max(initial=-1) + 1, len(classes)), int)  # of each group
    np.add.at(content, each, have)
    size = np.bincount(each, minlength=len(content))
    if len(content) < 2:
        raise DataError(
            f"cross-validation holds pictures out, so it needs at least 2 that are not of one group, "
            f"but there {'is' if len(labels) == 1 else 'are'} {count(len(labels))} in {count(len(content), 'group')}"
        )
    folds = min(number, len(content))
    total = np.maximum(content.sum(0), 1)
    rare = np.where(content > 0, total, total.max() + 1).min(1)  # of each group's rarest class
    shuffled = np.random.default_rng(seed).permutation(len(content))
    order = shuffled[np.lexsort((content[shuffled].argmax(1), rare[shuffled], -size[shuffled]))]
    held, sizes, chosen = np.zeros((folds, len(classes))), np.zeros(folds), np.zeros(len(content), int)
    for group in order:  # large ones first, then rare classes, a class after the other
        crowd = (held[:, content[group] > 0] / total[content[group] > 0]).sum(1)
        best = np.lexsort((sizes, crowd.round(9)))[0]  # where there is least of its classes, then where there is least
        chosen[group] = best
        held[best] += content[group]
        sizes[best] += size[group]
    spread = (content > 0).sum(0)  # over how many groups
    alone = tuple(np.flatnonzero(spread == 1).tolist())
    notes = [f"{folds} folds instead of {number}: there are no more groups of pictures"] if folds < number else []
    if alone:
        names = ", ".join(printable(classes[place]) for place in alone[:5]) + (", …" if len(alone) > 5 else "")
        notes.append(
            f"{count(len(alone), 'class')} with a single picture, or a single group of them: where it is held out, "
            f"its class is unknown and never named ({names})"
        )
    return Folds(chosen[each], alone, tuple(notes))


def kin(groups: np.ndarray) -> np.ndarray:
    """(n,): the number of each picture's group.

    Parameters
    ----------
    groups
        (n,) names; "" is a group of its own
    """
    groups = np.asarray(groups)
    _, each = np.unique(groups, return_inverse=True)
    lone = groups == ""
    each[lone] = len(groups) + np.arange(lone.sum())
    return np.unique(each, return_inverse=True)[1]


def out_of_fold(
    features: np.ndarray | Axes, labels: np.ndarray, classes: int, folds: Folds, strength: float
) -> np.ndarray:
    """(n, classes): probabilities of each picture's plain view, by a head that has not seen any view of it.

    Parameters
    ----------
    features, labels, classes, strength
        as for `solve`
    folds
        of `fold`
    """
    problem = Problem.of(features, labels, classes)
    checked(strength, None, len(labels))
    return probabilities(next(held_scores(problem, folds, [strength])), problem.several)


def held_scores(problem: Problem, folds: Folds, strengths: Sequence[float]) -> Iterator[np.ndarray]:
    """For one strength after the other, the scores (n, classes) of each picture where it is held out.

    Parameters
    ----------
    problem
        features with labels
    folds
        of `fold`
    strengths
        from strong to weak: each begins where the last one ended
    """
    targets, ones, halves = problem.targets, np.ones(len(problem.labels)), list(folds)
    rough = replace(problem, axes=problem.axes.rough())
    heads: Sequence[Linear] = [problem.zero()] * len(halves)
    ridges: list[Ridge] = []
    if problem.ridge:
        ridges = [Ridge(problem.axes.rows[learn], targets[learn], ones[learn]) for learn, _ in halves]

    def learned(strength: float, piece: tuple[tuple[np.ndarray, np.ndarray], Linear]) -> Linear:
        (learn, _), begin = piece
        return rough.part(learn).logistic(strength, ones[learn], begin, COARSE)

    for strength in strengths:
        if problem.ridge:
            heads = [ridge.head(strength) for ridge in ridges]
        else:
            heads = side_by_side(partial(learned, strength), zip(halves, heads, strict=True))
        scores = np.empty((len(problem.labels), problem.classes))
        for (_, held), head in zip(halves, heads, strict=True):
            scores[held] = head.scores(problem.axes.plain[held])
        yield scores * (sureness(scores, targets, problem.several) if problem.ridge else 1)
