"""Logistic regression, multinomial or a class at a time, by L-BFGS along axes scaled by the curvature there."""

import numpy as np

from striate.errors import StriateError
from striate.train.transfer.axes import Linear

FINE = 1e-6  # largest slope where a head is finished: in scaled axes, where a weight's standard error is about 1
COARSE = 1e-2  # where it is only judged
ROUNDING = 1e-3  # if no step leads further down, it is rounding from here on
STEPS = 2000


def logistic(
    rows: np.ndarray,
    targets: np.ndarray,
    several: bool,
    strength: float,
    weights: np.ndarray,
    start: Linear,
    slope: float,
) -> Linear:
    """Minimise Σ weight · cross-entropy + strength/2 · |head's weight|².

    SciPy's L-BFGS-B does it, for PyTorch's takes two to three times as long on problems of this size, in small
    operations. In principal axes the curvature is about p(1 − p) · Σ weight · coordinate² + strength, so that in units
    of its root all directions curve alike: a third of the steps suffice, and of weak penalties a fifth.

    Parameters
    ----------
    rows
        (n, r) coordinates in principal axes; of float32 they are multiplied so, and summed up in float64
    targets
        (n, classes) of 0 and 1
    several
        whether each class is a question of its own
    strength
        of the penalty; the bias has none
    weights
        (n,)
    start
        where to begin
    slope
        the largest left
    """
    (_, width), classes = rows.shape, targets.shape[1]
    doubt = 0.25 if several else max(1 / classes * (1 - 1 / classes), 1e-3)  # p(1 − p) before anything is known
    penalty = np.append(np.full(width, strength), 0.0)  # (r + 1,): the bias is last
    curvature = doubt * np.append(np.einsum("n,nr,nr->r", weights, rows, rows, dtype=np.float64), weights.sum())
    unit = 1 / np.sqrt(curvature + penalty)
    mine = weights[:, None] * targets

    def measure(place: np.ndarray) -> tuple[float, np.ndarray]:
        head = place.reshape(classes, width + 1) * unit
        scores = (rows @ head[:, :-1].T.astype(rows.dtype)).astype(np.float64) + head[:, -1]  # (n, classes)
        total, chance = _chances(scores, several)
        loss = weights @ total - np.vdot(mine, scores)
        off = weights[:, None] * chance - mine
        slopes = penalty * head
        loss += 0.5 * np.vdot(slopes, head)
        slopes[:, :-1] += off.T.astype(rows.dtype) @ rows
        slopes[:, -1] += off.sum(0)
        return float(loss), (slopes * unit).ravel()

    from scipy.optimize import minimize

    begin = np.column_stack([start.weight, start.bias]) / unit
    options = {"gtol": slope, "ftol": 0.0, "maxiter": STEPS, "maxfun": 2 * STEPS, "maxcor": 10}
    found = minimize(measure, begin.ravel(), jac=True, method="L-BFGS-B", options=options)
    left = np.abs(found.jac).max()
    if not left <= max(slope, ROUNDING):
        raise StriateError(
            f"a head is finished where no slope is above {slope:g}, but after {found.nit:,} steps one is {left:.2g}; "
            f"a penalty stronger than {strength:g} would get there"
        )
    head = found.x.reshape(classes, width + 1) * unit
    return Linear(head[:, :-1].copy(), head[:, -1].copy())


def _chances(scores: np.ndarray, several: bool) -> tuple[np.ndarray, np.ndarray]:
    """What the cross-entropy is without the label's part, (n,), and probabilities (n, classes)."""
    if several:
        return np.logaddexp(0, scores).sum(1), probabilities(scores, several)
    most = scores.max(1)
    powers = np.exp(scores - most[:, None])
    total = powers.sum(1)
    return most + np.log(total), powers / total[:, None]


def probabilities(scores: np.ndarray, several: bool) -> np.ndarray:
    """Probabilities of logits (n, classes).

    Parameters
    ----------
    scores
        of each class
    several
        whether each class is a question of its own
    """
    if several:
        from scipy.special import expit

        return expit(scores)
    return _chances(scores, several)[1]


def losses(scores: np.ndarray, targets: np.ndarray, several: bool) -> np.ndarray:
    """Cross-entropy of each picture, (n,); over several labels summed.

    Parameters
    ----------
    scores, targets
        (n, classes)
    several
        whether each class is a question of its own
    """
    return _chances(scores, several)[0] - np.einsum("nc,nc->n", targets, scores)
