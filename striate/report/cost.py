"""What a network costs here, and what a page was made with."""

import platform
from importlib.metadata import version
from time import perf_counter

import torch

from striate.data.sources.download import sha256_of
from striate.evaluate.judging import Judged
from striate.measure.ledger import Ledger
from striate.show.numbers import exact, memory, short
from striate.show.page import table_html
from striate.show.table import Column, Table
from striate.train.run import MODEL, Run

TURNS = 5  # of one picture, of which the fastest is told
COLUMNS = [Column("", "name", align="left"), Column("", "value", align="left")]


def cost(run: Run, ledger: Ledger, said: Judged) -> str:
    """Parameters, multiply-adds, bytes and milliseconds, as a table.

    Parameters
    ----------
    run
        whose network it is
    ledger
        of that network
    said
        what it said of many pictures, and how fast
    """
    file = run.folder / MODEL
    rows = {
        "parameters": exact(ledger.totals.parameters),
        "MACs a picture": short(ledger.totals.macs),
        "weights on the disk": memory(file.stat().st_size),
        "memory to run one picture": memory(ledger.memory.forward),
        f"one picture alone, PyTorch, the fastest of {TURNS}": f"{1000 * _alone(run):.1f} ms",
        "a picture among many, on average": f"{1000 * said.seconds:.1f} ms: {said.told[0]}",
    }
    return _table(rows, "Measured here, while this page was made; decoding and resizing come on top.")


def made_with(run: Run) -> str:
    """Versions, and sums that tell whether two files are the same.

    Parameters
    ----------
    run
        what the page is about
    """
    machine = run.config["machine"]
    rows = {
        "trained": run.config["begun"].replace("T", " "),
        "trained with": ", ".join(
            f"{name} {machine[name]}" for name in ("python", "torch", "numpy", "opencv") if name in machine
        ),
        "this page": f"striate {version('striate')}, python {platform.python_version()}, torch {torch.__version__}",
        "data, fingerprint": run.config["data"]["fingerprint"],
        f"{MODEL}, SHA-256": sha256_of(run.folder / MODEL),
    }
    return _table(rows)


def _alone(run: Run) -> float:
    """Seconds for one picture, of the fastest turn."""
    network = run.net()
    height, width, channels = run.config["network"]["input"]
    picture = torch.zeros(1, channels, height, width)
    times = []
    with torch.inference_mode():
        for _ in range(TURNS + 1):  # the first one warms up
            start = perf_counter()
            network(picture)
            times.append(perf_counter() - start)
    return min(times[1:])


def _table(rows: dict[str, str], note: str = "") -> str:
    notes = [note] if note else []
    return table_html(Table(COLUMNS, [{"name": name, "value": value} for name, value in rows.items()], notes=notes))
