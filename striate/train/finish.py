"""How a training ends: its best weights are judged, and all of it is written down."""

from typing import Any

import numpy as np
import torch

from striate.data.batches import Batches
from striate.files import write_whole
from striate.nets.net import Net
from striate.show.progress import track
from striate.train.around import Around
from striate.train.begin import Plan
from striate.train.confirm import Known, confirm
from striate.train.judge import judge
from striate.train.ranks import Ranks
from striate.train.run import Run, open_run, write_json
from striate.train.tell.report import write_report
from striate.train.transfer.feed import FeatureBatches


def finish(
    plan: Plan,
    around: Around,
    best: dict[str, Any],
    batches: Batches | FeatureBatches,
    seconds: float,
    stopped: str,
    known: Known | None = None,
) -> Run:
    """Judge the best weights once more as they lie on the disk, and write down how it ended.

    Parameters
    ----------
    plan, around
        the training
    best
        when its best weights were there: epoch and step
    batches
        of which it learned
    seconds
        that it took
    stopped
        why it ended early, or ""
    known
        what features say of validation, of which the network then sees only a few pictures
    """
    run = open_run(around.folder)
    device, alone = around.ranks.device, Ranks(0, 1, around.ranks.device)
    network = on_device(run.net(), device)
    arrays: dict[str, np.ndarray] = {}
    figures: dict[str, Any] = {}
    skipped = {**plan.parts.skipped, **batches.skipped}
    for split, prefix, data in (("val", "", plan.parts.val), ("test", "test_", plan.parts.test)):
        figures[split] = None
        if data:
            if known and split == "val":
                around.say(confirm(network, known, data, plan, around))
                judged = known.judged
                skipped |= known.skipped
            else:
                judging = around.batches(plan, data, learning=False, alone=True)
                bar = track(judging, f"judging {split}", len(judging))
                judged = judge(network, bar, plan.preprocess, alone)
                skipped |= judging.skipped
            figures[split] = judged.figures
            names = dict(zip(data.rows.tolist(), data.names, strict=True))
            arrays |= {
                f"{prefix}names": np.array([names[row] for row in judged.rows.tolist()]),
                f"{prefix}rows": judged.rows,
                f"{prefix}labels": judged.labels,
                f"{prefix}probabilities": judged.probabilities,
            }
    write_whole(
        around.folder / "predictions.npz",
        lambda file: np.savez_compressed(file, **arrays),  # pyright: ignore[reportArgumentType]
    )
    result = {
        "epoch": best["epoch"],
        "step": best["step"],
        "validation": figures["val"],
        "test": figures["test"],
        "seconds": round(seconds, 3),
        "stopped": stopped,
        "skipped": sorted(skipped),
        "notes": batches.notes,
        "kept": batches.kept,
    }
    write_json(around.folder / "result.json", result)
    write_report(run, plan.parts)
    return run


def on_device(network: Net, device: torch.device) -> Net:
    """A network where it computes, with its weights laid out as the pictures are, which is faster."""
    return network.to(device=device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
