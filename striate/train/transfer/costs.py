"""What each stage of a network costs for one picture: multiply-adds, and time on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from striate.measure.shapes import measure
from striate.nets.net import Net

ROUNDS = 3  # of timing


@dataclass(frozen=True)
class Cost:
    """What a stage costs for one picture.

    Parameters
    ----------
    macs
        multiply-adds
    seconds
        on this machine
    """

    macs: int
    seconds: float


def stage_costs(network: Net, pictures: Tensor, stages: Sequence[str]) -> dict[str, Cost]:
    """What each stage costs for one picture: the median of several rounds, in PyTorch, where the pictures are.

    Parameters
    ----------
    network
        on the device of the pictures
    pictures
        (n, channels, height, width), as the network takes them
    stages
        which to tell of; one counts what comes before it since the one that was told before
    """
    rows = measure(network).stages
    times: dict[str, list[float]] = {name: [] for name in network._modules}
    training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            for number in range(ROUNDS + 1):
                x = pictures
                for name, stage in network.named_children():
                    start = _now(pictures.device)
                    x = stage(x)
                    if number:  # the first round warms up
                        times[name].append(_now(pictures.device) - start)
                    if name == stages[-1]:
                        break
    finally:
        network.train(training)
    costs, macs, seconds = {}, 0, 0.0
    for name in network._modules:
        macs += sum(row.macs for row in rows.get(name, ()))
        seconds += median(times[name]) / len(pictures) if times[name] else 0.0
        if name in stages:
            costs[name] = Cost(macs, seconds)
            macs, seconds = 0, 0.0
    return costs


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter()
