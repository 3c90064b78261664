"""Hooks that are gone when they are no longer wanted."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def hooked(network: nn.Module, paths: Iterable[str], hook: Callable[[str], Callable]) -> Iterator[None]:
    """Modules call hooks after each forward pass inside the `with`, and not any more after it, whatever happens there.

    Parameters
    ----------
    network
        any module
    paths
        of modules in it
    hook
        makes the hook of a path: what it returns takes the place of the module's output, unless it is None
    """
    hooks = [network.get_submodule(path).register_forward_hook(hook(path)) for path in paths]
    try:
        yield
    finally:
        for each in hooks:
            each.remove()
