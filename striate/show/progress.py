"""What is told on standard error: lines that stay, and bars of long steps on a terminal."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

Item = TypeVar("Item")


def standard_error() -> "Console":
    """What writes there; a name such as :a: or [b] stays what it is."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def say(text: str, console: "Console | None" = None) -> None:
    """Show a line that stays: on a terminal broken between words, in a file or a pipe whole.

    Parameters
    ----------
    text
        a sentence
    console
        what draws a region below it, if there is one
    """
    console = console or standard_error()
    console.print(text, soft_wrap=not console.is_terminal)


def track(items: Iterable[Item], doing: str, total: int | None = None) -> Iterator[Item]:
    """Go through items with a bar that disappears at the end; an iterator needs to be told how many there are."""
    from rich.console import Console
    from rich.progress import track as rich_track

    console = Console(stderr=True)
    yield from rich_track(items, doing, total, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def track_bytes(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar of bytes with their speed; what it hands out is called with the number of bytes that are done."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda done: bar.update(task, completed=done)
