"""A run to be reported: trained for a moment on pictures of noise, of which some are hard to tell."""

from pathlib import Path

import numpy as np
from made import encoded

from striate.train.run import Run
from striate.train.train import train

CLASSES = ("<script>alert(1)<script>", "elm & 'oak'", "oak")
NET = "stage1: conv 3x3x8 same, bn, relu, maxpool 2\nstage2: conv 3x3x8 same, bn, relu\nhead: globalpool, fc 3"


def made_run(
    folder: Path, splits: tuple[str, ...] = ("train", "val"), classes: tuple[str, ...] = CLASSES, each: int = 8
) -> Run:
    """Train it.

    Parameters
    ----------
    folder
        for its pictures and itself
    splits
        that there are
    classes
        names
    each
        pictures of a class, in each split
    """
    random = np.random.default_rng(0)
    for split in splits:
        for place, name in enumerate(classes):
            (folder / "photos" / split / name).mkdir(parents=True)
            for number in range(each):
                level = np.where(np.arange(3) == place, 150, 120)
                pixels = np.clip(level + random.normal(0, 10, 3) + random.normal(0, 40, (20, 24, 3)), 0, 255)
                (folder / "photos" / split / name / f"{number}.png").write_bytes(encoded(pixels.astype(np.uint8)))
    run = train(
        folder / "photos", NET, size="16x16", epochs=2, batch_size=8, lr=0.02, quiet=True, output=folder / "run"
    )
    assert run
    return run
