"""By how much a part of a network stretches what passes: the singular values of its Jacobian."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

EXACT = 2**20  # numbers of a Jacobian that is computed whole
STEPS = 60  # of power iteration
RANDOM = 16  # directions whose mean stretch is measured


@dataclass(frozen=True)
class Stretch:
    """Singular values of a Jacobian, as many as its smaller side.

    Parameters
    ----------
    largest, smallest
        of them; `smallest` is the most that it can be where the Jacobian is too large to be computed whole
    mean
        the root of their mean square: by how much a random gradient grows
    exact
        all were computed; otherwise `largest` and `smallest` come from power iteration, `mean` from random directions
    values
        all of them, falling, where they were
    """

    largest: float
    smallest: float
    mean: float
    exact: bool
    values: tuple[float, ...] = ()


def stretch(part: Callable[[Tensor], Tensor], at: Tensor, most: int = EXACT) -> Stretch:
    """How much a function stretches small changes of a tensor.

    Parameters
    ----------
    part
        of a network
    at
        what it gets: (1, …)
    most
        numbers of a Jacobian that is still computed whole
    """
    at = at.detach()
    with torch.no_grad():
        outputs = part(at).numel()
    if outputs * at.numel() <= most:
        whole = torch.func.jacrev(part, chunk_size=256)(at)
        assert isinstance(whole, Tensor)
        values = torch.linalg.svdvals(whole.detach().reshape(outputs, at.numel()).double())
        mean = float(values.square().mean().sqrt())
        return Stretch(float(values[0]), float(values[-1]), mean, True, tuple(values.tolist()))
    return _iterated(part, at)


def _iterated(part: Callable[[Tensor], Tensor], at: Tensor) -> Stretch:
    """The same without the Jacobian, by products with it and with its transpose."""
    leaf = at.clone().requires_grad_()
    with torch.enable_grad():
        outputs = part(leaf)
        weight = torch.zeros_like(outputs, requires_grad=True)
        (back,) = torch.autograd.grad(outputs, leaf, weight, create_graph=True)  # linear in the weight

    def up(vector: Tensor) -> Tensor:  # Jᵀv
        return torch.autograd.grad(outputs, leaf, vector, retain_graph=True)[0]

    def down(vector: Tensor) -> Tensor:  # Jv: the gradient of what is linear in the weight
        return torch.autograd.grad(back, weight, vector, retain_graph=True)[0]

    draw = torch.Generator(at.device).manual_seed(0)

    def random(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=draw, dtype=like.dtype, device=like.device)

    # of JᵀJ and JJᵀ, the smaller one has no zeros beside those of J itself
    there, again, like = (down, up, leaf) if leaf.numel() <= outputs.numel() else (up, down, outputs)
    tried = [random(like) for _ in range(RANDOM)]
    mean = sum(float(there(vector).square().sum()) for vector in tried) / sum(
        float(vector.square().sum()) for vector in tried
    )
    vector = random(like)
    for _ in range(STEPS):
        vector = again(there(vector / vector.norm()))
        if not vector.any():
            return Stretch(0.0, 0.0, 0.0, False)
    largest = float(there(vector / vector.norm()).norm())
    low = random(like)
    for _ in range(STEPS):  # what is smallest in JᵀJ is largest in largest² − JᵀJ
        low = low / low.norm()
        following = largest**2 * low - again(there(low))
        if following.norm() < 1e-9 * largest**2:  # all singular values are one
            break
        low = following
    return Stretch(largest, float(there(low / low.norm()).norm()), mean**0.5, False)
