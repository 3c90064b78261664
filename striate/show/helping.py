"""How `--help` shows a command's options: long lists in groups, and kinds of values in words."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions

KINDS = {"INT": "NUMBER", "FLOAT": "NUMBER", "STR": "TEXT", "PATH": "PATH", "CHOICE": "WORD"}  # of cyclopts, for people


class Helping:
    """Shows a part of a command's help; cyclopts calls it for each.

    Parameters
    ----------
    groups
        titles, and the options below each, as "epochs minutes", whose texts name their choices; what is in none of them
        has no title of its own
    hidden
        options of every command that mean nothing to this one
    """

    def __init__(self, groups: Mapping[str, str], hidden: Collection[str] = ()):
        self._hidden = set(hidden)
        self._titles = {f"--{name}": title for title, names in groups.items() for name in names.split()}

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Show it, an option at the place of its group."""
        from cyclopts.help import DefaultFormatter

        if panel.format == "command":
            DefaultFormatter()(console, options, panel)
            return
        parts: dict = {}
        for entry in panel.entries:
            if self._hidden.intersection(entry.names):
                continue
            titles = [self._titles[name] for name in entry.names if name in self._titles]
            entry = entry.copy(metavar=entry.metavar and kinds(entry.metavar))
            parts.setdefault(titles[0] if titles else panel.title, []).append(
                entry.copy(choices=()) if titles else entry
            )
        for title in sorted(parts, key=[panel.title, *self._titles.values()].index):
            DefaultFormatter()(console, options, panel.copy(title=title, entries=parts[title]))

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: object) -> None:
        """Show the line of its use, as for a command without groups."""
        from cyclopts.help import DefaultFormatter

        DefaultFormatter().render_usage(console, options, usage)


def kinds(metavar: str) -> str:
    """The kinds of an option's value, those alone that a person can type.

    Parameters
    ----------
    metavar
        as cyclopts writes them

    >>> kinds("STR|PATH|DATASET"), kinds("INT|CHOICE"), kinds("INT...")
    ('TEXT|PATH', 'NUMBER|WORD', 'NUMBER...')
    """
    kind, dots, _ = metavar.partition("...")
    known = dict.fromkeys(KINDS[part] for part in kind.split("|") if part in KINDS)
    return f"{'|'.join(known)}{dots}" if known else metavar
