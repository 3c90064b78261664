"""Who may come in: a bounded number of pictures and of bytes, counted from when they are there to their answer."""

import time
from math import ceil
from types import TracebackType

from striate.ship.serve.limits import Limits
from striate.ship.serve.refusal import Refusal
from striate.show.numbers import count

LONGEST = 60  # seconds that a client is asked to stay away


class Places:
    """What is taken, of what there is.

    Parameters
    ----------
    limits
        how much there is

    >>> places = Places(Limits(queue=1, pictures=1))
    >>> with places.enter() as place:
    ...     place.take(pictures=1)
    ...     places.pictures
    1
    >>> places.pictures
    0
    """

    def __init__(self, limits: Limits):
        self.limits = limits
        self.pictures = self.bytes = 0
        self.stay = 0.0  # seconds from coming in to the answer, lately

    def enter(self) -> "Place":
        """Let a request in that has nothing yet, if there is room for a picture."""
        place = Place(self)
        place.check(1, 0)
        return place

    def full(self, what: str) -> Refusal:
        """Why nobody comes in now, and when it is worth a try: when those who are here have left."""
        after = min(LONGEST, max(1, ceil(self.stay)))
        return Refusal(503, f"the server is busy: {what}; try again in {count(after, 'second')}", after)


class Place:
    """What one request takes; given back when the `with` ends.

    Parameters
    ----------
    places
        of all
    """

    def __init__(self, places: Places):
        self.places = places
        self.pictures = self.bytes = 0
        self.since = time.monotonic()
        self.left = False

    def check(self, pictures: int, size: int) -> None:
        """Whether there is room for so many pictures and bytes more."""
        places, limits = self.places, self.places.limits
        if places.pictures + pictures > limits.queue:
            wanted = f", and this request wants {self.pictures + pictures}" if self.pictures else ""
            raise places.full(f"{places.pictures - self.pictures} of {limits.queue} places are taken{wanted}")
        if places.bytes + size > limits.memory:
            raise places.full(f"{places.bytes:,} of {limits.memory:,} bytes of bodies are taken")

    def take(self, *, pictures: int = 0, size: int = 0) -> None:
        """Take more, if there is more: of bytes what has come, since what is announced may never come."""
        self.check(pictures, size)
        self.places.pictures += pictures
        self.places.bytes += size
        self.pictures += pictures
        self.bytes += size

    def drop_body(self) -> None:
        """Its body is no longer needed."""
        self.places.bytes -= self.bytes
        self.bytes = 0

    def __enter__(self) -> "Place":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.left = True
        self.drop_body()
        self.places.pictures -= self.pictures
        if error is None:
            self.places.stay += 0.1 * (time.monotonic() - self.since - self.places.stay)
