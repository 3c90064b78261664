"""The head that fits best, found directly; and what else features tell: doubtful labels, what more would bring."""

from dataclasses import replace
from time import perf_counter

import numpy as np
from torch import nn

from striate.data.dataset import Dataset
from striate.engine.fastest import TOLERANCE
from striate.files import write_text
from striate.show.drawing import write_chart
from striate.show.names import printable
from striate.train.around import Around
from striate.train.begin import Plan
from striate.train.confirm import Known
from striate.train.finish import finish
from striate.train.judge import Judged
from striate.train.keep.history import History
from striate.train.keep.sealed import save_sealed
from striate.train.run import MODEL, Run
from striate.train.transfer.axes import Axes, axes_of
from striate.train.transfer.curve import curve
from striate.train.transfer.doubts import doubts
from striate.train.transfer.features import FEATURES, Features
from striate.train.transfer.feed import FeatureBatches
from striate.train.transfer.folds import Folds, fold, out_of_fold
from striate.train.transfer.members import fill, members
from striate.train.transfer.solve import Linear
from striate.train.transfer.strength import choose_strength
from striate.train.work import write_config

# what is chosen for steps, which a head that is solved does not take
STEPPING = {
    f"--{name}"
    for name in (
        *("precision", "batch-size", "epochs", "optimizer", "lr"),
        *("schedule", "weight-decay", "label-smoothing", "distortion", "clip"),
    )
}
DOUBTFUL = 3  # labels that are told at once; the file has all
ENOUGH = 40  # pictures of the smallest class from which on a curve says something


def solved_head(plan: Plan, around: Around, layer: nn.Linear | nn.Conv2d, train: Features, val: Features | None) -> Run:
    """Find the head that fits best, directly; gives an ordinary run.

    Parameters
    ----------
    plan, around
        the training
    layer
        the network's last, which becomes that head
    train, val
        what is frozen gives of the pictures to learn from and to be judged by
    """
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
        write_text(around.folder / "how-many.json", grown.table.to_json())
        write_chart(around.folder / "how-many.svg", grown.chart())
    known = _known(heads, layer, val) if val else None
    figures = known.judged.figures if known else {}
    best = {"epoch": 1.0, "step": 1, "validation": figures}
    seconds = perf_counter() - around.begun
    keep_network(plan, around, best)
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
    write_text(path, table.to_csv())
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


def keep_network(plan: Plan, around: Around, best: dict) -> None:
    """Keep the whole network, as it is used.

    Parameters
    ----------
    plan, around
        the training
    best
        when its weights were there: epoch, step, figures
    """
    save_sealed(around.folder / MODEL, plan.network.without_side_heads().state_dict(), best)
