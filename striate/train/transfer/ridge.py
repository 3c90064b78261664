"""Ridge regression: one decomposition gives the heads of all strengths and classes."""

import numpy as np

from striate.train.transfer.axes import Linear
from striate.train.transfer.logistic import losses

FACTORS = (1e-3, 1e6)  # within which scores are made surer


class Ridge:
    """Minimises Σ weight · (score − target)² + strength · |head's weight|², for targets −1 and 1.

    Parameters
    ----------
    rows
        (n, views, r) coordinates
    targets
        (n, classes) of 0 and 1
    weights
        (n,) of each picture, which its views share
    """

    def __init__(self, rows: np.ndarray, targets: np.ndarray, weights: np.ndarray):
        self.views = rows.shape[1]
        flat, each = rows.reshape(-1, rows.shape[2]), np.repeat(weights / self.views, self.views)
        self.root = np.sqrt(each)[:, None]  # (n · views, 1)
        self.mean = each @ flat / each.sum()  # (r,)
        signs = np.repeat(2.0 * targets - 1, self.views, axis=0)
        self.level = each @ signs / each.sum()  # (classes,)
        centred = self.root * (flat - self.mean)
        self.squares, self.turn = np.linalg.eigh(centred.T @ centred)
        self.squares = np.maximum(self.squares, 0)
        self.turned = centred @ self.turn  # (n · views, r)
        self.signs = self.root * (signs - self.level)
        self.answers = self.turned.T @ self.signs  # (r, classes)

    def head(self, strength: float) -> Linear:
        """The head of a strength, whose scores are near −1 and 1."""
        weight = (self.turn @ (self.answers / (self.squares + strength)[:, None])).T
        return Linear(weight, self.level - weight @ self.mean)

    def left_out(self, strength: float) -> np.ndarray:
        """(n, classes): scores of the plain view by heads that have seen all other pictures, without fitting them.

        A row's score is a fixed mixture of all targets; what its own picture adds is a small block of that mixture.
        """
        weight = self.answers / (self.squares + strength)[:, None]
        errors = self.signs - self.turned @ weight
        turned = self.turned.reshape(-1, self.views, len(self.squares))  # (n, views, r)
        root = self.root.reshape(-1, self.views, 1)
        blocks = (turned / (self.squares + strength)) @ turned.transpose(0, 2, 1)  # (n, views, views)
        blocks += root @ root.transpose(0, 2, 1) / np.vdot(root, root)  # the bias has no penalty
        # a picture of weight 0 adds nothing; where one alone decides, the block is singular but for rounding
        free = np.linalg.pinv(np.eye(self.views) - blocks, rcond=1e-9, hermitian=True)
        lacking = free @ errors.reshape(-1, self.views, errors.shape[1])  # (n, views, classes)
        with np.errstate(invalid="ignore", divide="ignore"):
            plain = ((self.signs.reshape(lacking.shape) - lacking) / root)[:, 0] + self.level
        return np.where(root[:, 0] > 0, plain, np.nan)


def sureness(scores: np.ndarray, targets: np.ndarray, several: bool) -> float:
    """By what to multiply scores of pictures that were held out, so that they are logits: least cross-entropy.

    Parameters
    ----------
    scores
        (n, classes) about −1 and 1; pictures with one that is not a number are left out
    targets
        (n, classes) of 0 and 1
    several
        whether each class is a question of its own
    """
    from scipy.optimize import minimize_scalar

    there = np.isfinite(scores).all(1)
    scores, targets = scores[there], targets[there]
    low, high = np.log(FACTORS)
    found = minimize_scalar(
        lambda power: losses(np.exp(power) * scores, targets, several).sum(), bounds=(low, high), method="bounded"
    )
    return float(np.exp(found.x))
