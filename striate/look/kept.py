"""How far the features of a moved picture are from the moved features: 0 where a layer keeps the move.

Two maps u and v are √(mean (u − v)² / (var u + var v)) apart: 0 where they are equal, 1 where they have nothing to do
with each other. Variances are over positions, the mean over channels; of numbers without positions they are over the
numbers.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from striate.look.sight import is_global
from striate.measure.field import Field
from striate.measure.trace import Trace


@dataclass(frozen=True)
class Compared:
    """Two maps side by side, of all pictures.

    Parameters
    ----------
    squares
        (columns,) summed over pictures: the mean squared difference of each column that is there twice
    spread
        both variances, summed
    inside
        (columns,) which columns see no padding
    """

    squares: np.ndarray
    spread: float
    inside: np.ndarray

    def error(self, of: np.ndarray | None = None) -> float | None:
        """The square root of the share; None where no column is meant."""
        squares = self.squares if of is None else self.squares[of]
        if not len(squares):
            return None
        top = float(squares.mean())
        return (top / self.spread) ** 0.5 if self.spread else float(top > 0)


def field(trace: Trace | None) -> Field | None:
    """What a column of a layer sees along the width; None where that is the whole picture, or not known."""
    if trace is None or trace.sights is None or is_global(trace.sights):
        return None
    return trace.sights[1].field


def compared(before: Tensor, after: Tensor, shift: int, sees: Field | None, width: int) -> Compared:
    """The features of a moved picture beside the moved features; for a shift of 0, of the mirrored one.

    Parameters
    ----------
    before, after
        (channels, rows, columns) of the picture and of the moved one, or (numbers,)
    shift
        pixels to the right
    sees
        what a column sees
    width
        of the input
    """
    if before.dim() != 3 or before.shape[1] * before.shape[2] == 1:
        squares = (before - after).square().mean().reshape(1)
        spread = before.flatten().var(correction=0) + after.flatten().var(correction=0)
        return Compared(squares.numpy(), float(spread), np.zeros(1, bool))
    columns = before.shape[2]
    spread = float(sum(each.flatten(1).var(1, correction=0).mean() for each in (before, after)))
    if shift == 0:
        squares = (before.flip(2) - after).square().mean((0, 1))
        return Compared(squares.numpy(), spread, np.zeros(columns, bool))
    stride = sees.stride if sees else max(1, round(width / columns))
    whole, part = divmod(shift, stride)
    first = min(columns, whole + (part > 0))  # of the columns whose moved features are there
    at = torch.arange(first, columns)
    expected = before[:, :, at - whole]
    if part:  # between two columns: on the straight line between them
        expected = expected + (before[:, :, at - whole - 1] - expected) * (part / stride)
    squares = (after[:, :, at] - expected).square().mean((0, 1)).numpy()
    inside = np.zeros(len(at), bool)
    if sees:
        place = np.arange(first, columns)
        begins = sees.start + (place - first) * stride  # of the leftmost column that is compared
        inside = (begins >= 0) & (sees.start + place * stride + sees.size <= width)
    return Compared(squares, spread, inside)


def joined(each: list[Compared]) -> Compared:
    """Those of several pictures."""
    return Compared(sum(one.squares for one in each), sum(one.spread for one in each), each[0].inside)  # type: ignore[arg-type]


def apart(before: Tensor, after: Tensor, several: bool) -> tuple[float, bool]:
    """How far two answers are apart, and whether they name the same.

    By total variation, half the sum of what probabilities differ by; of several labels, the largest difference.
    """
    difference = (before - after).abs()
    same = bool(((before >= 0.5) == (after >= 0.5)).all()) if several else bool(before.argmax() == after.argmax())
    return float(difference.max() if several else difference.sum() / 2), same
