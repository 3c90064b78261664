"""Memory for batches, used again when nobody holds it: fresh memory costs a tenth of what making a batch costs."""

from math import prod
from weakref import ReferenceType, ref

import numpy as np
import torch
from torch import Tensor

from striate.errors import DataError


class Rooms:
    """Memory of earlier batches.

    Parameters
    ----------
    most
        how many are kept
    device
        where batches go from here
    """

    def __init__(self, most: int, device: torch.device):
        self.most, self.device = most, device
        self.rooms: list[tuple[np.ndarray, ReferenceType]] = []  # each with what is alive while somebody holds it

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> Tensor:
        """A tensor of uint8 or float32, in memory that nobody holds any more if there is any."""
        if self.device.type != "cpu":  # pinned: from there a GPU copies while the processor goes on
            return torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        wanted = prod(shape) * dtype.itemsize
        room = next((room for room, holder in self.rooms if len(room) >= wanted and holder() is None), None)
        if room is None:  # the last batch of an epoch may hold half as many more; what is not written to costs nothing
            room = np.empty(wanted + wanted // 2, np.uint8)
        view = room[:wanted].view(dtype).reshape(shape)  # the tensor, and whatever is made of it, keeps this alive
        others = [(other, holder) for other, holder in self.rooms if other is not room]
        self.rooms = [*others[1 - self.most :], (room, ref(view))]
        return torch.from_numpy(view)


def known_device(device: str | torch.device) -> torch.device:
    """A device that is there."""
    try:
        known = torch.device(device)
        torch.empty(0, device=known)
    except (RuntimeError, AssertionError):
        known = None
    if known is None or known.type == "meta":  # which computes nothing
        there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        there += ["mps"] * torch.backends.mps.is_available()
        no_gpu = "" if there[1:] else "; PyTorch finds no GPU here"
        raise DataError(f"a device is {' or '.join(there)} on this machine, but {device} is asked for{no_gpu}")
    return known
