"""Which connections make room for others, when there are too many."""

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from striate.ship.serve.protocol import Timed

WORTHY = 3  # connections that are worth less make room for others
REST = 10  # times as long as it took to look at all connections, until it is done again


class Crowd:
    """Those that are worth least, which were found together: to look at thousands takes as long as to answer some."""

    def __init__(self) -> None:
        self.found: deque[tuple[int, Timed]] = deque()
        self.again = 0.0  # when all may be looked at again

    def cheapest(self, new: "Timed") -> "Timed":
        """A connection to close: the one that is worth least and has been so for longest; else the new one.

        Parameters
        ----------
        new
            that there is no room for
        """
        begun = new.loop.time()
        if not self.found and begun >= self.again:
            worth = [
                (other.worth, other) for other in new.connections if isinstance(other, type(new)) and other is not new
            ]
            cheap = [pair for pair in worth if pair[0] < WORTHY]
            self.found.extend(sorted(cheap, key=lambda pair: (pair[0], pair[1].since)))
            self.again = begun + (1 + REST) * (new.loop.time() - begun)
        while self.found:
            worth, other = self.found.popleft()
            if other in new.connections and other.worth <= worth:  # it has not gone, nor begun to ask
                return other
        return new
