"""The loop: batches go through a network, and the network takes a step down the slope of its loss.

Everything random in a step is a function of the seed and the step's number, and a checkpoint holds all that a step
changes. So a training that was killed and goes on ends, on a processor, with the same weights to the last bit.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from math import inf, isfinite
from time import perf_counter

import torch
from torch import Tensor

from striate.data.batches import Batch, Batches
from striate.data.distort.mixing import Mixing, mix
from striate.data.randomness import Purpose, words
from striate.errors import StriateError
from striate.nets.net import Net
from striate.train.job import Job
from striate.train.judge import judge
from striate.train.keep.stopping import Stopping
from striate.train.learn.optimiser import set_rate
from striate.train.learn.schedule import share
from striate.train.learn.step import advance, gradient
from striate.train.learner import Learner
from striate.train.recipe import Recipe
from striate.train.tell.watch import Watch
from striate.train.transfer.feed import FeatureBatches
from striate.train.trouble import Losses, diverged, out_of_memory, too_large

LOGGED = 2.0  # seconds between two lines of history within an epoch
WORTH = 50  # an epoch is saved if it took so many times as long as saving: nobody waits for what costs little to repeat


def learn(learner: Learner, job: Job, watch: Watch, stopping: Stopping) -> str:
    """Train to the last step; returns why it ended before, or "".

    Parameters
    ----------
    learner
        where it begins, and what it becomes
    job
        what it learns
    watch
        shows how it goes
    stopping
        tells that somebody wants it to stop
    """
    recipe, ranks = job.recipe, job.ranks
    begun = perf_counter() - learner.seconds
    saved = logged = perf_counter()
    pause = 0.0
    losses = Losses(ranks.device)
    learner.network.train()
    if recipe.patience and learner.waited >= recipe.patience:  # it was killed before that could be written down
        return _in_vain(recipe)
    for batch in _endless(learner.batches) if learner.step < job.steps else ():
        if job.thaw:
            _thaw(learner.network, job.thaw[min(learner.step // job.per_epoch, len(job.thaw) - 1)])
        of_peak = share(recipe.schedule, learner.step, job.steps, recipe.warm_up)
        set_rate(learner.optimiser, of_peak)
        loss = losses.newest(_step(learner, job, batch, watch), batch)
        if losses.bad:
            raise StriateError(diverged(*losses.bad, job.names(losses.bad[1].rows), learner.step, recipe))
        learner.step += 1
        learner.seconds = perf_counter() - begun
        rate = recipe.lr * of_peak
        watch.step(learner.step, len(batch) * ranks.world, loss, rate)
        if ranks.first and loss is not None and perf_counter() - logged > LOGGED:
            logged = perf_counter()
            _log_step(learner, job, watch, loss, rate)
        last, whole = learner.step == job.steps, learner.step % job.per_epoch == 0
        due = perf_counter() - saved > (min(pause, job.save_every) if whole else job.save_every)
        signal, due, late = ranks.agree(stopping.signal or 0, due, perf_counter() > job.until)
        ended = last or whole or late
        better = ended and _end_epoch(learner, job, watch, rate)
        in_vain = ended and not better and recipe.patience and learner.waited >= recipe.patience
        if due or signal or last or late or in_vain:
            begun_saving = perf_counter()
            save(learner, job)
            saved = perf_counter()
            pause = WORTH * (saved - begun_saving)
        if signal:
            return f"signal {signal}"
        if last:
            break
        if late:
            return f"the time limit came at step {learner.step:,} of {job.steps:,}"
        if in_vain:
            return _in_vain(recipe)
    return ""


def _thaw(network: Net, upto: str | None) -> None:
    if network.frozen != upto:
        network.freeze(upto)


def _in_vain(recipe: Recipe) -> str:
    return f"no better result in {recipe.patience} epochs"


def _endless(batches: Batches | FeatureBatches) -> Iterator[Batch]:
    """Epoch after epoch."""
    while True:
        yield from batches


def _step(learner: Learner, job: Job, batch: Batch, watch: Watch) -> Tensor:
    """One step along the gradient of a batch; returns the mean loss, still on its device."""
    buffers = {name: buffer.clone() for name, buffer in learner.network.named_buffers()} if job.adapt else {}
    while True:
        try:
            loss = _gradient(learner, job, batch)
            break
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            parts = 2 * learner.accumulate
            if not job.adapt or parts > len(batch):
                raise StriateError(too_large(len(batch), learner.accumulate)) from error
            watch.say(f"the memory does not hold {len(batch)} pictures at once: from here on in {parts} parts")
            learner.accumulate = parts
            for name, buffer in learner.network.named_buffers():
                buffer.copy_(buffers[name])
    advance(learner.network, learner.optimiser, learner.scaler, job.recipe.clip)
    if learner.average:
        learner.average.update(learner.step)
    return loss


def _gradient(learner: Learner, job: Job, batch: Batch) -> Tensor:
    """The gradient of a batch's loss, whose figures are noted."""
    recipe, ranks = job.recipe, job.ranks
    # the address of all that is random inside the network, such as dropout; 63 bits, for seeds may have a sign
    _seed(int(words(recipe.seed, learner.step, ranks.rank, Purpose.STEP, 1)[0]) >> 1, ranks.device)
    learner.optimiser.zero_grad(set_to_none=True)
    pixels, labels, mixed = batch.pixels, batch.labels, bool(recipe.mixup or recipe.cutmix)
    if mixed:
        address = {"seed": recipe.seed, "epoch": batch.epoch, "batch": batch.number * ranks.world + ranks.rank}
        pixels, labels = mix(pixels, labels, Mixing(recipe.mixup, recipe.cutmix), job.classes, **address)
    model, parts = learner.model, learner.accumulate
    back = partial(ranks.held_back, model)
    seen: list[tuple[Tensor, Tensor, Tensor]] = []  # counted when the memory has held all parts, so none counts twice
    whole = gradient(
        model, job.loss, learner.scaler, pixels, labels, recipe.precision, parts, back, lambda *part: seen.append(part)
    )
    for loss, scores, right in seen:
        if mixed:  # what is right of a mixed picture?
            learner.tally.add_loss(loss, len(right))
        else:
            learner.tally.add(loss, scores, right)
    return whole


