"""How strong the penalty of a head should be, by cross-validation."""

import numpy as np

from striate.show.numbers import percent
from striate.show.table import Column, Table
from striate.train.transfer.axes import Axes
from striate.train.transfer.folds import Folds, held_scores
from striate.train.transfer.logistic import losses
from striate.train.transfer.solve import Problem

STRONGEST, WEAKEST, STEP = 1.0, -4.0, 0.5  # powers of ten, of strength / features
RIDGE = 1.0  # power by which ridge regression begins stronger: there, steps cost nothing
SURE = 2.0  # standard errors by which weaker ones are worse before the search ends


def choose_strength(features: np.ndarray | Axes, labels: np.ndarray, classes: int, folds: Folds) -> tuple[float, Table]:
    """The strength whose heads give held-out pictures the best probabilities, and a table of all that were tried.

    The measure is the mean cross-entropy of the plain views. Strengths are tried from strong to weak, in steps of √10;
    as many times the number of features as makes a score of standard deviation √(features / strength) likely
    beforehand. The search ends when two in a row are clearly worse than the best. Of strengths that the pictures do
    not tell apart, those whose loss exceeds the least by less than one standard error of the difference, the strongest
    is taken.

    Parameters
    ----------
    features, labels, classes
        as for `solve`
    folds
        of `fold`
    """
    problem = Problem.of(features, labels, classes)
    targets, several = problem.targets, problem.several
    powers = np.arange(STRONGEST + RIDGE * problem.ridge, WEAKEST - STEP / 2, -STEP)
    strengths = [float(f"{len(problem.axes.mean) * 10**power:.3g}") for power in powers]
    tried, rows, worse = [], [], 0
    for strength, scores in zip(strengths, held_scores(problem, folds, strengths), strict=False):
        tried.append(losses(scores, targets, several))
        right = ((scores > 0) == (targets > 0)).mean(1) if several else scores.argmax(1) == labels
        rows.append(
            {"strength": strength, "loss": float(tried[-1].mean()), "right": float(right.mean()), "chosen": False}
        )
        best = min(tried, key=lambda each: each.mean())
        worse = worse + 1 if _above(tried[-1], best) > SURE else 0
        if worse == 2:
            break
    best = min(tried, key=lambda each: each.mean())
    place = next(place for place, each in enumerate(tried) if _above(each, best) <= 1)
    rows[place]["chosen"] = True
    columns = [
        Column("strength", "strength", lambda value: f"{value:g}"),
        Column("loss", "loss", lambda value: f"{value:.4f}"),
        Column("labels right" if several else "right", "right", lambda value: percent(value, 1)),
        Column("", "chosen", lambda value: "chosen" if value else "", align="left"),
    ]
    notes = [*folds.notes, f"of held-out pictures, {len(folds)} folds"]
    if len(tried) < len(strengths):
        notes.append("weaker penalties were not tried: the last two are clearly worse than the best")
    if place in (0, len(strengths) - 1):
        end, beyond = ("strongest", "stronger") if place == 0 else ("weakest", "weaker")
        notes.append(f"the {end} penalty that was tried is taken; a {beyond} one may be better")
    return rows[place]["strength"], Table(columns, rows, notes=notes)


def _above(losses: np.ndarray, best: np.ndarray) -> float:
    """By how many standard errors the mean of these losses is above that of the best, picture by picture."""
    difference = losses - best
    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return float(difference.mean() / error) if error else 0.0
