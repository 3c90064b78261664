"""What a person asks of a training is refused where it cannot be, before anything is opened or fetched."""

import os
import re
from itertools import count
from pathlib import Path
from shutil import which
from typing import Any

from striate.data.batches import MOST
from striate.data.dataset import OnBad
from striate.data.prepared import Cache
from striate.errors import StriateError, one_of
from striate.preprocess import Fit
from striate.show.names import printable
from striate.train.choose.sizes import check_size
from striate.train.choose.weights import refuse_network_name
from striate.train.recipe import check
from striate.train.run import is_run


def check_asked(
    asked: dict[str, Any],
    minutes: float | None,
    save_every: float,
    workers: int | None,
    cache: Cache | None,
    on_bad: OnBad | None,
) -> None:
    """Refuse wrong settings.

    Parameters
    ----------
    asked
        by name, without those that are None
    minutes, save_every, workers, cache, on_bad
        as `train` has them
    """
    check(asked)
    if asked.get("size"):
        check_size(asked["size"])
    if asked.get("fit"):
        one_of("--fit", asked["fit"], Fit)
    if asked.get("weights"):
        refuse_network_name(asked["weights"])
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= MOST):
        raise StriateError(f"--workers is a whole number from 1 to {MOST:,} (threads that load), but is {workers!r}")
    for name, value, choices in (("--cache", cache, Cache), ("--on-bad", on_bad, OnBad)):
        if value is not None:
            one_of(name, value, choices)
    if asked.get("compile") and not any(which(name) for name in (os.environ.get("CXX", ""), "g++", "clang++")):
        raise StriateError("--compile needs a C++ compiler, such as g++, but none is installed; leave it out")
    if minutes is not None and "epochs" in asked:
        raise StriateError("a training is as long as --epochs or --minutes say; give one of them")
    for name, value in (("minutes", minutes), ("save-every", save_every)):
        if value is not None and not 0 < value < 1e6:
            raise StriateError(f"--{name} is a number of minutes above 0, but is {value}")


def new_folder(output: Path | None, where: str) -> Path:
    """Where a new run goes: never where one is.

    Parameters
    ----------
    output
        that was asked for; None names one
    where
        the pictures lie
    """
    if output is not None:
        output = Path(output)
        if is_run(output):
            raise StriateError(
                f"{printable(output)} holds a run; --resume {printable(output)} goes on with it, "
                "another --output keeps both"
            )
        if output.exists() and not output.is_dir():
            raise StriateError(f"--output is a folder, but {printable(output)} is a file")
        return output
    name = re.sub(r"[^\w.-]+", "-", Path(where).resolve().stem).strip("-.") or "run"
    numbers = (f"-{number}" if number > 1 else "" for number in count(1))
    return next(path for path in (Path("runs", name + number) for number in numbers) if not path.exists())