def _seed(seed: int, device: torch.device) -> None:
    """As `torch.manual_seed`, without the millisecond in which that prepares for every kind of device there is."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def _end_epoch(learner: Learner, job: Job, watch: Watch, rate: float) -> bool:
    """Judge the network, note how the epoch went, hold on to the weights if they are the best."""
    ranks, figures = job.ranks, {}
    learner.tally.load(ranks.add(learner.tally.tensors()))
    training = learner.tally.figures()
    epoch = round(learner.step / job.per_epoch, 3)
    with learner.average.swapped(learner.network) if learner.average else nullcontext():
        if job.validation:
            ranks.level(learner.network)
            total = len(job.validation)
            done = lambda number: watch.validating(number, total)  # noqa: E731
            figures = ranks.told(judge(learner.network, job.validation, job.preprocess, ranks, done).figures)
        better = not figures or not learner.best or _merit(figures) > _merit(learner.best["validation"])
        if better:
            learner.best = {"epoch": epoch, "step": learner.step, "validation": figures}
            learner.unsaved = job.weights()
    learner.waited = 0 if better else learner.waited + 1
    if ranks.first:
        line = {
            "kind": "epoch",
            "epoch": epoch,
            "step": learner.step,
            "training": training,
            "validation": figures,
            "lr": rate,
            "seconds": round(learner.seconds, 3),
            "best": better,
        }
        job.note(line)
        watch.epoch(line)
    learner.tally.reset()
    return better


def _merit(figures: dict[str, float]) -> tuple[float, float]:
    """What makes one validation better than another: more right; and where that is equal, a smaller loss."""
    right = figures.get("top1", figures.get("mean_average_precision", 0.0))
    return right, -figures["loss"] if isfinite(figures["loss"]) else -inf


def save(learner: Learner, job: Job) -> None:
    """Keep the state as a checkpoint, if it is one worth going on from; all processes call it at the same step."""
    tally = job.ranks.add(learner.tally.tensors())
    if not job.ranks.first:
        return
    if not all(bool(tensor.isfinite().all()) for tensor in learner.network.state_dict().values()):
        raise StriateError(
            f"after step {learner.step:,} the weights hold values that are not finite, so they are not saved; "
            "try a lower --lr"
        )
    if learner.unsaved:
        job.save_best(learner.unsaved, learner.best)
        learner.unsaved = {}
    job.history.sync()
    tensors = learner.tensors() | {f"tally.{name}": tensor for name, tensor in tally.items()}
    job.checkpoints.save(learner.step, tensors, learner.about() | {"history": job.history.length})


def _log_step(learner: Learner, job: Job, watch: Watch, loss: float, rate: float) -> None:
    job.note(
        {
            "kind": "step",
            "step": learner.step,
            "epoch": learner.batches.epoch,
            "loss": loss,
            "lr": rate,
            "pictures_per_second": round(watch.speed, 1),
            "seconds": round(learner.seconds, 3),
        }
    )
