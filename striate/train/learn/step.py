"""The gradient of a batch, and a step along it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

import torch
from torch import Tensor, nn

from striate.train.learn.loss import Loss

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
HALF = ("bfloat16", "float16")  # mixed with float32: weights and their steps stay precise


def gradient(
    model: nn.Module,
    loss: Loss,
    scaler: torch.amp.GradScaler,
    pixels: Tensor,
    labels: Tensor,
    precision: str,
    parts: int,
    held_back: Callable[[bool], AbstractContextManager] = lambda more: nullcontext(),
    seen: Callable[[Tensor, Tensor, Tensor], None] = lambda loss, scores, labels: None,
) -> Tensor:
    """Add the gradient of a batch's mean loss to the weights' gradients; returns the loss, still on its device.

    Parameters
    ----------
    model
        what learns
    loss
        what is to become small
    scaler
        of losses in float16
    pixels
        (n, channels, height, width), normalised
    labels
        (n,) places in the classes, or (n, classes) shares
    precision
        float64, float32, or a half one
    parts
        in which the batch is computed; their losses add up to its own
    held_back
        told whether more parts follow: a context in which gradients do not travel to other processes yet
    seen
        is given the mean loss, the scores and the labels of each part
    """
    half = precision in HALF
    count, shares = len(pixels), list[Tensor]()
    parts = min(parts, count)
    for first, last in pairwise(part * count // parts for part in range(parts + 1)):
        weight = (last - first) / count
        with held_back(last < count):
            with torch.autocast(pixels.device.type, DTYPES[precision]) if half else nullcontext():
                outputs = model(pixels[first:last].to(torch.float32 if half else DTYPES[precision]))
            value = loss(outputs, labels[first:last])
            share = value if parts == 1 else value * weight
            scaler.scale(share).backward()
        shares.append(share.detach())
        seen(value.detach(), (outputs[0] if isinstance(outputs, tuple) else outputs).detach(), labels[first:last])
    return sum(shares[1:], shares[0])


def advance(network: nn.Module, optimiser: torch.optim.Optimizer, scaler: torch.amp.GradScaler, clip: float) -> None:
    """A step along the gradients.

    Parameters
    ----------
    network
        whose weights move
    optimiser, scaler
        by which rule
    clip
        the largest norm of the gradient; 0 for any
    """
    if clip:
        scaler.unscale_(optimiser)
        torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
    scaler.step(optimiser)
    scaler.update()
