"""Up to where to freeze: by what each stage knows, and by whether the last one had better learn."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

import striate
from striate.data.dataset import Dataset
from striate.data.normalise import normalised
from striate.errors import StriateError
from striate.files import write_text
from striate.show.drawing import write_chart
from striate.show.table import json_text, plain_text
from striate.train.around import Around
from striate.train.begin import Plan
from striate.train.transfer.costs import stage_costs
from striate.train.transfer.cut import Cut
from striate.train.transfer.deeper import Deeper, deeper
from striate.train.transfer.features import FEATURES, Features
from striate.train.transfer.kept import remark
from striate.train.transfer.probe import Probes, probe
from striate.train.transfer.views import Viewed, Views

FEW = 8  # pictures by which the cost of a stage is measured
WIDE = 100  # letters of a table that is told


def how_far(plan: Plan, around: Around, halves: Cut, train: Features, compute: Callable[[Cut], Features]) -> str:
    """Up to which stage to freeze, or "all": told, and kept beside the run with what each stage knows.

    Parameters
    ----------
    plan, around
        the training
    halves
        the network, frozen but for its head
    train
        what its stages give of the pictures to learn from
    compute
        gives the same of a network that is frozen less far
    """
    probes = _probes(plan, around, train)
    return _deeper(plan, around, halves, train, probes, compute) if probes.freeze == "all" else probes.freeze


def _probes(plan: Plan, around: Around, train: Features) -> Probes:
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
    write_text(around.folder / "stages.json", probes.to_json())
    write_chart(around.folder / "stages.svg", probes.chart)
    return probes


def _deeper(
    plan: Plan,
    around: Around,
    halves: Cut,
    train: Features,
    probes: Probes,
    compute: Callable[[Cut], Features],
) -> str:
    """Up to where to freeze, since the last stage may better learn, too: told, and kept with what each stage knows."""
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
    write_text(around.folder / "stages.json", json_text(stages))
    return found.freeze


def _sum_of(plan: Plan, around: Around, data: Dataset, settings: Any) -> str:
    """Of all that an answer about features depends on, beside these: it is found by it."""
    depends = [striate.__version__, plan.parts.classes, data.several, data.groups.tolist(), str(around.ranks.device)]
    total = hashlib.sha256(json.dumps([*depends, settings]).encode())
    for numbers in (data.labels, data.rows):
        total.update(numbers.tobytes())
    return total.hexdigest()[:32]
