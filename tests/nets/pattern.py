"""Weights, statistics and pictures that follow from a name and a shape alone, so that two programs make the same."""

import hashlib
import math

import numpy as np
import torch

PERIOD = 65_537  # a prime, so that no row of a weight repeats another


def table() -> np.ndarray:
    """Numbers between -1 and 1, by splitmix64 of their place."""
    x = np.arange(1, PERIOD + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2**52 - 1


TABLE = torch.from_numpy(table()).float()


def numbers(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Between -1 and 1; where in the table they begin follows from the name."""
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") % PERIOD
    count = math.prod(shape)
    row = torch.roll(TABLE, -start)
    return row.repeat(-(-count // PERIOD))[:count].reshape(shape)


def weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A tensor of a network: variances small enough that an epsilon shows, factors that keep the size of signals."""
    values = numbers(name, shape)
    if name.endswith("running_var"):
        return (values.abs() ** 2) + 0.05
    if name.endswith(("bias", "running_mean")):
        return values * 0.2
    inputs = math.prod(shape) // shape[0]
    return 0.36 + 0.1 * values if inputs == 1 else values * math.sqrt(3 * 1.8 / inputs)


def picture(height: int, width: int, channels: int = 3) -> torch.Tensor:
    """(1, channels, height, width), with strong contrast on the left and hardly any on the right."""
    return numbers("picture", (1, channels, height, width)) * torch.logspace(0.5, -2.5, width)
