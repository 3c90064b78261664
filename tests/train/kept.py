"""Runs that tests write by hand."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from striate.preprocess import Preprocess
from striate.train.recipe import Recipe
from striate.train.run import Run, open_run

TEXT = "conv 3x3x4 same, relu, maxpool 2, fc {classes}"


def history(epochs: int, several: bool = False) -> list[dict[str, Any]]:
    """Lines of a training of ten steps an epoch that goes well, best in its last epoch but one."""
    lines: list[dict[str, Any]] = []
    for epoch in range(1, epochs + 1):
        for step in range(10 * epoch - 9, 10 * epoch):
            lines.append(
                {"kind": "step", "step": step, "epoch": epoch - 1, "loss": 2 / epoch, "lr": 0.05, "seconds": step * 1.0}
            )
        good = min(epoch, epochs - 1) / epochs
        figures = {"mean_average_precision": good} if several else {"top1": good, "per_class": good}
        lines.append(
            {
                "kind": "epoch",
                "epoch": epoch,
                "step": 10 * epoch,
                "training": {"loss": 2 / epoch} if several else {"loss": 2 / epoch, "top1": good},
                "validation": {"loss": 2.1 / epoch, **figures},
                "lr": 0.05,
                "seconds": 10.0 * epoch,
                "best": epoch < epochs,
            }
        )
    return lines


def keep(
    folder: Path,
    *,
    classes: tuple[str, ...] = ("cat", "dog"),
    settings: dict[str, Any] | None = None,
    lines: list[dict[str, Any]] | None = None,
    validation: dict[str, float] | None = None,
    test: dict[str, float] | None = None,
    predictions: dict[str, np.ndarray] | None = None,
    where: str = "nowhere",
    several: bool = False,
    ended: bool = True,
    pictures: int = 40,
    **others: Any,
) -> Run:
    """Write a run into a folder, and open it."""
    folder.mkdir(parents=True)
    recipe = asdict(Recipe(epochs=4, batch_size=8, lr=0.05)) | (settings or {})
    text = TEXT.format(classes=len(classes))
    config = {
        "format": 1,
        "striate": "0.1.0",
        "command": "striate train photos --lr 0.05",
        "begun": "2026-05-04T12:30:00+02:00",
        "network": {"name": "small", "text": text, "trained": text, "input": [16, 16, 3]},
        "data": {
            "where": where,
            "stream": False,
            "validation": None,
            "fingerprint": "f",
            "on_bad": "stop",
            "several": several,
            "pictures": {"train": 80, "val": pictures, "test": 20 if test else 0},
        },
        "recipe": recipe,
        "asked": {"lr": 0.05},
        "steps": 40,
        "chosen": [["--batch-size", "8", "80 pictures are few"]],
        "machine": {"python": "3.11", "threads": 2},
    }
    preprocess = Preprocess(
        size=(16, 16),
        resize=16,
        fit="crop",
        interpolation="bilinear",
        channels="RGB",
        scale=1.0,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
    )
    lines = history(4, several) if lines is None else lines
    files = {"config": config, "classes": classes, "preprocess": preprocess.to_dict()}
    if ended:
        files["result"] = {
            "epoch": 3,
            "step": 30,
            "validation": validation
            or ({"loss": 0.7, "mean_average_precision": 0.75} if several else {"loss": 0.7, "top1": 0.75}),
            "test": test,
            "seconds": 123.0,
            "stopped": "",
            "skipped": [],
            "notes": {},
        } | others
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    if predictions:
        np.savez(folder / "predictions.npz", **predictions)
    return open_run(folder)
