"""Independent pieces side by side, a processor each."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

from striate.processors import processors

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> Sequence[Result]:
    """The results of each piece, in order.

    Meanwhile each matrix product runs on one processor. Threads of one product wait for each other by turning in
    circles, and of products as narrow as there are classes that is most of what they do: beside other work on the same
    machine they take ten times as long.

    Parameters
    ----------
    work
        what to do with a piece
    pieces
        in any number
    """
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(processors()) as pool:
        return list(pool.map(work, pieces))
