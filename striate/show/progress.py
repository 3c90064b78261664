"""Progress of long steps: a bar on a terminal's standard error, nothing where nobody watches."""

from collections.abc import Collection, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def track(items: Collection[Item], doing: str) -> Iterator[Item]:
    """Go through items with a bar that disappears at the end."""
    from rich.console import Console
    from rich.progress import track as rich_track

    console = Console(stderr=True)
    yield from rich_track(items, doing, console=console, transient=True, disable=not console.is_terminal)
