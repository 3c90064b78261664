"""Average: a second copy of a network's values that follows them slowly, and often answers better than they do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from striate.errors import WeightsError


class Average:
    """The exponential moving average of a network's parameters and buffers; whole numbers among them are copied.

    Parameters
    ----------
    network
        on its device already, for its memory is remembered
    decay
        share of the old average that a step keeps; the first steps keep less, for the first values are worth little
    """

    def __init__(self, network: nn.Module, decay: float):
        self.decay = decay
        self.live = network.state_dict()  # shares the network's memory
        self.values = {name: tensor.clone() for name, tensor in self.live.items()}
        self.numbers = [name for name, tensor in self.live.items() if tensor.is_floating_point()]
        self.others = [name for name in self.live if name not in self.numbers]  # how many batches there were

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow the network after a step.

        Parameters
        ----------
        step
            its number, from 0
        """
        follow = 1 - min(self.decay, (1 + step) / (10 + step))
        averages, live = self._of(self.values, self.numbers), self._of(self.live, self.numbers)
        torch._foreach_lerp_(averages, live, follow)  # pyright: ignore[reportPrivateImportUsage]
        if self.others:
            copies, live = self._of(self.values, self.others), self._of(self.live, self.others)
            torch._foreach_copy_(copies, live)  # pyright: ignore[reportPrivateImportUsage]

    def tensors(self) -> dict[str, Tensor]:
        """The averages by the names of the network's state, as a safetensors file can hold them."""
        return {name: tensor.contiguous() for name, tensor in self.values.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from other averages.

        Parameters
        ----------
        tensors
            of `tensors`
        """
        expected = {name: (tensor.shape, tensor.dtype) for name, tensor in self.values.items()}
        given = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
        if given != expected:
            odd = min(name for name in expected | given if given.get(name) != expected.get(name))
            raise WeightsError(
                f"averages go on from those of the same network, but {odd} is "
                f"{tuple(given[odd][0]) if odd in given else 'missing'} where it has to be "
                f"{tuple(expected[odd][0]) if odd in expected else 'absent'}"
            )
        _fill(self.values, tensors)

    @contextmanager
    def swapped(self, network: nn.Module) -> Iterator[None]:
        """Inside the `with`, the network has the averages; afterwards its own values again, bit by bit.

        Parameters
        ----------
        network
            that of this average, or one like it
        """
        live = network.state_dict()
        own = {name: tensor.clone() for name, tensor in live.items()}
        try:
            _fill(live, self.values)
            yield
        finally:
            _fill(live, own)

    @staticmethod
    def _of(tensors: dict[str, Tensor], names: list[str]) -> list[Tensor]:
        return [tensors[name] for name in names]


def _fill(into: dict[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, tensor in into.items():
        tensor.copy_(values[name])
