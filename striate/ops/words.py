"""What one types on a command line, as numbers: strides, paddings, places, and the words of `striate op size`."""

import re
from dataclasses import dataclass

from striate.errors import GeometryError
from striate.ops.size import Window, parse_size
from striate.ops.windows import Padding, windows

SIZE_EXAMPLE = "as in: striate op size 7x7 f3 s2 p1"


def read_axes(name: str, text: str) -> tuple[int, int]:
    """One number for both axes, or vertical×horizontal: '2' or '2x1'."""
    parts = re.fullmatch(r"(-?\d{1,9})(?:[x×](-?\d{1,9}))?", text.strip())
    if not parts:
        raise GeometryError(f"a {name} is a whole number, or two as in 2x1 (vertical×horizontal), but is '{text}'")
    down = int(parts[1])
    right = down if parts[2] is None else int(parts[2])
    if min(down, right) < (0 if name == "padding" else 1):
        raise GeometryError(f"a {name} must be at least {0 if name == 'padding' else 1}, but is {text.strip()}")
    return down, right


def read_padding(text: str) -> Padding:
    """One amount, vertical×horizontal, top,bottom,left,right, 'valid' or 'same'."""
    word = text.strip()
    if word == "valid" or word == "same":
        return word
    sides = re.fullmatch(r"(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})", re.sub(r"\s", "", word))
    if sides:
        top, bottom, left, right = map(int, sides.groups())
        return (top, bottom), (left, right)
    try:
        down, right = read_axes("padding", word)
    except GeometryError as error:
        rule = "a padding is 0 or more (1), vertical×horizontal (1x2), top,bottom,left,right (1,1,2,2), valid or same"
        raise GeometryError(f"{rule}, but is '{text}'") from error
    return (down, down), (right, right)


def read_place(text: str) -> tuple[int, int]:
    """A pixel as row,column, counted from 0."""
    parts = re.fullmatch(r"\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*", text)
    if not parts:
        raise GeometryError(f"a pixel is given as row,column counted from 0, as in 2,3, but is '{text}'")
    return int(parts[1]), int(parts[2])


@dataclass(frozen=True)
class Question:
    """What `striate op size` is asked.

    Parameters
    ----------
    rows, columns
        the window on either axis
    channels
        of the picture, where they were given
    filters
        how many, where it was given
    """

    rows: Window
    columns: Window
    channels: int | None
    filters: int | None


def read_question(words: tuple[str, ...]) -> Question:
    """Read a picture's size and a window's settings.

    Parameters
    ----------
    words
        such as 32x32x3 f5 s1 p2 n10; a letter and its number may stand apart

    >>> read_question(("7x7", "f", "3", "s3")).rows.out
    2
    """
    tokens = " ".join(words).split()
    if not tokens:
        raise GeometryError(f"a size is computed from a picture and a window, {SIZE_EXAMPLE}")
    size = parse_size(tokens[0])
    if len(size) not in (2, 3):
        raise GeometryError(f"a picture's size is height×width or height×width×channels, but is '{tokens[0]}'")
    settings, ceil = _settings(tokens[1:])
    if "f" not in settings:
        raise GeometryError(f"a window is needed, {SIZE_EXAMPLE}")
    if "n" in settings and len(size) == 2:
        raise GeometryError(f"a number of filters needs the picture's channels, as in {tokens[0]}x3")
    rows, columns = windows(
        size,
        read_axes("window", settings["f"]),
        read_axes("stride", settings.get("s", "1")),
        read_padding(settings.get("p", "0")),
        read_axes("dilation", settings.get("d", "1")),
        ceil,
    )
    channels = size[2] if len(size) == 3 else None
    return Question(rows, columns, channels, _filters(settings["n"]) if "n" in settings else None)


def _settings(tokens: list[str]) -> tuple[dict[str, str], bool]:
    """The value after each letter, and whether sizes are rounded up."""
    found: dict[str, str] = {}
    ceil = False
    rest = iter(tokens)
    for token in rest:
        letter, value = token[0], token[1:]
        if token in ("ceil", "floor"):
            ceil = token == "ceil"
            continue
        if letter not in "fspdn" or (value.isalpha() and value not in ("same", "valid")):
            raise GeometryError(
                f"after the picture's size stand f (window), s (stride), p (padding), d (dilation), n (filters), "
                f"ceil or floor, but '{token}' is none of them; {SIZE_EXAMPLE}"
            )
        if letter in found:
            raise GeometryError(
                f"each setting is given once, but {letter} stands there twice: {found[letter]} and {token}"
            )
        found[letter] = value or next(rest, "")
        if not found[letter]:
            raise GeometryError(f"a number must follow {letter}, {SIZE_EXAMPLE}")
    return found, ceil


def _filters(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,9}", text) or int(text) < 1:
        raise GeometryError(f"the number of filters is a whole number of at least 1, but is '{text}'")
    return int(text)
