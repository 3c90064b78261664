"""Work: a planned training is carried out, from the forecast to the report."""

import signal
from contextlib import nullcontext
from dataclasses import replace
from time import perf_counter

from striate.data.batches import Batches
from striate.data.dataset import Dataset
from striate.errors import StriateError
from striate.measure.shapes import measure
from striate.nets.net import Net
from striate.show.names import printable
from striate.show.numbers import count
from striate.train.around import Around
from striate.train.begin import Plan
from striate.train.choose.defaults import Choice
from striate.train.choose.forecast import RESERVE, ending, epochs_for, forecast, peak
from striate.train.choose.range_test import find_rate
from striate.train.choose.room import parts_that_fit
from striate.train.choose.trial import trial
from striate.train.finish import finish
from striate.train.job import Job
from striate.train.keep.lock import occupied
from striate.train.keep.stopping import Stopping
from striate.train.learner import Learner
from striate.train.loop import learn, save
from striate.train.machine import machine, other_machine
from striate.train.making import Feeding, job_of, learner_of, loss_of
from striate.train.run import Run, write_json
from striate.train.tell.watch import Watch

LEAST = 3  # epochs, in fewer of which a network learns little from scratch


def carry_out(plan: Plan, around: Around, before: Run | None, notes: list[str]) -> Run | None:
    """Do a planned training; gives the run to the first process.

    Parameters
    ----------
    plan
        the training
    around
        how
    before
        the run that goes on; None is a new one
    notes
        what there is to say first
    """
    with occupied(around.folder) if around.ranks.first else nullcontext([]) as found:
        around.say(*notes, *found, *around.ranks.notes(plan.network))
        batches = around.batches(plan, plan.parts.train, learning=True)
        validation = around.batches(plan, plan.parts.val, learning=False) if plan.parts.val else None
        if before is None:
            tried = {"--lr"} if around.search else set()
            tried |= {"--epochs"} if around.minutes else set()  # told once the trial has found them
            plan = replace(plan, choices=[choice for choice in plan.choices if choice.name not in tried])
            around.say(*(choice.line for choice in plan.choices))
            plan, around = _settled(plan, around, batches)
        elif around.minutes:  # what follows the last step has been timed by nothing yet
            around = replace(around, ending=60 * around.minutes * RESERVE)
        return learned(plan, around, before, plan.network, batches, validation)


