"""What a layer can see: its receptive field as a box of pixels, of the input and of the upright picture."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from striate.errors import StriateError
from striate.look.subject import Subject
from striate.measure.field import Sight
from striate.measure.meta import undisturbed
from striate.measure.observer import Observer
from striate.measure.trace import Trace
from striate.nets.hooks import hooked
from striate.pictures.sheet import Frame


class Box(NamedTuple):
    """Rows from top to bottom, columns from left to right, the last ones not included; in pixels of the input."""

    top: int
    bottom: int
    left: int
    right: int

    def clipped(self, height: int, width: int) -> "Box":
        """What lies inside a picture of this size."""
        return Box(max(0, self.top), min(height, self.bottom), max(0, self.left), min(width, self.right))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    def frame(self, size: tuple[int, int], seen: Frame = (0, 1, 0, 1)) -> Frame:
        """The same as shares of a picture, cut off where that ends.

        Parameters
        ----------
        size
            of the input: height and width
        seen
            the part of the picture that the input shows, as shares
        """
        top, bottom = (seen[0] + row / size[0] * (seen[1] - seen[0]) for row in (self.top, self.bottom))
        left, right = (seen[2] + column / size[1] * (seen[3] - seen[2]) for column in (self.left, self.right))
        return max(0.0, top), min(1.0, bottom), max(0.0, left), min(1.0, right)


def traces(network: nn.Module, input: tuple[int, int, int]) -> dict[str, Trace]:
    """What is known of each layer's output, by path: above all what a position sees. Nothing is computed.

    Parameters
    ----------
    network
        any module
    input
        channels, height and width of a picture

    >>> from striate.nets.build import net
    >>> traces(net("resnet18"), (3, 224, 224))["stage4"].sights[0].field.size
    435
    """
    observer = Observer(network)
    found: dict[str, Trace] = {}

    def keep(path: str):
        def hook(_module, _inputs, output) -> None:
            if isinstance(output, Tensor) and id(output) in observer.traces:
                found[path] = observer.traces[id(output)]

        return hook

    channels, height, width = input
    paths = [path for path, _ in network.named_modules() if path]
    with hooked(network, paths, keep), undisturbed(network, training=False):
        observer.run(network, (height, width, channels))
    return found


def box(trace: Trace | None, place: tuple[int, int], input: tuple[int, int, int], layer: str) -> Box:
    """The pixels on which one position of a layer can depend, borders included; all of them after a global pool.

    Parameters
    ----------
    trace
        of the layer
    place
        row and column of the position
    input
        channels, height and width of a picture
    layer
        its path
    """
    if trace is None or trace.sights is None:
        why = f": {trace.lost}" if trace and trace.lost else ""
        raise StriateError(f"a receptive field is drawn where it follows from the layers, but not that of {layer}{why}")
    edges: list[int] = []
    for sight, at, side in zip(trace.sights, place, input[1:], strict=True):
        first = sight.field.start + at * sight.field.stride if sight.field else 0
        edges += [first, first + (sight.field.size if sight.field else side)]
    return Box(*edges)


def is_global(sights: tuple[Sight, ...]) -> bool:
    """Whether a position knows something of the whole picture, as after squeeze-and-excite."""
    return any(sight.span for sight in sights)


def noise(who: Subject, number: int) -> Tensor:
    """Normal noise around the middle gray, a quarter of all levels wide: (number, channels, height, width).

    Parameters
    ----------
    who
        takes them, in numbers of its own
    number
        how many; always the same ones
    """
    factor, shift = (torch.from_numpy(values)[:, None, None] for values in who.preprocess.factors)
    drawn = torch.randn(number, *who.input, generator=torch.Generator().manual_seed(0))
    return (127.5 + 64 * drawn) * factor + shift
