"""Where batches stand, as plain values that go through a file; and whether going on from there would be the same."""

import hashlib
import json
from typing import Any

from striate.data.dataset import Dataset
from striate.data.sources.shards import Shards
from striate.errors import DataError


def ingredients(data: Dataset | Shards, settings: dict[str, Any]) -> dict[str, Any]:
    """What batches are made of: other ingredients, other batches."""
    order = ""
    if isinstance(data, Dataset):  # which picture has which row: the fingerprint is the same in any order
        names = "\0".join(data.names).encode("utf-8", "surrogateescape")
        order = hashlib.sha256(names + data.rows.tobytes()).hexdigest()[:32]
    return json.loads(
        json.dumps({"data": data.fingerprint, "order": order, **settings})
    )  # as it comes back from a file


def position(state: dict[str, Any], made_of: dict[str, Any]) -> tuple[int, int]:
    """The epoch and the batch of a state, if it is one of batches that are made of the same.

    Parameters
    ----------
    state
        what `Batches.state` gave
    made_of
        the ingredients now
    """
    if not isinstance(state, dict) or state.keys() != {"epoch", "number", "made_of"}:
        raise DataError(f"a state is what state() gave, but here it is {str(state)[:80]}")
    epoch, number, before = state["epoch"], state["number"], state["made_of"]
    if not all(isinstance(place, int) and place >= 0 for place in (epoch, number)):
        raise DataError(f"a state counts epochs and batches from 0, but has {epoch!r}, {number!r}")
    changed = [what for what, value in made_of.items() if before.get(what) != value]
    if changed:
        was, now = ({what: made.get(what) for what in changed} for made in (before, made_of))
        raise DataError(f"batches go on with what they began with, but it was {was} and is {now}")
    return epoch, number