def learned(
    plan: Plan, around: Around, before: Run | None, part: Net, batches: Feeding, validation: Feeding | None
) -> Run | None:
    """Let a network learn, or the part of it that is not frozen, from where it stands to the end.

    Parameters
    ----------
    plan, around, before
        as for `carry_out`
    part
        what learns: the plan's network or, sharing its weights, the rest of it
    batches, validation
        what it learns from, and what it is judged by
    """
    per_epoch = -(-plan.parts.pictures // plan.recipe.batch_size)
    if isinstance(plan.parts.train, Dataset):
        per_epoch = len(batches)
    if before is None:
        steps = max(1, round(plan.recipe.epochs * per_epoch))
    else:
        steps = before.config["steps"]
        _same_number(before, around)
        around.say(*other_machine(before.config["machine"], machine(around.ranks.device, around.ranks.world)))
    learner = learner_of(plan, around.ranks, part, batches)
    job = job_of(plan, around, steps, per_epoch, validation)
    if before:
        _go_on(learner, job, around)
    else:
        _set_out(plan, learner, job, around)
    stopped = _watched(learner, job, plan, around)
    if stopped.startswith("signal"):
        _leave(int(stopped.split()[1]), learner, around)
    if not around.ranks.first:
        return None
    return finish(plan, around, learner.best, batches, learner.seconds, stopped)


def _settled(plan: Plan, around: Around, batches: Batches) -> tuple[Plan, Around]:
    """What a trial on this machine decides: parts of a batch, the learning rate, the number of epochs, their end."""
    ranks, recipe = around.ranks, plan.recipe
    if not ranks.first:
        return replace(plan, recipe=ranks.told(None)), around
    if around.adapt:
        recipe = replace(recipe, accumulate=parts_that_fit(plan.network, recipe, ranks.device, batches.batch_size))
    tried = trial(plan.network, plan.preprocess, batches, recipe, ranks.device)
    found: list[Choice] = []
    if around.search:
        test = find_rate(plan.network, loss_of(plan, ranks), batches, plan.preprocess, recipe, ranks.device)
        recipe, chart = replace(recipe, lr=test.chosen), around.folder / "learning-rate.svg"
        test.save(chart)
        found.append(Choice("--lr", f"{recipe.lr:.3g}", f"{test.why}; {printable(chart)} shows it"))
    counts = plan.parts.counts
    if minutes := around.minutes:
        around = replace(around, ending=ending(tried, counts))
        gone = perf_counter() - around.begun + around.ending
        recipe = replace(recipe, epochs=epochs_for(minutes, tried, counts, recipe, gone))
        why = f"fitted to --minutes {minutes:g} by a trial, {RESERVE:.0%} in reserve".replace("%", " %")
        found.append(Choice("--epochs", f"{recipe.epochs:.3g}", why))
    around.say(*(choice.line for choice in found))
    if minutes and recipe.epochs < LEAST and plan.network.preprocess is None:
        around.say(
            f"ATTENTION: from scratch, a network learns little in fewer than {LEAST} epochs; more --minutes, a smaller "
            "--size or network, or published --weights would help"
        )
    around.say(*forecast(tried, counts, recipe, plan.network, batches, around.folder, ranks.device).lines())
    return replace(plan, recipe=ranks.told(recipe), choices=[*plan.choices, *found]), around


def write_config(plan: Plan, around: Around, steps: int) -> None:
    if not around.ranks.first:
        return
    write_json(around.folder / "classes.json", plan.parts.classes)
    write_json(around.folder / "preprocess.json", plan.preprocess.to_dict())
    config = plan.config(around.on_bad, steps, machine(around.ranks.device, around.ranks.world))
    write_json(around.folder / "config.json", config)  # last: with it, the folder is a run


def _same_number(run: Run, around: Around) -> None:
    """Refuse another number of processes: each has its own part of every batch."""
    processes, now = run.config["machine"]["processes"], around.ranks.world
    if processes != now:
        raise StriateError(
            f"{printable(run.folder)} was begun by {count(processes, 'process')} and is now to go on with {now}, "
            "but each has its own part of every batch; start as many as then, or begin anew with "
            f"--like {printable(run.folder)}"
        )


def _set_out(plan: Plan, learner: Learner, job: Job, around: Around) -> None:
    """Make the folder a run: from now on there is something to go on with."""
    if around.ranks.first:
        job.history.cut(0)
    save(learner, job)  # the first weights may have come from anywhere
    write_config(plan, around, job.steps)


def _go_on(learner: Learner, job: Job, around: Around) -> None:
    """Take up where the last checkpoint is."""
    found = job.checkpoints.newest()
    if found is None:
        raise StriateError(
            f"{printable(job.checkpoints.folder)} must hold a state of the training to go on from, but has none; "
            f"`striate train --like {printable(around.folder)}` begins anew"
        )
    around.say(*found.notes)
    about = found.about
    about["batches"]["made_of"]["rank"] = around.ranks.rank  # the first process wrote it for all
    if around.accept_data_change:
        about["batches"]["made_of"] = learner.batches.state()["made_of"]
    learner.load(found.tensors, about)
    if around.ranks.first:
        (around.folder / "result.json").unlink(missing_ok=True)  # it has not ended, after all
    else:
        learner.tally.reset()  # what was kept are the sums over all processes
    notes = around.ranks.told(job.history.cut(about["history"]) if around.ranks.first else [])  # all have read by then
    around.say(*notes, f"going on from step {learner.step:,} of {job.steps:,}")


def _watched(learner: Learner, job: Job, plan: Plan, around: Around) -> str:
    """Learn, while a person watches; returns why it ended early, or ""."""
    macs = measure(plan.network).totals.macs
    watch = Watch(
        job.steps,
        job.per_epoch,
        first=learner.step,
        macs=macs,
        peak=peak(around.ranks.device, plan.recipe.precision) if around.ranks.first else None,
        quiet=around.quiet or not around.ranks.first,
    )
    watch.best = learner.best or None
    try:
        with watch, Stopping(patient=around.ranks.world > 1) as stopping:
            return learn(learner, job, watch, stopping)
    finally:
        if job.events:
            job.events.close()


def _leave(number: int, learner: Learner, around: Around) -> None:
    """End as the signal asked, now that all is saved."""
    around.say(
        f"stopped after step {learner.step:,}, which is kept; "
        f"`striate train --resume {printable(around.folder)}` goes on with it"
    )
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
