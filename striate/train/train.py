"""`striate train`: pictures and a network become a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

import torch
from cyclopts import Parameter

from striate.data.dataset import Dataset, OnBad
from striate.data.prepared import Cache
from striate.data.sources.shards import Shards
from striate.errors import DataError, StriateError
from striate.nets.net import Net
from striate.preprocess import Fit
from striate.train.asked import check_asked, new_folder
from striate.train.begin import again, fresh, repeated
from striate.train.ensemble import open_trained
from striate.train.machine import pick_device
from striate.train.parts import open_parts
from striate.train.ranks import ranks
from striate.train.recipe import Balance, Optimizer, Precision, Recipe, Schedule
from striate.train.run import Run
from striate.train.transfer.transfer import transfer
from striate.train.work import Around, carry_out

NO_KEYS = Parameter(accepts_keys=False)


def train(
    data: Annotated[str | Path | Dataset | Shards | None, NO_KEYS] = None,
    net: Annotated[str | Net | None, NO_KEYS] = None,
    *,
    validation: Annotated[str | Path | Dataset | None, NO_KEYS] = None,
    pictures: int | None = None,
    size: str | None = None,
    fit: Fit | None = None,
    weights: str | Path | None = None,
    adapt_input: bool | None = None,
    freeze: str | None = None,
    thaw: bool | None = None,
    views: int | None = None,
    members: int | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    batch_size: int | Literal["auto"] | None = None,
    lr: float | Literal["auto"] | None = None,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    warm_up: float | None = None,
    weight_decay: float | None = None,
    label_smoothing: float | None = None,
    dropout: float | None = None,
    distortion: str | None = None,
    mixup: float | None = None,
    cutmix: float | None = None,
    balance: Balance | None = None,
    ema: float | None = None,
    clip: float | None = None,
    accumulate: int | None = None,
    patience: int | None = None,
    precision: Precision | None = None,
    compile: bool | None = None,
    deterministic: bool | None = None,
    seed: int | None = None,
    device: str | None = None,
    workers: int | None = None,
    cache: Cache | None = None,
    on_bad: OnBad | None = None,
    save_every: float = 5.0,
    output: Path | None = None,
    resume: Path | None = None,
    like: Path | None = None,
    accept_data_change: bool = False,
    quiet: bool = False,
) -> Run | None:
    """Train a network on pictures, and keep all of it as a run.

    What is not asked for is chosen from the data and the machine, and told with its reason.

    Parameters
    ----------
    data
        a folder of pictures, a table, an archive, `digits`, or what else `Dataset.open` opens
    net
        a network's name ('resnet18') or a text in the layer notation
    validation
        other pictures to judge the network by than those that `data` sets aside
    pictures
        how many are in an epoch of tar shards, train-{000..099}.tar, which are read as a stream
    size
        of the network's input, such as 96x96
    fit
        how pictures of other shapes become the input: crop shows the middle (usual), pad all on a background, squash
        all in another shape
    weights
        to begin with: a file, a Hugging Face name, a run, auto (those published for the network: usual for photos) or
        none; the network gets a new head for these classes
    adapt_input
        weights of pictures in colour serve gray ones, and the other way: the first layer is adapted
    freeze
        what stays as the weights are: all but the head, everything up to a STAGE, none, or auto, by a probe of each
        stage; what is frozen is computed once for each picture
    thaw
        freeze all but the head at first, then stage by stage less
    views
        how often each picture passes the frozen part: as it is, mirrored, then distorted
    members
        heads that are averaged, where the head is solved directly
    epochs
        how often each picture is seen; may be a fraction
    minutes
        a time limit instead, from now to the report, to which the schedule is fitted; with --resume, which keeps its
        schedule, how much longer it may take
    batch_size
        pictures in a step; auto computes a batch in as many parts as the memory needs
    lr
        the highest learning rate; auto finds it by a range test, whose chart is kept
    optimizer
        sgd (with Nesterov's momentum 0.9) or adamw
    schedule
        how the learning rate goes: one-cycle, cosine, step or constant
    warm_up
        the share of the steps in which it rises
    weight_decay
        how strongly weights are pulled to 0; biases and norms are not
    label_smoothing
        the share of each label that goes to the other classes
    dropout
        of every dropout layer, instead of the network's own
    distortion
        a preset (none, light, photo, digits, strong) and what differs from it, as in "photo, rotate 20"
    mixup
        how strongly each picture and its label are blended with another: 0 is off, 0.2 is usual
    cutmix
        how strongly parts of others are pasted into each, with their share of the label: 0 is off, 1 is usual
    balance
        for uneven classes: weights in the loss, sampling, or none
    ema
        keep a running average of the weights, with this decay a step, and use it
    clip
        the largest norm of the gradient
    accumulate
        compute each batch in so many parts
    patience
        stop after so many epochs without a better result; 0 never does
    precision
        float32, bfloat16 or float16 (mixed with float32), or float64
    compile
        let PyTorch compile the network: slow to start, faster on a GPU
    deterministic
        on a GPU, too, only operations that give the same bits again
    seed
        of everything random
    device
        cpu, cuda, cuda:1, …
    workers
        threads that load pictures
    cache
        where decoded pictures are kept: disk, ram or off
    on_bad
        stop (the default) at a picture that cannot be read, or skip it
    save_every
        minutes between two checkpoints within an epoch
    output
        the run's folder; runs/NAME if absent
    resume
        a run that stopped, to go on with
    like
        a run to repeat, but for what is asked for here
    accept_data_change
        go on with a run although its pictures changed
    quiet
        show only the result

    Started by torchrun, its processes share each batch, and the first returns the run.
    """
    begun = perf_counter()
    weights = None if weights is None else str(weights)
    given = {
        name: value
        for name, value in locals().items()
        if name in (*SETTINGS, "size", "fit", "weights") and value is not None
    }
    asked = {name: value for name, value in given.items() if value != "auto" or name in ("weights", "freeze")}
    check_asked(asked, minutes, save_every, workers, cache, on_bad)
    if resume and like:
        raise StriateError("a run is gone on with or repeated: give --resume or --like, not both")
    before = open_trained(resume or like) if resume or like else None  # pyright: ignore[reportArgumentType]
    if before and (pictures is not None or validation is not None):
        raise StriateError("--pictures and --validation are as they were in the run; leave them out")
    if before and weights is not None:
        raise StriateError("a run has its own weights: leave --weights out beside --resume and --like")
    if like and any(value is not None for value in (net, size, fit)):
        raise StriateError("--like takes the network of a run and its input: leave out --net, --size and --fit")
    on_bad = on_bad or (before.config["data"]["on_bad"] if before else "stop")
    assert on_bad
    with ranks(pick_device(device)) as group, _deterministic(deterministic):
        if before:
            parts = before.parts(data)
        elif data is not None:
            parts = open_parts(data, on_bad, pictures, validation)
        else:
            raise DataError("nothing to learn from: give a folder of pictures, `digits`, or --resume or --like RUN")
        notes: list[str] = []
        if before and resume:
            plan, notes = again(before, parts, net, given, accept_data_change, more=minutes is not None)
        elif before:
            plan = repeated(before, parts, asked)
        else:
            plan = fresh(parts, net, asked, group.device)
        around = Around(
            folder=group.told(Path(resume) if resume else new_folder(output, parts.where)),
            ranks=group,
            begun=begun,
            workers=workers,
            cache=cache,
            on_bad=on_bad,
            save_every=60 * save_every,
            minutes=minutes,
            search=given.get("lr") == "auto",
            adapt=given.get("batch_size") == "auto",
            accept_data_change=accept_data_change,
            quiet=quiet,
        )
        go = carry_out if plan.recipe.freeze == "none" else transfer
        return go(plan, around, before if resume else None, [*parts.notes, *notes])


SETTINGS = [field.name for field in fields(Recipe)]


@contextmanager
def _deterministic(asked: bool | None) -> Iterator[None]:
    """Only operations that give the same bits again, while it lasts."""
    before = torch.are_deterministic_algorithms_enabled()
    try:
        if asked:
            torch.use_deterministic_algorithms(True)
        yield
    finally:
        if asked:  # even to leave all as it is loads PyTorch's compiler, for a second or two
            torch.use_deterministic_algorithms(before)
