"""Random numbers with an address: a function of the seed, the epoch, the sample and what they are for.

No generator is passed along, so the number of workers, the order in which they finish and a resume change nothing, and
any picture of any epoch can be drawn again. Philox counts: its key is (seed, purpose), its counter begins at (sample,
epoch), and each count is scrambled into four whole numbers of 64 bits, the same on every machine.
"""

import threading
from enum import IntEnum
from operator import index

import numpy as np

from striate.errors import StriateError


class Purpose(IntEnum):
    """What random numbers are for. The numbers are part of every address, so they never change."""

    ORDER = 1
    DISTORT = 2
    MIX = 3
    SHARDS = 4
    STEP = 5
    VIEW = 6
    DISTURB = 7
    SAMPLE = 8
    LOOK = 9
    DREAM = 10


def uniforms(seed: int, epoch: int, sample: int, purpose: Purpose, count: int) -> np.ndarray:
    """Numbers (count,) from 0 up to but not including 1, as float64.

    Parameters
    ----------
    seed, epoch, sample
        the address, each a whole number of up to 64 bits
    purpose
        what they are for: other purposes get other numbers
    count
        how many; fewer are the first of more

    >>> uniforms(0, 3, 70, Purpose.DISTORT, 3).round(4).tolist()
    [0.3036, 0.0115, 0.0566]
    """
    # the upper 53 bits of each are what a float64 holds exactly
    return (words(seed, epoch, sample, purpose, count) >> np.uint64(11)) * 2.0**-53


def words(seed: int, epoch: int, sample: int, purpose: Purpose, count: int) -> np.ndarray:
    """Whole numbers (count,) of 64 bits, as uint64.

    Parameters
    ----------
    seed, epoch, sample, purpose, count
        as for `uniforms`
    """
    return _placed(_OWN.philox, seed, epoch, sample, purpose).random_raw(count)


def normals(numbers: np.ndarray) -> np.ndarray:
    """Normal numbers (mean 0, standard deviation 1) from an even count of uniform ones.

    Box and Muller's rule: of each pair (u, v), √(−2 ln(1 − u)) times the cosine and the sine of 2πv.

    Parameters
    ----------
    numbers
        (2n,) from `uniforms`
    """
    length, turn = np.sqrt(-2 * np.log1p(-numbers[0::2])), 2 * np.pi * numbers[1::2]
    return np.stack([length * np.cos(turn), length * np.sin(turn)], axis=1).ravel()


def generator(seed: int, epoch: int, purpose: Purpose, sample: int = 0) -> np.random.Generator:
    """NumPy's generator at an address, for a permutation or a distribution.

    Parameters
    ----------
    seed, epoch, sample
        the address
    purpose
        what it is for
    """
    return np.random.Generator(_placed(np.random.Philox(0), seed, epoch, sample, purpose))


class _Own(threading.local):
    """A thread's own Philox: making one takes ten times as long as placing it."""

    def __init__(self) -> None:
        self.philox = np.random.Philox(0)


_OWN = _Own()
_START = np.random.Philox(0).state  # nothing of a count is handed out yet


def _placed(philox: np.random.Philox, seed: int, epoch: int, sample: int, purpose: Purpose) -> np.random.Philox:
    """The same one, set to an address."""
    try:
        # the first part of the counter counts; the last is free
        counter = 0, index(sample), index(epoch), 0
        philox.state = {**_START, "state": {"key": (index(seed), purpose), "counter": counter}}  # type: ignore
    except (OverflowError, TypeError) as error:
        raise StriateError(
            f"a seed, an epoch and a sample are whole numbers from 0 to 2^64 − 1, but are {seed}, {epoch} and {sample}"
        ) from error
    return philox
