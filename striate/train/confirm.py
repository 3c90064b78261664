"""Confirm: the network on the disk says of a few pictures what was found without it, from features that are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from striate.data.dataset import Dataset, Problem
from striate.errors import StriateError
from striate.nets.net import Net
from striate.show.names import printable
from striate.show.numbers import count
from striate.train.around import Around
from striate.train.begin import Plan
from striate.train.judge import Judged, judge
from striate.train.ranks import Ranks

SOME = 8  # pictures: what is wrong with a network is wrong for all


@dataclass(frozen=True)
class Known:
    """What the features of pictures say of them.

    Parameters
    ----------
    judged
        by features
    within
        how far a score may be from the network's, by the rounding of features
    skipped
        pictures that could not be read
    """

    judged: Judged
    within: float
    skipped: Mapping[str, Problem]


def confirm(network: Net, known: Known, data: Dataset, plan: Plan, around: Around) -> str:
    """Run the network on a few pictures of all classes; gives a line for the user, or stops where it says otherwise.

    Parameters
    ----------
    network
        as it lies on the disk, where it computes
    known
        of the data
    data
        which pictures these are
    plan, around
        the training
    """
    judged = known.judged
    order = np.argsort(judged.labels.argmax(1) if judged.several else judged.labels, kind="stable")
    chosen = np.unique(order[np.linspace(0, len(order) - 1, min(SOME, len(order))).round().astype(int)])
    places = {row: place for place, row in enumerate(data.rows.tolist())}
    some = data.part(np.array([places[row] for row in judged.rows[chosen].tolist()]))
    # pixels anew, since a few would be kept apart from all; and each of these could be read before
    around = replace(around, cache="off", on_bad="stop")
    batches = around.batches(plan, some, learning=False, alone=True)
    said = judge(network, batches, plan.preprocess, Ranks(0, 1, around.ranks.device))
    away = np.abs(said.scores - judged.scores[chosen]).max(1)  # both in the order of their rows
    worst = int(away.argmax())  # the first that is no number, where there is one
    if not away[worst] <= known.within:
        raise StriateError(
            f"a network gives the scores that its features give, but for {known.within:.2g} by rounding, but of "
            f"{printable(some.names[worst])} they differ by {away[worst]:.2g}: the weights in "
            f"{printable(around.folder)} or the features in the cache are damaged; train into another folder, and "
            "if that ends here, too, with another STRIATE_CACHE"
        )
    return (
        f"validation is judged by its features: of {count(len(some))} the network on the disk gives the same scores "
        f"but for {away[worst]:.1g} (rounding explains {known.within:.1g})"
    )
