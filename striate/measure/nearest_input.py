"""The picture that would have fitted: the nearest size for which a fully connected layer gets what it expects."""

from torch import nn

from striate.measure.meta import aten
from striate.measure.observer import Observer, Size

LINEAR = (aten.addmm.default, aten.mm.default)


def other_input(observer: Observer, network: nn.Module, size: Size) -> Size | None:
    """The nearest input for which a fully connected layer gets as many values as it expects; None if there is none."""
    failure, path = observer.failure, observer.frames[-1].path
    if failure is None or failure.function not in LINEAR:
        return None
    (_, got), (expected, _) = failure.args[-2].shape, failure.args[-1].shape

    def values(more: int) -> int:
        """What the layer gets from an input that is larger by so much; 0 where not even it is reached."""
        probe = Observer(network)
        try:
            probe.run(network, (size[0] + more, size[1] + more, size[2]))
        except Exception:
            at = probe.frames[-1].path
            return (
                probe.failure.args[-2].shape[1]
                if probe.failure and at == path and probe.failure.function in LINEAR
                else 0
            )
        return expected

    smaller, larger = (1 - min(size[:2]), 0) if expected < got else (0, 3 * max(size[:2]))
    while larger - smaller > 1:  # the larger the input, the more values: halve until two neighbours lie around the step
        middle = (smaller + larger) // 2
        enough = values(middle) > expected if expected < got else values(middle) >= expected
        smaller, larger = (smaller, middle) if enough else (middle, larger)
    found = smaller if expected < got else larger
    return (size[0] + found, size[1] + found, size[2]) if values(found) == expected else None
