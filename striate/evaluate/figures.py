"""Figures of a whole set of pictures, each with the interval that drawing other pictures would give.

Shares of pictures have Wilson's interval. Means over classes and areas under curves have none in closed form: the
pictures are drawn again with replacement, many times, and most of what comes out is told. Of average precision and F1
that comes out too high or too low as a rule, as of few pictures themselves, which is made good (Efron, 1981).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from striate.train.learn.tally import figures_of, wilson

DRAWN = 1000  # times that pictures are drawn again for means over classes
RANKED = 200  # times for areas under curves, which take longer
WORK = 3e9  # pictures × classes × times, above which areas get no interval
AREAS = ("mean average precision", "area under ROC, mean of classes")
FIVE = 10  # classes from which on it says something that the label is among the first five


@dataclass(frozen=True)
class Figure:
    """A figure and between which values it would lie for other pictures of the kind, with 95 % confidence.

    Parameters
    ----------
    name
        what it measures, in words
    value
        of these pictures
    low, high
        the interval; None where there is none
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def headline(scores: np.ndarray, labels: np.ndarray) -> list[Figure]:
    """What one wants to know first.

    Parameters
    ----------
    scores
        (n, classes) logits
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1
    """
    several = labels.ndim == 2
    told = figures_of(scores, labels, several)
    figures = []
    if not several:
        figures.append(_share("right", round(told["top1"] * len(labels)), len(labels)))
        if scores.shape[1] >= FIVE:
            figures.append(_share("among the first five", round(told["top5"] * len(labels)), len(labels)))
        figures += _macro(scores.argmax(1), labels, scores.shape[1])
    figures += areas(scores, labels)
    figures.append(Figure("loss", told["loss"]))
    return figures


def _share(name: str, right: int, count: int) -> Figure:
    return Figure(name, right / count, *wilson(right, count))


def _macro(said: np.ndarray, labels: np.ndarray, classes: int) -> list[Figure]:
    """Means over classes: each counts as much as any other, however many pictures it has."""
    pairs, counts = np.unique(labels * classes + said, return_counts=True)  # of what is and what was said
    figures = partial(means, pairs // classes, pairs % classes, classes=classes)
    value = figures(counts[None])
    drawn = np.random.default_rng(0).multinomial(counts.sum(), counts / counts.sum(), DRAWN)  # (times, pairs)
    names = ("recognised, mean of classes", "right when named, mean of classes", "F1, mean of classes")
    return [
        Figure(name, float(each), *interval(float(each), others))
        for name, each, others in zip(names, value[0], figures(drawn).T, strict=True)
    ]


def interval(value: float, drawn: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of what drawing again gave, moved by twice as much as its middle is off.

    Parameters
    ----------
    value
        of the pictures themselves
    drawn
        (times,) of those that were drawn
    """
    from scipy.special import ndtr, ndtri

    below = ((drawn < value).mean() + (drawn <= value).mean()) / 2
    least = 0.5 / len(drawn)  # of so many draws, none is rarer
    shift = 2 * ndtri(np.clip(below, least, 1 - least))
    low, high = np.quantile(drawn, ndtr(shift + ndtri(np.array((0.025, 0.975)))))
    return float(low), float(high)


def means(labels: np.ndarray, said: np.ndarray, counts: np.ndarray, classes: int) -> np.ndarray:
    """(times, 3): recall, precision and F1, means over the classes that have pictures.

    A class that has pictures but is never named has a precision of 0.

    Parameters
    ----------
    labels, said
        (pairs,) what pictures are, and what was said of them
    counts
        (times, pairs) how many there are
    classes
        how many
    """
    found = np.empty((len(counts), 3))
    for place, row in enumerate(counts):
        there, named, right = (
            np.bincount(of, weights, classes)
            for of, weights in ((labels, row), (said, row), (labels, row * (labels == said)))
        )
        have = there > 0
        there, named, right = there[have], named[have], right[have]
        f1 = 2 * right / (there + named)
        found[place] = (right / there).mean(), (right / np.maximum(named, 1)).mean(), f1.mean()
    return found


def areas(scores: np.ndarray, labels: np.ndarray) -> list[Figure]:
    """Mean average precision, and the mean area under the ROC curve: over classes with pictures of both kinds.

    Parameters
    ----------
    scores, labels
        as for `headline`
    """
    return [
        Figure(name, float(found[0]), *(interval(found[0], found[1:]) if len(found) > 1 else (None, None)))
        for name, found in zip(AREAS, drawn_areas(scores, labels), strict=False)
    ]


def drawn_areas(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(2, 1 + times) both areas, of the pictures themselves and then drawn again; (0, …) where no class has any.

    As many pictures are always drawn the same way, so that differences between two networks are those of pairs.

    Parameters
    ----------
    scores, labels
        as for `headline`
    """
    count, classes = scores.shape
    there = labels > 0 if labels.ndim == 2 else labels[:, None] == np.arange(classes)  # (n, classes)
    times = RANKED if count * classes * RANKED <= WORK else 0
    weights = np.ones((1 + times, count), np.float32)  # the first row are the pictures themselves
    weights[1:] = np.random.default_rng(1).multinomial(count, np.full(count, 1 / count), times)
    judged = [place for place in range(classes) if 0 < there[:, place].sum() < count]
    if not judged:
        return np.zeros((0, 1 + times))
    each = np.array([ranked(scores[:, place], there[:, place], weights) for place in judged])  # (classes, 2, times)
    # a class of which no picture was drawn has no area that time; nor has any, where all that were drawn are of one
    return np.nanmean(each[:, :, ~np.isnan(each).all(0).any(0)], axis=0)


def ranked(scores: np.ndarray, there: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(2, times): average precision and the area under the ROC curve of one class; NaN where one kind is missing.

    Both follow from how many pictures of each kind lie above each score. Equal scores are one step: their order would
    be luck.

    Parameters
    ----------
    scores
        (n,) higher for the class
    there
        (n,) whether the class is there
    weights
        (times, n) how often each picture counts
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # the last of equal scores
    hits = np.cumsum(weights[:, order] * there[order], axis=1, dtype=np.float64)[:, ends]  # (times, steps)
    every = np.cumsum(weights[:, order], axis=1, dtype=np.float64)[:, ends]
    misses = every - hits
    steps = np.diff(hits, prepend=0, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(every > 0, hits / every, 0)
        average = (steps * precision).sum(1) / hits[:, -1]
        area = (np.diff(misses, prepend=0, axis=1) * (hits - steps / 2)).sum(1) / (hits[:, -1] * misses[:, -1])
    return np.stack([average, area])
