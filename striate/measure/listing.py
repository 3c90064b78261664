"""The command `nets`: every network of the papers with what it costs and sees."""

import torch

from striate.errors import StriateError
from striate.measure.rows import pair
from striate.measure.shapes import measure
from striate.nets.zoo import zoo
from striate.show.numbers import exact
from striate.show.progress import track
from striate.show.table import Column, Table


def nets(*, max_mmacs: float | None = None, max_params: float | None = None) -> Table:
    """List the networks of the papers, with what they cost and see.

    Parameters
    ----------
    max_mmacs
        only networks with at most this many million multiply-adds, at their native size
    max_params
        only networks with at most this many parameters

    >>> [row["network"] for row in nets(max_params=300_000).rows]
    ['lenet5_1998', 'lenet5', 'resnet20', 'plain20']
    """
    for name, limit in (("max-mmacs", max_mmacs), ("max-params", max_params)):
        if limit is not None and not limit > 0:  # nor is nan
            raise StriateError(f"{name} must be above 0, but is {limit:g}")
    rows = []
    with torch.device("meta"):
        for entry in track(zoo().values(), "measuring"):
            ledger = measure(entry.name)
            totals = ledger.totals
            if (max_params is None or totals.parameters <= max_params) and (
                max_mmacs is None or totals.macs <= max_mmacs * 1e6
            ):
                rows.append(
                    {
                        "network": entry.name,
                        "year": entry.year,
                        "input": entry.input,
                        "parameters": totals.parameters,
                        "macs": totals.macs,
                        "field": [sight.field.size for sight in ledger.map_sights or () if sight.field] or None,
                        "idea": entry.idea,
                        "options": ", ".join(entry.options),
                    }
                )
    notes = [
        "MACs: multiply-adds of convolutions and fully connected layers for one picture of the native size",
        "field: pixels on a side that one position of the last feature map sees",
    ]
    if not rows:
        notes.insert(0, "no network is within these limits")
    return Table(COLUMNS, rows, notes=notes)


COLUMNS = [
    Column("network", "network", align="left"),
    Column("year", "year", narrow=4),
    Column("input", "input", str, narrow=3),
    Column("parameters", "parameters", exact),
    Column("million MACs", "macs", lambda macs: f"{macs / 1e6:,.1f}"),
    Column("field", "field", pair, narrow=1),
    Column("idea", "idea", align="left", narrow=2),
    Column("options", "options", align="left", narrow=5),
]
