"""Features: what a frozen front makes of each view of each picture, computed once and kept on the disk.

Threads decode and resize while the engine computes. What is kept depends on the front's weights, the preprocess, the
views and the pictures, and is found again by a sum of these; labels may change meanwhile.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from striate.data.caching import cache_folder
from striate.data.dataset import Dataset, OnBad, Problem
from striate.data.prepared import MADE_BY
from striate.data.store import SPARE, free_memory
from striate.engine.fastest import Engine, Precision, fastest
from striate.errors import DataError, NotationError, one_of
from striate.nets.net import Net
from striate.preprocess import Preprocess
from striate.processors import processors
from striate.show.names import printable
from striate.show.numbers import count, exact, memory, percent
from striate.train.transfer.cut import Pooled
from striate.train.transfer.kept import Kept, remark
from striate.train.transfer.passing import Pass, TooLargeForHalf
from striate.train.transfer.views import Viewed, Views

FEATURES = "features"  # what the front itself gives, beside its stages
TOO_LARGE, ROUNDED = "too large for half", "rounded"  # what is remarked beside the rows

Keeping = Literal["half", "full"]


@dataclass(frozen=True, eq=False)
class Features:
    """What a front gave for the views of pictures.

    Parameters
    ----------
    arrays
        (n, views, …) by name: "features", and what each stage gave where that was asked for; on the disk
    data
        the n pictures, in the same order: labels, rows, groups, names
    key
        what the numbers are found by
    skipped
        pictures that could not be read, by the policy `skip`
    told
        what was found and measured, in lines for the user
    """

    arrays: dict[str, np.ndarray]
    data: Dataset
    key: str
    skipped: dict[str, Problem] = field(default_factory=dict)
    told: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.data)

    @property
    def views(self) -> int:
        """Of each picture."""
        return self.arrays[FEATURES].shape[1]

    @property
    def folder(self) -> Path:
        """Where they are kept."""
        return folder_of(self.key)


def features(
    front: Net | Pooled,
    data: Dataset,
    preprocess: Preprocess,
    *,
    views: Views = Views(),  # noqa: B008  # never written to
    keeping: Keeping = "half",
    on_bad: OnBad = "stop",
    device: str | torch.device = "cpu",
    precision: Precision = "full",
    engine: Callable[[nn.Module, Tensor], Engine] | None = None,
    workers: int | None = None,
    say: Callable[[str], object] = str,
) -> Features:
    """Run a front over every view of every picture, unless that was done before; goes on where it was killed.

    Parameters
    ----------
    front
        frozen; `Pooled` gives what its stages give, too
    data
        pictures with labels
    preprocess
        what the front expects
    views
        how often each picture is seen, and how
    keeping
        half: in 16 bits; full: in 32
    on_bad
        stop at a picture that cannot be read, or skip it
    device, precision
        of the engine, as `striate.engine.fastest.fastest` takes them
    engine
        makes another one, of the front and its first batch; only asked where something is to be computed
    workers
        threads that read pictures; None is one per processor
    say
        is told each line of `told` when it is known
    """
    one_of("way of keeping numbers", keeping, Keeping)
    one_of("policy for what cannot be read", on_bad, OnBad)
    if not len(data):
        raise DataError(f"features are those of pictures, but this part of {printable(data.where)} has none")
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        say(line)

    shapes = _shapes(front, preprocess)
    about = {
        "front": _sum_of(front),
        "preprocess": preprocess.to_dict(),
        **views.settings,
        "precision": precision,
        "data": data.place_fingerprint(),
        "made by": MADE_BY,
    }
    skipped: dict[str, Problem] = {}
    notes: Mapping[str, int] = {}
    while True:
        kept, key = _opened(shapes, len(data), views.count, keeping, about, tell)
        missing = np.flatnonzero(~kept.there).tolist()
        if not missing:
            break
        seen = Viewed(data, preprocess, views, on_bad)
        make = engine or partial(fastest, device=device, precision=precision, pictures=len(missing) * views.count)
        work = Pass(front, seen, kept, shapes, on_bad, make, tell)
        try:
            skipped, rounding = work.through(missing, workers or processors())
        except TooLargeForHalf as problem:
            remark(kept.folder, TOO_LARGE, {"why": str(problem)})  # next, the rows are opened in full precision
            kept.clear()
            continue
        notes = seen.pictures.notes
        if len(skipped) < len(missing):
            kept.settle()
            if kept.type[FEATURES].base == np.float16 and not remark(kept.folder, ROUNDED):
                remark(kept.folder, ROUNDED, rounding.shares)
        break
    if moved := remark(kept.folder, ROUNDED):
        typical, largest = (percent(moved[name], 3) for name in ("typical", "largest"))
        tell(f"half precision moves a feature by {typical} of the spread of all, typically; by {largest} at most")
    for note, times in notes.items():
        tell(f"{note} ({count(times)})")
    if skipped:
        tell(f"{count(len(skipped))} could not be read and left out: {next(iter(skipped.values())).reason}")
    return _gathered(kept, shapes, data, key, skipped, tuple(told))


def folder_of(key: str) -> Path:
    """Where features are kept.

    Parameters
    ----------
    key
        of `Features`
    """
    return cache_folder() / "features" / key


def _opened(
    shapes: dict[str, tuple[int, ...]], pictures: int, views: int, keeping: Keeping, about: dict, tell
) -> tuple[Kept, str]:
    """The rows, as far as they are there, and what they are found by."""
    kind = np.float16 if keeping == "half" else np.float32
    fields = {name: (kind, (views, *shape)) for name, shape in shapes.items()}
    made_of = about | {"keeping": keeping, "outputs": shapes}
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    folder = folder_of(key)
    if keeping == "half" and (before := remark(folder, TOO_LARGE)):
        tell(f"{before['why']}, so all are kept in full precision")
        return _opened(shapes, pictures, views, "full", about, tell)
    each = sum(prod(shape) for shape in shapes.values())
    size = memory(pictures * views * each * np.dtype(kind).itemsize)
    tell(f"{exact(pictures * views)} views × {exact(each)} numbers = {size} in {printable(folder)}")
    smaller = "" if keeping == "half" else "half precision, "
    instead = f"and {smaller}fewer views, or a later stage to freeze up to, need less"
    kept = Kept(folder, pictures, fields, made_of, instead)
    for note in kept.notes:
        tell(note)
    if found := int(kept.there.sum()):
        those = f"all {count(pictures)}" if found == pictures else f"{exact(found)} of {count(pictures)}"
        tell(f"features of {those} are there already")
    return kept, key


def _gathered(
    kept: Kept,
    shapes: dict[str, tuple[int, ...]],
    data: Dataset,
    key: str,
    skipped: dict[str, Problem],
    told: tuple[str, ...],
) -> Features:
    """The features of the pictures that could be read."""
    rows = kept.rows
    if skipped:
        if not kept.there.any():
            raise DataError(f"no picture of {printable(data.where)} can be read: {next(iter(skipped.values())).reason}")
        needed, free = rows[:1].nbytes * int(kept.there.sum()), free_memory()
        if needed + SPARE > free:
            raise DataError(
                f"where pictures are left out, the features of the others, {memory(needed)}, go into memory, of which "
                f"{memory(free)} are free; remove the {count(len(skipped))} that cannot be read, which "
                "`striate check` lists"
            )
        rows, data = rows[kept.there], data.part(np.flatnonzero(kept.there))
    return Features({name: rows[name] for name in shapes}, data, key, skipped, told)


def _shapes(front: Net | Pooled, preprocess: Preprocess) -> dict[str, tuple[int, ...]]:
    """What a front gives of one picture, by name."""
    names: Sequence[str] = (FEATURES, *front.stages) if isinstance(front, Pooled) else (FEATURES,)
    channels = 1 if preprocess.channels == "L" else 3
    first = next(front.parameters(), torch.empty(0))
    with torch.inference_mode():
        outputs = front.eval()(torch.zeros(1, channels, *preprocess.size, device=first.device, dtype=first.dtype))
    outputs = [outputs] if isinstance(outputs, Tensor) else outputs
    return {name: tuple(output.shape[1:]) for name, output in zip(names, outputs, strict=True)}


def _sum_of(front: nn.Module) -> str:
    """What a front computes: its modules and every byte of its weights, as a sum."""
    total = hashlib.sha256(repr(front).encode())
    with suppress(NotationError):  # prints leave settings out; of layers that have no notation they have to do
        total.update((front.front if isinstance(front, Pooled) else front).notation.encode())  # pyright: ignore
    for value in front.state_dict().values():
        total.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return total.hexdigest()
