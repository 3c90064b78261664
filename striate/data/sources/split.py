"""Splits: seeded, stratified by class, and never through pictures that belong together."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np


def held_out(
    names: Sequence[str], labels: np.ndarray, components: np.ndarray, share: float = 0.2, seed: int = 0
) -> np.ndarray:
    """Which pictures to hold out, for validation: (n,) of True and False.

    Of each class as near to the share as can be, and never all of it; of each component all pictures or none. Which
    ones is a function of the seed and of names alone: order changes nothing, and one more picture moves few others.

    Parameters
    ----------
    names
        (n,) of the pictures, none twice
    labels
        (n,) class numbers, or (n, classes) of 0 and 1
    components
        (n,) numbers; pictures with the same one belong together
    share
        of the pictures of each class
    seed
        another one, another choice

    >>> held = held_out(list("abcdefghij"), np.zeros(10, int), np.arange(10))
    >>> int(held.sum())
    2
    """
    if not len(names):
        return np.zeros(0, dtype=bool)
    if labels.ndim == 2:  # what has no label is a class of its own, so that some of it is held out, too
        labels = np.column_stack([labels, ~labels.any(1)])
    pictures, classes = np.nonzero(labels) if labels.ndim == 2 else (np.arange(len(names)), labels)
    _, components = np.unique(components, return_inverse=True)
    wanted = np.bincount(classes) * share
    pairs, counts = np.unique(np.stack([components[pictures], classes]), axis=1, return_counts=True)
    starts = np.searchsorted(pairs[0], np.arange(components.max() + 2))  # of each component's classes

    held, chosen = np.zeros(len(wanted)), np.zeros(components.max() + 1, dtype=bool)
    for component in _order(names, components, seed):
        its = slice(starts[component], starts[component + 1])
        present, adds = pairs[1, its], counts[its]
        has, aim = held[present], wanted[present]
        nearer = (np.abs(has + adds - aim) - np.abs(has - aim)) / aim
        if nearer.sum() < -1e-9 and (has + adds < aim / share - 0.5).all():
            held[present] += adds
            chosen[component] = True
    return chosen[components]


def _order(names: Sequence[str], components: np.ndarray, seed: int) -> list[int]:
    """The components in an order that is as good as random, each by its smallest name."""
    smallest: dict[int, str] = {}
    for name, component in zip(names, components.tolist(), strict=True):
        smallest[component] = min(name, smallest.get(component, name))

    def key(component: int) -> bytes:
        text = f"{seed}\0{smallest[component]}".encode("utf-8", "surrogateescape")
        return blake2b(text, digest_size=16).digest()

    return sorted(smallest, key=key)


def joined(*numbers: np.ndarray) -> np.ndarray:
    """Components whose pictures share a number in any of several numberings.

    Parameters
    ----------
    numbers
        (n,) each

    >>> joined(np.array([0, 0, 1, 2]), np.array([5, 6, 6, 7]))
    array([0, 0, 0, 1])
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = np.arange(len(numbers[0]))
    links, size = [], len(rows)
    for numbering in numbers:  # each number is a node beside the pictures, linked to those that have it
        _, places = np.unique(numbering, return_inverse=True)
        links.append(np.stack([rows, places + size]))
        size += len(rows)
    ends = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(ends.shape[1], dtype=np.int8), tuple(ends)), shape=(size, size))
    _, components = connected_components(graph, directed=False)
    return np.unique(components[: len(rows)], return_inverse=True)[1]
