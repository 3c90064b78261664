"""Progress of long steps: a bar on a terminal's standard error, nothing where nobody watches."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def track(items: Iterable[Item], doing: str, total: int | None = None) -> Iterator[Item]:
    """Go through items with a bar that disappears at the end; an iterator needs to be told how many there are."""
    from rich.console import Console
    from rich.progress import track as rich_track

    console = Console(stderr=True)
    yield from rich_track(items, doing, total, console=console, transient=True, disable=not console.is_terminal)
