"""What an exported file must keep to, and whether it does."""

import math
from dataclasses import astuple, dataclass
from decimal import ROUND_UP, Context

from striate.ship.proof.agreement import Agreement
from striate.show.names import printable
from striate.show.numbers import count, exact, percent
from striate.show.table import Column, Table
from striate.train.transfer.compare import Comparison

NONE = "not limited"
TINY = 1e-9  # of percent: what binary fractions are off


@dataclass(frozen=True)
class Limits:
    """What a file must keep to; None is no limit.

    Parameters
    ----------
    difference
        the largest difference in probability
    agreement
        the smallest share of the same answers, in percent
    drop
        how much of the accuracy may be lost, in points
    """

    difference: float | None = None
    agreement: float | None = None
    drop: float | None = None

    def __post_init__(self) -> None:
        for value in astuple(self):
            if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
                raise TypeError(f"a limit is a number, but is {value!r}")


@dataclass(frozen=True)
class Check:
    """One limit, and whether it holds.

    Parameters
    ----------
    what
        was measured
    value, limit
        in words
    holds
        whether the one keeps to the other; None where there is no limit
    """

    what: str
    value: str
    limit: str
    holds: bool | None


def checks(limits: Limits, alone: Agreement, together: Agreement, lost: Comparison, whole: bool = True) -> list[Check]:
    """Each limit beside what was measured.

    Which pictures a part of them has is chance, so there a share misses its limit only where its interval does.

    Parameters
    ----------
    limits
        what must be kept to
    alone, together
        how the answers agree, each picture alone, and in batches
    lost
        right answers of the file beside those of the network
    whole
        whether by all pictures that a certificate was written by, or by a part
    """
    found: list[Check] = []
    of_part = "" if whole else ", by the interval of a part"
    for how, told in {"": alone, " in batches": together}.items():
        most, least = limits.difference, limits.agreement
        where = f" ({printable(told.worst[0]['name'])})" if told.largest > 0 or math.isnan(told.largest) else ""
        found += [
            Check(
                f"the largest difference in probability{how}",
                f"{probability(told.largest)}{where}",
                f"at most {most:g}" if most is not None else NONE if math.isfinite(told.largest) else "a number",
                # what is not a number keeps to no limit, nor does it where there is none
                None if most is None and math.isfinite(told.largest) else told.largest <= (most or 0),
            ),
            Check(
                f"the share of the same answers{how}",
                f"{_exactly(told.same, told.pictures)} % ({exact(told.same)} of {count(told.pictures)}; 95 %: "
                f"{percent(told.low, 1)} to {percent(told.high, 1)})",
                NONE if least is None else f"at least {least:g} %{of_part if least < 100 else ''}",
                None if least is None else 100 * (told.share if whole else told.high) >= least - TINY,
            ),
        ]
    if limits.drop is not None:
        # what rounds to nothing is 0.00, not -0.00
        points, low, high = (round(-100 * each, 2) + 0.0 for each in (lost.difference, lost.high, lost.low))
        found.append(
            Check(
                "what is lost of the accuracy",
                f"{points:.2f} points (95 %: {low:.2f} to {high:.2f})",
                f"at most {limits.drop:g} points{of_part or ' as observed'}",
                -100 * (lost.difference if whole else lost.high) <= limits.drop + TINY,
            )
        )
    return found


def missed(found: list[Check]) -> list[str]:
    """Each limit that does not hold, as a part of a sentence.

    Parameters
    ----------
    found
        the limits
    """
    return [f"{each.what} is {each.value}, but must be {each.limit}" for each in found if each.holds is False]


def check_table(found: list[Check], notes: list[str]) -> Table:
    """Limits as a table.

    Parameters
    ----------
    found
        the limits
    notes
        lines below
    """
    told = {True: "holds", False: "MISSED", None: ""}
    rows = [{"what": each.what, "value": each.value, "limit": each.limit, "holds": told[each.holds]} for each in found]
    titles = {"": "what", "here": "value", "limit": "limit", " ": "holds"}
    return Table([Column(title, key, align="left") for title, key in titles.items()], rows, notes=notes)


def probability(value: float) -> str:
    """A difference in probability, which is never rounded down: it keeps to a limit, or does not.

    >>> probability(0.0000123), probability(0.31), probability(0.00504), probability(0)
    ('1.3e-05', '0.31', '0.0051', '0')
    """
    return f"{float(Context(2, ROUND_UP).create_decimal(repr(float(value)))):.2g}"


def _exactly(some: int, all: int) -> str:
    """A percentage that is never rounded up to all of them.

    >>> _exactly(471, 500), _exactly(99_999, 100_000)
    ('94.2', '99.99')
    """
    return f"{10_000 * some // all / 100:g}"
