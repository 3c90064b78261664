"""Why a network does not fit its input, in one sentence with the numbers put in."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from striate.measure.observer import Observer, Size


@contextmanager
def explained(observer: Observer, network: nn.Module, size: Size, name: str) -> Iterator[None]:
    """Turn an error about shapes into a ShapeError that explains it; pass every other error on."""
    yield
