"""What a planned training is carried out with, made from its plan: the learner and its job."""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from striate.data.batches import Batches
from striate.data.dataset import Dataset
from striate.data.order import class_weights
from striate.data.sources.shards import Shards
from striate.errors import DataError
from striate.nets.net import Net
from striate.show.names import printable
from striate.train.around import Around
from striate.train.begin import Plan
from striate.train.finish import on_device
from striate.train.job import Job
from striate.train.keep.checkpoints import Checkpoints
from striate.train.keep.history import History
from striate.train.keep.sealed import save_sealed
from striate.train.learn.average import Average
from striate.train.learn.loss import Loss
from striate.train.learn.optimiser import optimiser
from striate.train.learn.tally import Tally
from striate.train.learner import Learner
from striate.train.ranks import Ranks
from striate.train.run import MODEL
from striate.train.tell.events import events
from striate.train.transfer.cut import stage_rates, thawing
from striate.train.transfer.feed import FeatureBatches

Feeding = Batches | FeatureBatches


def learner_of(plan: Plan, ranks: Ranks, part: Net, batches: Feeding) -> Learner:
    """A network on its device, with all that moves with it.

    Parameters
    ----------
    plan, ranks
        the training
    part
        what learns of the plan's network
    batches
        what it learns from
    """
    recipe, device = plan.recipe, ranks.device
    on_device(plan.network, device)
    network = on_device(part, device)
    if recipe.precision == "float64":
        network = network.double()
    model = ranks.together(network)
    rates = stage_rates(network, recipe.lr) if plan.weights and recipe.freeze == "none" else {}
    return Learner(
        network=network,
        model=torch.compile(model) if recipe.compile else model,  # pyright: ignore[reportArgumentType]
        optimiser=optimiser(network, recipe.optimizer, recipe.lr, recipe.weight_decay, rates=rates),
        average=Average(network, recipe.ema) if recipe.ema else None,
        tally=Tally(len(plan.parts.classes), plan.parts.several, device),
        batches=batches,
        scaler=torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16"),
        accumulate=recipe.accumulate,
    )


def loss_of(plan: Plan, ranks: Ranks) -> Loss:
    """What is to become small.

    Parameters
    ----------
    plan, ranks
        the training
    """
    weights = None
    if plan.recipe.balance == "weights":
        if isinstance(plan.parts.train, Shards):
            raise DataError("classes are weighted where they can be counted beforehand, which a stream cannot")
        weights = torch.from_numpy(class_weights(plan.parts.train)).to(ranks.device)
    return Loss(plan.parts.several, plan.recipe.label_smoothing, weights)


def job_of(plan: Plan, around: Around, steps: int, per_epoch: int, validation: Feeding | None) -> Job:
    """All that a learner needs to learn.

    Parameters
    ----------
    plan, around
        the training
    steps, per_epoch
        how many in all, and in an epoch
    validation
        what it is judged by
    """

    def weights() -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in plan.network.without_side_heads().state_dict().items()}

    return Job(
        recipe=plan.recipe,
        steps=steps,
        per_epoch=per_epoch,
        preprocess=plan.preprocess,
        classes=len(plan.parts.classes),
        loss=loss_of(plan, around.ranks),
        validation=validation,
        names=partial(_names, plan.parts.train),
        ranks=around.ranks,
        checkpoints=Checkpoints(around.folder / "last"),
        history=History(around.folder / "history.jsonl"),
        events=events(around.folder) if around.ranks.first else None,
        weights=weights,
        save_best=partial(save_sealed, around.folder / MODEL),
        save_every=around.save_every,
        until=around.until,
        adapt=around.adapt,
        thaw=thawing(plan.network, max(1, round(plan.recipe.epochs))) if plan.recipe.thaw else [],
    )


def _names(data: Dataset | Shards, rows: np.ndarray) -> list[str]:
    """What pictures are called, for a message."""
    if isinstance(data, Shards):
        return [f"the picture at {row:#x} of the stream" for row in rows.tolist()]
    places = {row: place for place, row in enumerate(data.rows.tolist())}
    return [printable(data.names[places[row]]) for row in rows.tolist()]
