"""Transfer: what a frozen part knows of each picture is computed once; only what follows it learns."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from striate.data.dataset import Dataset
from striate.data.distort.distortion import distortion
from striate.engine.fastest import Engine, fastest
from striate.errors import StriateError
from striate.train.around import Around
from striate.train.begin import Plan
from striate.train.finish import on_device
from striate.train.keep.lock import occupied
from striate.train.recipe import option
from striate.train.run import Run
from striate.train.transfer.cut import Cut, Pooled, cut
from striate.train.transfer.features import Features, features
from striate.train.transfer.feed import FeatureBatches
from striate.train.transfer.freezing import how_far
from striate.train.transfer.head import STEPPING, keep_network, solved_head
from striate.train.transfer.views import Views
from striate.train.work import learned


def transfer(plan: Plan, around: Around, before: Run | None, notes: list[str]) -> Run | None:
    """Train what follows the frozen part of a network; gives an ordinary run.

    Parameters
    ----------
    plan, around, before, notes
        as for `carry_out`
    """
    _refuse(plan, around)
    with occupied(around.folder) as found:
        around.say(*notes, *found)
        on_device(plan.network, around.ranks.device)
        freeze = plan.recipe.freeze
        halves = cut(plan.network, "all" if freeze == "auto" else freeze)
        unused = () if halves.linear is None else STEPPING
        if before is None:
            chosen = (choice for choice in plan.choices if choice.name not in unused)
            around.say(*(f"{choice.name}: {choice.value} — {choice.why}" for choice in chosen))
        around.say(*halves.notes)
        engine = _Once()
        train, val = _features(plan, around, halves, engine)
        if freeze == "auto":
            learning, engine = replace(plan, parts=replace(plan.parts, val=None)), _Once()
            freeze = how_far(plan, around, halves, train, lambda less: _features(learning, around, less, engine)[0])
            plan = replace(plan, recipe=replace(plan.recipe, freeze=freeze))
            if freeze != "all":
                halves = cut(halves.joined(), freeze)
                train, val = _features(plan, around, halves, engine)
                steps = (choice for choice in plan.choices if choice.name in unused)
                around.say(*(f"{choice.name}: {choice.value} — {choice.why}" for choice in steps))
        if before is None:
            around.say(*_without_effect(plan, halves))
        if halves.linear is None:
            if before is None:
                keep_network(plan, around, {"epoch": 0.0, "step": 0, "validation": {}})
            recipe, device = plan.recipe, around.ranks.device
            batches = FeatureBatches(
                train,
                batch_size=recipe.batch_size,
                balanced=recipe.balance == "sampling",
                seed=recipe.seed,
                device=device,
            )
            judging = FeatureBatches(val, batch_size=256, learning=False, device=device) if val else None
            return learned(plan, around, before, halves.rest, batches, judging)
        return solved_head(plan, around, halves.linear, train, val)


def _without_effect(plan: Plan, halves: Cut) -> list[str]:
    """A sentence for options that were asked for and change nothing here."""
    if halves.linear is None:
        unused, why = plan.asked.keys() & {"members"}, "only a head that is solved can be an average of several"
    else:
        used = {"size", "fit", "weights", "adapt_input", "freeze", "views", "members", "seed", "deterministic"}
        used |= {"distortion"} if plan.recipe.views > 2 else set()
        unused, why = plan.asked.keys() - used, "a head that is solved takes no steps"
    return [f"{why}: {', '.join(sorted(map(option, unused)))} without effect"] if unused else []


def _refuse(plan: Plan, around: Around) -> None:
    """What does not go with a frozen part."""
    recipe = plan.recipe
    asked = {
        "--minutes": around.minutes is not None,
        "--lr auto": around.search,
        "--mixup and --cutmix": recipe.mixup or recipe.cutmix,
        "tar shards": not isinstance(plan.parts.train, Dataset),
        "several processes": around.ranks.world > 1,
    }
    if wrong := [what for what, is_so in asked.items() if is_so]:
        raise StriateError(
            f"what is frozen is computed once for each picture, with which {' and '.join(wrong)} cannot go; "
            "leave that out, or say --freeze none"
        )


class _Once:
    """The fastest engine for a front, found when it is first needed."""

    def __init__(self) -> None:
        self.found: Engine | None = None

    def finder(self, around: Around, pictures: int) -> Callable[[nn.Module, Tensor], Engine]:
        """Finds it for so many pictures, or has it."""

        def find(front: nn.Module, example: Tensor) -> Engine:
            if self.found is None:
                self.found = fastest(front, example, around.ranks.device, pictures=pictures)
            else:
                self.found.told = []
            return self.found

        return find


def _features(plan: Plan, around: Around, halves: Cut, engine: _Once) -> tuple[Features, Features | None]:
    """Of the pictures to learn from, in all views; and of those to be judged by, as they are."""
    recipe, parts = plan.recipe, plan.parts
    front = Pooled(halves)
    total = parts.pictures * recipe.views + len(parts.val or ())

    def of(data: Dataset, views: int) -> Features:
        return features(
            front,
            data,
            plan.preprocess,
            views=Views(views, distortion(recipe.distortion), recipe.seed),
            on_bad=around.on_bad,
            device=around.ranks.device,
            engine=engine.finder(around, total),
            workers=around.workers,
            say=around.say,
        )

    assert isinstance(parts.train, Dataset)
    return of(parts.train, recipe.views), of(parts.val, 1) if parts.val else None
