"""Names of files as people can read them, whatever bytes they are made of."""

from collections.abc import Collection

JOINER = "\u200d"  # joins emoji to one; it prints as nothing, and without it a family is three people


def printable(name: object, most: int | None = None) -> str:
    r"""A name on one line that every UTF-8 terminal prints: what has no sign of its own is escaped.

    Parameters
    ----------
    name
        text, or a path; bytes that are not UTF-8 may stand in it as Python's surrogates
    most
        signs of it that are enough, where a stranger gave it

    >>> printable("one\ntwo \udcff.jpg")
    'one\\ntwo \\xff.jpg'
    """
    text = str(name)[:most]
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign == JOINER else _escaped(sign) for sign in text)[:most]


def listed(names: Collection[str], most: int = 3) -> str:
    """The first of many names, and how many more there are.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    shown = ", ".join(printable(name) for name in list(names)[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def _escaped(sign: str) -> str:
    if "\udc80" <= sign <= "\udcff":  # a byte that is not UTF-8, as Python holds it
        return f"\\x{ord(sign) - 0xDC00:02x}"
    return sign.encode("unicode_escape", "surrogatepass").decode("ascii")
