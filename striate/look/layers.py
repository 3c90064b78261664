"""Layers of a network by their paths: which there are, what they put out, and where gradients may begin."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from striate.errors import StriateError, UnknownName
from striate.look.subject import still
from striate.nets.ensemble import Members
from striate.nets.hooks import hooked
from striate.show.numbers import show_size


def layers(network: nn.Module, input: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """What each layer puts out for one picture, by path, in the order in which they end.

    Parameters
    ----------
    network
        any module
    input
        channels, height and width of a picture

    >>> from striate.nets.build import net
    >>> layers(net("lenet5"), (3, 32, 32))["stage1"]
    (8, 14, 14)
    """
    found: dict[str, tuple[int, ...]] = {}

    def keep(path: str):
        def hook(_module, _inputs, output) -> None:
            if isinstance(output, Tensor):
                found.pop(path, None)  # a module that is used again ends again
                found[path] = tuple(output.shape[1:])

        return hook

    first = next(network.parameters(), torch.zeros(()))
    paths = [path for path, _ in network.named_modules() if path]
    with hooked(network, paths, keep), still(network), torch.no_grad():
        network(first.new_zeros(1, *input))
    return found


def layer_with_maps(network: nn.Module, input: tuple[int, int, int], wanted: str | None = None) -> str:
    """The path of a layer whose outputs lie side by side as in the picture: (channels, height, width).

    Parameters
    ----------
    network
        any module
    input
        channels, height and width of a picture
    wanted
        its path; None is the last one with more than one position
    """
    if wanted is None and (several := _members(network, input)):
        raise StriateError(
            "maps need a layer that all of a network goes through, but the members of this ensemble have one each; "
            f"a member's is one of {', '.join(several)}"
        )
    known = layers(network, input)
    maps = [path for path, shape in known.items() if len(shape) == 3 and shape[1] * shape[2] > 1]
    if wanted is None:
        if not maps:
            raise StriateError("maps need a layer with several positions, but no layer of this network has one")
        return maps[-1]
    if wanted not in known:
        raise UnknownName("layer of this network", wanted, known)
    if wanted not in maps:
        shape = known[wanted]
        what = f"a single position, {show_size((*shape[1:], shape[0]))}" if len(shape) == 3 else f"{shape[0]} numbers"
        raise StriateError(
            f"maps need a layer with several positions, but {wanted} puts out {what}; the last one that has some is "
            f"{maps[-1]}"
            if maps
            else f"maps need a layer with several positions, but {wanted} puts out {what}, and no layer has any"
        )
    return wanted


def _members(network: nn.Module, input: tuple[int, int, int]) -> list[str]:
    """The last layers with maps of an ensemble's members; none of any other network."""
    for path, module in network.named_modules():
        if isinstance(module, Members):
            return [f"{path}.{number}.{layer_with_maps(member, input)}" for number, member in enumerate(module)]
    return []


@contextmanager
def leaf_at(network: nn.Module, path: str) -> Iterator[list[Tensor]]:
    """Gradients begin at a layer: what it puts out is a leaf, and nothing before it is remembered.

    Parameters
    ----------
    network
        any module, held `still`
    path
        of the layer; the list that is given holds the leaf after each forward pass inside the `with`
    """
    leaves: list[Tensor] = []

    def begin(_module, _inputs, output) -> Tensor | None:
        if not isinstance(output, Tensor):
            return None  # who asked finds no leaf
        leaves[:] = [output.detach().requires_grad_()]
        return leaves[0].clone()  # the next layer may write into what it gets

    with hooked(network, [path], lambda _: begin):
        yield leaves
