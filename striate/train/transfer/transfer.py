"""Transfer: what a frozen part knows of each picture is computed once; only what follows it learns."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import striate
from striate.data.dataset import Dataset
from striate.data.distort.distortion import distortion
from striate.data.normalise import normalised
from striate.engine.fastest import TOLERANCE, Engine, fastest
from striate.errors import StriateError
from striate.files import write_whole
from striate.nets.net import Net
from striate.show.charts import write_svg
from striate.show.names import printable
from striate.show.table import json_text, plain_text
from striate.train.around import Around
from striate.train.begin import Plan
from striate.train.confirm import Known
from striate.train.finish import finish, on_device
from striate.train.judge import Judged
from striate.train.keep.history import History
from striate.train.keep.lock import occupied
from striate.train.keep.sealed import save_sealed
from striate.train.recipe import option
from striate.train.run import MODEL, Run
from striate.train.transfer.axes import Axes, axes_of
from striate.train.transfer.costs import stage_costs
from striate.train.transfer.curve import curve
from striate.train.transfer.cut import Cut, Pooled, cut
from striate.train.transfer.deeper import Deeper, deeper
from striate.train.transfer.doubts import doubts
from striate.train.transfer.features import FEATURES, Features, features
from striate.train.transfer.feed import FeatureBatches
from striate.train.transfer.folds import Folds, fold, out_of_fold
from striate.train.transfer.kept import remark
from striate.train.transfer.members import fill, members
from striate.train.transfer.probe import Probes, probe
from striate.train.transfer.solve import Linear
from striate.train.transfer.strength import choose_strength
from striate.train.transfer.views import Viewed, Views
from striate.train.work import learned, write_config

FEW = 8  # pictures by which the cost of a stage is measured
# what is chosen for steps
STEPPING = {
    f"--{name}"
    for name in (
        *("precision", "batch-size", "epochs", "optimizer", "lr"),
        *("schedule", "weight-decay", "label-smoothing", "distortion", "clip"),
    )
}
WIDE = 100  # letters of a table that is told
DOUBTFUL = 3  # labels that are told at once; the file has all
ENOUGH = 40  # pictures of the smallest class from which on a curve says something


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
        unused = () if halves.linear is None else STEPPING  # a head that is solved takes no steps
        if before is None:
            chosen = (choice for choice in plan.choices if choice.name not in unused)
            around.say(*(f"{choice.name}: {choice.value} — {choice.why}" for choice in chosen))
        around.say(*halves.notes)
        engine = _Once()
        train, val = _features(plan, around, halves, engine)
        if freeze == "auto":
            probes = _probes(plan, around, halves, train)
            freeze, engine = probes.freeze, _Once()
            if freeze == "all":
                freeze = _deeper(plan, around, halves, train, probes, engine)
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
                _keep(plan, around, {"epoch": 0.0, "step": 0, "validation": {}})
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
        return _solved(plan, around, halves.linear, train, val)


def _without_effect(plan: Plan, halves: Cut) -> list[str]:
    """A sentence for options that were asked for and change nothing here."""
    if halves.linear is None:
        unused, why = plan.asked.keys() & {"members"}, "only a head that is solved can be an average of several"
    else:
        used = {"size", "weights", "adapt_input", "freeze", "views", "members", "seed", "deterministic"}
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


def _probes(plan: Plan, around: Around, halves: Cut, train: Features) -> Probes:
    """What each stage knows: told, and kept beside the run; solved once, as long as nothing of it changes."""
    data, classes, device = train.data, plan.parts.classes, around.ranks.device
    name = f"probes-{_sum_of(plan, around, data, plan.recipe.seed)}"
    if before := remark(train.folder, name):
        around.say("probes, times included, are those of an earlier run")
        probes = Probes.from_dict(before)
    else:
        stages = {name: values for name, values in train.arrays.items() if name != FEATURES}
        shown = Viewed(data, plan.preprocess, Views(1))
        some = np.concatenate([shown[place] for place in range(min(FEW, len(data)))])
        pixels = torch.from_numpy(some).permute(0, 3, 1, 2).to(device)
        costs = stage_costs(plan.network, normalised(pixels, plan.preprocess), list(stages))
        probes = probe(stages, data.labels, data.groups, classes, costs, plan.recipe.seed)
        with suppress(StriateError):  # where nothing can be kept, it takes time again
            remark(train.folder, name, asdict(probes))
    around.say(plain_text(probes, WIDE))
    _write(around.folder / "stages.json", probes.to_json())
    write_svg(around.folder / "stages.svg", probes.chart)
    return probes


def _sum_of(plan: Plan, around: Around, data: Dataset, settings: Any) -> str:
    """Of all that an answer about features depends on, beside these: it is found by it."""
    depends = [striate.__version__, plan.parts.classes, data.several, data.groups.tolist(), str(around.ranks.device)]
    total = hashlib.sha256(json.dumps([*depends, settings]).encode())
    for numbers in (data.labels, data.rows):
        total.update(numbers.tobytes())
    return total.hexdigest()[:32]


def _deeper(plan: Plan, around: Around, halves: Cut, train: Features, probes: Probes, engine: _Once) -> str:
    """Up to where to freeze, since the last stage may better learn, too: told, and kept with what each stage knows."""
    learning = replace(plan, parts=replace(plan.parts, val=None))  # what validation sees is not asked here

    def compute(other: Cut) -> Features:
        return _features(learning, around, other, engine)[0]

    name = f"deeper-{_sum_of(plan, around, train.data, asdict(plan.recipe))}"
    if before := remark(train.folder, name):
        around.say("whether it had better learn was tried in an earlier run")
        found = Deeper.from_dict(before)
    else:
        found = deeper(plan, halves, train, compute, around.ranks, around.say)
        if found.comparison:
            with suppress(StriateError):  # as above
                remark(train.folder, name, asdict(found))
    around.say(found.told)
    stages = json.loads(probes.to_json())
    stages = stages | {"notes": [*stages["notes"], found.told], "fine_tuning": asdict(found)}
    _write(around.folder / "stages.json", json_text(stages))
    return found.freeze


def _solved(plan: Plan, around: Around, layer: nn.Linear | nn.Conv2d, train: Features, val: Features | None) -> Run:
    """The head that fits best, found directly."""
    recipe, classes, data = plan.recipe, plan.parts.classes, train.data
    numbers = np.asarray(train.arrays[FEATURES])
    axes = axes_of(numbers.reshape(*numbers.shape[:2], -1))
    folds = fold(data.labels, data.groups, classes, seed=recipe.seed)
    around.say(*folds.notes)
    strength, _ = choose_strength(axes, data.labels, len(classes), folds)
    heads = members(axes, data.labels, len(classes), strength, recipe.members, data.groups, recipe.seed)
    fill(layer, heads)
    around.say(f"the head is solved directly, with a penalty of {strength:.3g} chosen by cross-validation")
    if len(heads) > 1:
        around.say(f"the scores of {len(heads)} heads are averaged, which is one head: it costs nothing more to use")
    _doubtful(around, data, axes, folds, strength, classes)
    smallest = np.bincount(data.labels, minlength=len(classes)).min() if not data.several else 0
    if smallest >= ENOUGH:
        grown = curve(axes, data.labels, classes, data.groups, strength, seed=recipe.seed)
        around.say(f"{grown.sentence}: {printable(around.folder / 'how-many.svg')}")
        _write(around.folder / "how-many.json", grown.table.to_json())
        write_svg(around.folder / "how-many.svg", grown.chart())
    known = _known(heads, layer, val) if val else None
    figures = known.judged.figures if known else {}
    best = {"epoch": 1.0, "step": 1, "validation": figures}
    seconds = perf_counter() - around.begun
    _keep(plan, around, best)
    history = History(around.folder / "history.jsonl")
    history.cut(0)
    trained = _judged(heads, train).figures
    history.add(
        kind="epoch", epoch=1.0, step=1, training=trained, validation=figures, lr=0.0, seconds=seconds, best=True
    )
    choices = [choice for choice in plan.choices if choice.name not in STEPPING]
    plan = replace(plan, recipe=replace(plan.recipe, epochs=1.0), choices=choices)
    write_config(plan, around, 1)
    return finish(plan, around, best, FeatureBatches(train), seconds, "", known)


def _doubtful(
    around: Around, data: Dataset, axes: Axes, folds: Folds, strength: float, classes: tuple[str, ...]
) -> None:
    """Labels that are worth a look, told and kept."""
    answers = out_of_fold(axes, data.labels, len(classes), folds, strength)
    table = doubts(data.names, data.labels, answers, classes, folds)
    path = around.folder / "doubts.csv"
    _write(path, table.to_csv())
    if not table.rows:
        return
    first = ", ".join(
        f"{printable(row['name'])} ({printable(row['label'])}, or {printable(row['suggested'])}?)"
        for row in table.rows[:DOUBTFUL]
    )
    around.say(f"{len(table.rows):,} labels are worth a look, in {printable(path)}: first {first}")


def _judged(heads: list[Linear], seen: Features) -> Judged:
    """What the head says of plain views."""
    scores = np.mean([head.scores(_plain(seen)) for head in heads], axis=0).astype(np.float32)
    order = np.argsort(seen.data.rows, kind="stable")
    return Judged(seen.data.rows[order], scores[order], seen.data.labels[order])


def _known(heads: list[Linear], layer: nn.Linear | nn.Conv2d, seen: Features) -> Known:
    """The same, and how far the network's scores may be: the sum of what each feature may be off, if all conspire."""
    numbers = _plain(seen)
    off = np.abs(numbers) * np.finfo(np.float16).eps / 2 + TOLERANCE["float32"] * numbers.std()  # (n, d)
    weight = layer.weight.detach().abs().flatten(1).cpu().numpy()  # (classes, d)
    return Known(_judged(heads, seen), float((off @ weight.T).max()), seen.skipped)


def _plain(seen: Features) -> np.ndarray:
    """(n, d): features of the plain view of each picture."""
    return np.asarray(seen.arrays[FEATURES][:, 0]).reshape(len(seen), -1).astype(np.float32)


def _keep(plan: Plan, around: Around, best: dict) -> None:
    """The whole network, as it is used."""
    network: Net = plan.network.without_side_heads() if plan.network.side_heads else plan.network
    save_sealed(around.folder / MODEL, network.state_dict(), best)


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda file: file.write(text.encode("utf-8", "surrogateescape")))
