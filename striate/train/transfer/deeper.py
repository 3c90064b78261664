"""Deeper: whether fine-tuning the last stage beats a head on what it gives as it is, where data are enough to tell.

Probes judge stages as they are. A last stage that was published for other pictures may become better for these if it
learns; with few pictures it learns them by heart instead. So both are tried on the same pictures held out.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import numpy as np
import torch

from striate.errors import DataError
from striate.show.numbers import count, exact
from striate.show.progress import track
from striate.train.begin import Plan
from striate.train.choose.rehearsal import Rehearsal, rehearsing
from striate.train.judge import judge
from striate.train.learn.schedule import share
from striate.train.making import loss_of
from striate.train.ranks import Ranks
from striate.train.transfer.axes import Linear, axes_of
from striate.train.transfer.compare import Comparison, compare
from striate.train.transfer.cut import Cut, cut
from striate.train.transfer.features import FEATURES, Features
from striate.train.transfer.feed import FeatureBatches
from striate.train.transfer.folds import fold
from striate.train.transfer.members import fill, members
from striate.train.transfer.strength import choose_strength
from striate.train.trouble import out_of_memory

# pictures of the smallest class from which on it is tried: a fold holds out a fifth, and of fewer than 40 of a class
# differences of a few points could not be told from chance, for which a second pass over all pictures is a high price
ENOUGH = 200
EPOCHS = 5  # at most: a comparison, not the training
JUDGED = 256  # pictures at once, where nothing learns


@dataclass(frozen=True)
class Deeper:
    """What came of fine-tuning the last stage.

    Parameters
    ----------
    freeze
        up to where to freeze, as `cut` takes it
    told
        a sentence for it
    pictures
        how many it was judged by
    comparison
        of fine-tuning with the head on what is frozen; None where they were not compared
    """

    freeze: str
    told: str
    pictures: int = 0
    comparison: Comparison | None = None

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Deeper":
        """Back from a file."""
        compared = values["comparison"]
        return cls(**{**values, "comparison": compared and Comparison(**compared)})


def deeper(
    plan: Plan,
    halves: Cut,
    train: Features,
    compute: Callable[[Cut], Features],
    ranks: Ranks,
    say: Callable[[str], object] = str,
) -> Deeper:
    """Fine-tune a copy of the last stage on some of the pictures, and compare it with a solved head on the others.

    It learns by the recipe of a training behind the stage before, from the same features, in few epochs. These begin
    with the very head that it is compared with (Kumar et al., 2022): in few epochs a fresh one would learn too little,
    and the comparison would tell of that, not of the stage. Nothing of the network moves.

    Parameters
    ----------
    plan
        the training
    halves
        its network, where all is frozen that names no classes
    train
        what that gives, and what its stages give
    compute
        what another cut of the network gives, of the same pictures in the same views
    ranks
        the device
    say
        is told what begins, since that may take a while
    """
    stages, recipe = [name for name in train.arrays if name != FEATURES], plan.recipe
    if why := _not_tried(halves, train, stages):
        return Deeper("all", f"fine-tuning {stages[-1]} is not compared: {why}")
    before, last = stages[-2:]
    data = train.data
    folds = fold(data.labels, data.groups, plan.parts.classes, seed=recipe.seed)
    learn, held = next(iter(folds))
    held = held[np.argsort(data.rows[held], kind="stable")]  # the order in which pictures are judged
    say(
        f"fine-tuning {last} too, on {count(len(learn))}, to compare on the {exact(len(held))} others; "
        "--freeze all leaves this out"
    )
    try:
        copied = copy.deepcopy(halves.network)
        head = cut(copied, "all").linear
        assert head is not None  # as in the network itself
        behind = cut(copied, before)
        seen = compute(behind)
        if not np.array_equal(seen.data.rows, data.rows):
            raise DataError("not the same pictures could be read as before")
        heads = _heads(plan, train, learn)
        fill(head, heads)
        tuned = _tuned(plan, behind, seen, learn, held, last, ranks)
    except DataError as problem:  # such as a disk without room for what comes before the last stage
        return Deeper("all", f"fine-tuning {last} is not compared: {problem}")
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        why = f"the memory does not hold a step of {count(recipe.batch_size)}; a smaller --batch-size would fit"
        return Deeper("all", f"fine-tuning {last} is not compared: {why}")
    plain = np.asarray(train.arrays[FEATURES][held, 0], np.float64).reshape(len(held), -1)
    solved = np.mean([head.scores(plain) for head in heads], axis=0)
    found = compare(tuned, solved, data.labels[held])
    freeze, outcome = "all", "it stays frozen"
    if found.significantly_better:
        freeze, outcome = before, f"frozen up to {before}, and {last} learns"
    told = f"fine-tuning {last} too: {found.points} on {count(len(held))} held out, {found.verdict}: {outcome}"
    return Deeper(freeze, told, len(held), found)


def _not_tried(halves: Cut, train: Features, stages: list[str]) -> str:
    """Why there is nothing to compare, or ""."""
    if train.data.several:
        return "where a picture may have several labels, they are no answers of their own to count"
    smallest = int(np.bincount(train.data.labels, minlength=len(train.data.classes)).min())
    if smallest < ENOUGH:
        return f"that takes {count(ENOUGH)} of each class, of which the smallest has {exact(smallest)}"
    if halves.linear is None:
        return "more than one layer learns behind it already"
    if len(stages) < 2:
        return "no stage with weights comes before it"
    return ""


def _tuned(
    plan: Plan, behind: Cut, seen: Features, learn: np.ndarray, held: np.ndarray, last: str, ranks: Ranks
) -> np.ndarray:
    """(held, classes): scores by a copy of the rest that has learnt."""
    recipe, device = plan.recipe, ranks.device
    batches = FeatureBatches(
        seen,
        batch_size=recipe.batch_size,
        balanced=recipe.balance == "sampling",
        seed=recipe.seed,
        device=device,
        only=learn,
    )
    steps = max(1, round(min(EPOCHS, recipe.epochs) * len(batches)))
    with rehearsing(batches, device, recipe.seed):
        rehearsal = Rehearsal(behind.rest, plan.preprocess, loss_of(plan, ranks), recipe, device)
        every = chain.from_iterable(repeat(batches))  # epoch after epoch
        for step, batch in zip(track(range(steps), f"fine-tuning {last}", steps), every, strict=False):
            rate = recipe.lr * share(recipe.schedule, step, steps, recipe.warm_up)
            rehearsal.step(batch.pixels, batch.labels, rate)
    judging = FeatureBatches(seen, batch_size=JUDGED, learning=False, device=device, only=held)
    return judge(rehearsal.network, judging, plan.preprocess, ranks).scores


def _heads(plan: Plan, train: Features, learn: np.ndarray) -> list[Linear]:
    """Heads on what the last stage gives as it is, of some of the pictures."""
    recipe, classes, data = plan.recipe, plan.parts.classes, train.data.part(learn)
    numbers = np.asarray(train.arrays[FEATURES][learn])
    axes = axes_of(numbers.reshape(*numbers.shape[:2], -1))
    folds = fold(data.labels, data.groups, classes, seed=recipe.seed)
    strength, _ = choose_strength(axes, data.labels, len(classes), folds)
    return members(axes, data.labels, len(classes), strength, recipe.members, data.groups, recipe.seed)
