"""How an epoch went, as a line of a table or as a sentence, and what it went without."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from striate.show.names import listed
from striate.show.numbers import count, duration, percent

MARK = "★"

# of an epoch: the part of the line, its figure, the head, whether it is a share, and what goes first for want of room
FIGURES = [
    ("training", "loss", "loss", False, 2),
    ("training", "top1", "top-1", True, 3),
    ("validation", "loss", "loss", False, 1),
    ("validation", "top1", "top-1", True, 0),
    ("validation", "top5", "top-5", True, 5),
    ("validation", "per_class", "per class", True, 4),
    ("validation", "mean_average_precision", "mAP", True, 0),
]
LEAST = 7  # letters of a column

WORDS = {  # of figures, and how they are called, in order; the first five are soon always right
    "loss": "",
    "top1": "right",
    "per_class": "per class",
    "mean_average_precision": "mAP",
}


def epoch_columns(line: dict[str, Any], width: int) -> dict[tuple[str, str], str]:
    """What the table of epochs shows of one, below two heads, as far as there is room for it.

    Parameters
    ----------
    line
        of the history
    width
        of the terminal
    """
    columns, spare = {("", "epoch"): f"{line['epoch']:g}"}, {}
    for part, name, head, share, goes in FIGURES:
        if (value := line[part].get(name)) is not None:
            columns[part, head] = percent(value, 1) if share else f"{value:.4f}" if value < 100 else f"{value:.4g}"
            spare[part, head] = goes
    columns["", "time"] = duration(line["seconds"])
    if line["validation"]:
        columns["", "best"] = MARK if line["best"] else ""
    order = sorted((head for head in spare if spare[head]), key=lambda head: -spare[head])
    while order and sum(_room(head) for head in columns) > width:
        del columns[order.pop(0)]
    return columns


def heads(columns: Iterable[tuple[str, str]]) -> list[str]:
    """The two lines above a table of epochs.

    Parameters
    ----------
    columns
        the heads of `epoch_columns`
    """
    above, place, before = "", 0, ""
    for part, head in columns:
        if part != before:  # begins where the first head of its columns begins
            above, before = above.ljust(place + _room((part, head)) - len(head)) + part, part
        place += _room((part, head))
    return [above.rstrip(), row({column: column[1] for column in columns})]


def row(columns: Mapping[tuple[str, str], str]) -> str:
    """A line of the table of epochs.

    Parameters
    ----------
    columns
        texts below their heads
    """
    return "".join(value.rjust(_room(head)) for head, value in columns.items()).rstrip()


def _room(head: tuple[str, str]) -> int:
    """Letters that a column takes; times are long ones."""
    return 2 + (11 if head[1] == "time" else max(len(head[1]), LEAST))


def epoch_sentence(line: dict[str, Any], epochs: float) -> str:
    """An epoch in words.

    Parameters
    ----------
    line
        of the history
    epochs
        how many are planned
    """
    told = {"training": ("loss", "top1"), "validation": WORDS}  # more of training would hide what counts
    chosen = {
        split: {name: line[split][name] for name in names if name in line[split]} for split, names in told.items()
    }
    parts = [f"{split} {words}" for split, figures in chosen.items() if (words := figure_words(figures))]
    best = ["the best so far"] if line["best"] and line["validation"] else []
    return f"epoch {line['epoch']:g} of {epochs:.4g}: {'; '.join([*parts, duration(line['seconds']), *best])}"


def figure_words(figures: dict[str, float], brief: bool = False) -> str:
    """'loss 0.4123, 91.2 % right'; in brief the figure that counts alone.

    Parameters
    ----------
    figures
        of training or validation
    brief
        whether it is the figure by which the best is chosen alone
    """
    told = [f"{percent(figures[name], 1)} {word}" for name, word in WORDS.items() if word and name in figures]
    if brief:
        return told[0] if told else ""
    return ", ".join([f"loss {figures['loss']:.4f}", *told] if "loss" in figures else told)


def left_out(names: Collection[str], most: int = 3) -> list[str]:
    """A line on the pictures that nothing was learned from and nothing judged by; none where there are none.

    Parameters
    ----------
    names
        of the pictures, in any number
    most
        how many of them are named
    """
    more = "; result.json names all" if len(names) > most else ""
    return [f"{count(len(names))} left out, which cannot be used: {listed(names, most)}{more}"] if names else []
