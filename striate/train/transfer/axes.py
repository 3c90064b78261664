"""Axes: features turned into their principal axes once, in which every head is found fast.

Features are standardised, then turned. A penalty on the length of the weights does not change by a turn, so the heads
are exactly those of the standardised features; but where pictures are fewer than features there are fewer axes to
learn about (the weights lie in the space that the pictures span), and along these axes the curvature of every such
problem is known beforehand, nearly: see `logistic`. The spread is that of all pictures, also of those that a fold
holds out: it knows no labels.
"""

from dataclasses import dataclass, replace

import numpy as np

from striate.errors import DataError
from striate.train.transfer.side import side_by_side

FLAT = 1e-7  # a feature that spreads less, relative to its size, is constant: float32 holds no more digits
NOTHING = 1e-13  # of the largest eigenvalue: what is smaller is rounding


@dataclass(frozen=True)
class Linear:
    """What a fully connected layer computes: scores = features · weightᵀ + bias.

    Parameters
    ----------
    weight
        (classes, d)
    bias
        (classes,)
    """

    weight: np.ndarray
    bias: np.ndarray

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Logits (…, classes) of features (…, d)."""
        return features @ self.weight.T + self.bias

    def scaled(self, factor: float) -> "Linear":
        """The same answers, surer or less sure."""
        return Linear(self.weight * factor, self.bias * factor)


@dataclass(frozen=True)
class Axes:
    """Features in their principal axes.

    Parameters
    ----------
    rows
        (n, views, r) coordinates, float64
    mean, spread
        (d,) of the features
    turn
        (d, r) orthonormal columns: the axes
    """

    rows: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    turn: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def plain(self) -> np.ndarray:
        """(n, r): the plain view of each picture, which is its first."""
        return self.rows[:, 0]

    def part(self, places: np.ndarray) -> "Axes":
        """Some of the pictures, in the same axes."""
        return replace(self, rows=self.rows[places])

    def rough(self) -> "Axes":
        """The same in float32: twice as fast, and exact enough where heads are only judged."""
        return replace(self, rows=self.rows.astype(np.float32))

    def back(self, head: Linear) -> Linear:
        """A head on coordinates as one on raw features."""
        weight = head.weight @ self.turn.T / self.spread
        return Linear(weight, head.bias - weight @ self.mean)

    def forth(self, head: Linear) -> Linear:
        """A head on raw features as one on coordinates."""
        return Linear((head.weight * self.spread) @ self.turn, head.bias + head.weight @ self.mean)


def axes_of(features: "np.ndarray | Axes") -> Axes:
    """Turn features into their axes; what is turned already stays.

    Parameters
    ----------
    features
        (n, d), or (n, views, d) with the plain view first
    """
    if isinstance(features, Axes):
        return features
    if features.ndim not in (2, 3) or 0 in features.shape:
        raise DataError(
            f"features are (pictures, d) or (pictures, views, d), each at least 1, but are {features.shape}"
        )
    views = features.shape[1] if features.ndim == 3 else 1
    rows = (
        np.asarray(features).reshape(len(features) * views, -1).astype(np.float64)
    )  # a copy, which is standardised in place
    finite = np.isfinite(rows).all(1)
    if not finite.all():
        raise DataError(
            f"features must be finite, but those of picture {int(np.argmin(finite)) // views} are not "
            f"({int((~finite).sum()):,} of {len(rows):,} rows); half precision ends at 65,504: full precision would fit"
        )
    largest, mean = np.abs(rows).max(0), rows.mean(0)
    rows -= mean
    spread = np.sqrt(np.einsum("nd,nd->d", rows, rows) / len(rows))
    flat = spread <= FLAT * largest
    rows[:, flat], spread[flat] = 0, 1
    rows /= spread
    turn = _turn(rows)
    turn[flat] = 0  # exactly, so that what is constant gets no weight
    return Axes((rows @ turn).reshape(len(features), views, -1), mean, spread, turn)


def _turn(rows: np.ndarray) -> np.ndarray:
    """Orthonormal columns (d, r) that span the rows (n, d), along their principal axes."""
    wide = rows.shape[0] < rows.shape[1]
    ((squares, vectors),) = side_by_side(np.linalg.eigh, [rows @ rows.T if wide else rows.T @ rows])
    there = squares > NOTHING * squares[-1]
    if not there.any():  # all features are constant: one axis, along which nothing happens
        return np.eye(rows.shape[1], 1)
    if not wide:
        return vectors[:, there]
    # lengths from eigenvalues of squares have half the digits, so the columns are made orthonormal once more
    return np.linalg.qr(rows.T @ (vectors[:, there] / np.sqrt(squares[there])))[0]
