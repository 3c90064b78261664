"""What a server allows."""

from dataclasses import dataclass, fields

from striate.errors import StriateError
from striate.pictures.opened import PIXEL_LIMIT


@dataclass(frozen=True)
class Limits:
    """What one request, and all together, may take.

    Parameters
    ----------
    bytes
        of a body, also after it was inflated
    pixels
        of a picture
    pictures
        in a request
    queue
        pictures that wait or are being answered, in all requests together
    memory
        bytes of all bodies together
    header_seconds
        in which a request's headers must have come, from the first moment to the last
    body_seconds
        the same for its body
    connections
        open at once
    drain_seconds
        in which what was accepted is answered after SIGTERM
    """

    bytes: int = 20_000_000
    pixels: int = PIXEL_LIMIT
    pictures: int = 32
    queue: int = 128
    memory: int = 256_000_000
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    connections: int = 2_000
    drain_seconds: float = 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < float("inf"):
                raise StriateError(f"a limit is above 0, but {field.name.replace('_', ' ')} is {value}")
        if self.pixels > PIXEL_LIMIT:
            raise StriateError(f"a picture may have up to {PIXEL_LIMIT:,} pixels, but the limit is {self.pixels:,}")
        if self.bytes > self.memory:
            raise StriateError(
                f"one body must fit into what all bodies may take, but bytes is {self.bytes:,} and memory "
                f"{self.memory:,}; lower the one or raise the other"
            )
        if self.pictures > self.queue:
            raise StriateError(
                f"one request must fit into the queue, but pictures is {self.pictures} and queue {self.queue}; "
                "lower the one or raise the other"
            )
