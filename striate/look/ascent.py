"""Steps uphill: a canvas is changed until it excites what it is meant to.

The network is left at the layer that counts, and its weights take no gradients.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from time import perf_counter
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from striate.look.canvas import Canvas
from striate.nets.hooks import hooked
from striate.show.numbers import count, duration, show_size
from striate.show.progress import say, track

Where = Literal["everywhere", "middle"]

RATE = 0.05  # of Adam
LEAK, LEAKY = 0.1, 16  # of a gradient where ReLU is off; in so many steps
PIXELS = 4 * 128 * 128  # that a processor works on at once: more pictures in a batch are not faster
AFTER = 3  # steps, of which the first is slower, it is told how long all take
SOON = 5  # seconds that nobody needs to be told of


class Reached(Exception):
    """The layer has put out what it has: nothing behind it is computed."""

    def __init__(self, output: Tensor):
        self.output = output


@contextmanager
def until(network: nn.Module, layer: str | None) -> Iterator[Callable[[Tensor], Tensor]]:
    """A function from pictures to what a layer puts out, behind which nothing is computed; None is the last.

    Parameters
    ----------
    network
        any module
    layer
        its path
    """

    def stop(_module, _inputs, output: Tensor) -> None:
        raise Reached(output)

    def run(pictures: Tensor) -> Tensor:
        try:
            return network(pictures)
        except Reached as reached:
            return reached.output

    with hooked(network, [layer] if layer else [], lambda _: stop):
        yield run


@contextmanager
def leaking(network: nn.Module) -> Iterator[None]:
    """ReLU gives the same, but lets a part of the gradients through: what is off at first can be switched on."""

    def leak(_module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        return output + LEAK * (inputs[0] - inputs[0].detach())

    found = [module for module in network.modules() if type(module) is nn.ReLU]
    hooks = [module.register_forward_hook(leak, prepend=True) for module in found]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def values(output: Tensor, places: list[int], at: Where) -> Tensor:
    """What counts for each picture, (n,), of what a layer puts out: (n, channels, rows, columns) or (n, units)."""
    own = output[torch.arange(len(places)), places]  # (n, rows, columns) or (n,)
    if own.dim() == 1:
        return own
    return own.mean((1, 2)) if at == "everywhere" else own[:, own.shape[1] // 2, own.shape[2] // 2]


def paint(
    network: nn.Module, canvas: Canvas, layer: str | None, places: list[int], at: Where, steps: int
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pictures (n, height, width, 3) of bytes with what they and what noise excite, batch by batch."""
    room = max(1, PIXELS // (canvas.size[0] * canvas.size[1])) if canvas.device.type == "cpu" else len(places)
    batches = [places[first : first + room] for first in range(0, len(places), room)]
    painted, start = [], perf_counter()
    ticks = iter(track(range(steps * len(batches)), f"painting {count(len(places))}"))
    with until(network, layer) as run:
        for batch in batches:
            numbers = canvas.begin(batch).requires_grad_()
            adam = torch.optim.Adam([numbers], RATE)
            for step in range(steps):
                tick = next(ticks)
                with leaking(network) if step < LEAKY else nullcontext():
                    seen = canvas.input(canvas.view(canvas.picture(numbers), batch, 2 + step))
                    reached = values(run(seen.contiguous(memory_format=torch.channels_last)), batch, at)
                (numbers.grad,) = torch.autograd.grad(-reached.sum(), numbers)
                adam.step()
                if tick == 0:
                    start = perf_counter()
                if tick == AFTER and (left := (perf_counter() - start) / AFTER * steps * len(batches)) > SOON:
                    what = f"{count(len(places))} of {show_size(canvas.size)}, {count(steps, 'step')}"
                    say(f"{what}: about {duration(left)}")
            with torch.no_grad():
                pictures = canvas.picture(numbers)
                noise = canvas.picture(canvas.other_phases(numbers, batch))
                found = [values(run(canvas.input(each)), batch, at).cpu().numpy() for each in (pictures, noise)]
            levels = (255 * pictures).round().byte().cpu().permute(0, 2, 3, 1).numpy()
            painted.append((np.broadcast_to(levels, (*levels.shape[:3], 3)), *found))
        next(ticks, None)  # the bar is done, and disappears
    return painted
