"""What training from scratch reaches, without a peer: the accuracy of several seeds and splits, and the time of each.

    python -m bench reach FOLDER

FOLDER holds `fashion-mnist` as IDX files and `flowers` as photos in folders of classes; the digits are scikit-learn's.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.train import given_folder
from bench.turns import Contestant
from striate.train.learn.tally import wilson

SEEDS = 2
SPLITS = 5  # of the digits
FASHION = {
    "net": "conv 3x3x32 same nobias, bn, relu, maxpool 2, (conv 3x3x64 same nobias, bn, relu)x2, maxpool 2, "
    "(conv 3x3x128 same nobias, bn, relu)x2, globalpool, fc 10",
    "epochs": 8,
    "distortion": "none, mirror 0.5",
    "cache": "ram",
}
FLOWERS = {"weights": "none", "minutes": 10}


def striate(argument: str) -> Callable[[], dict[str, Any]]:
    """One training; what was held out is the test set where there is one, else the validation set."""
    import striate as st

    asked = json.loads(argument)
    data = st.Dataset.open(asked["where"], seed=asked["split"])

    def run() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            made = st.train(data, quiet=True, output=Path(folder) / "run", **asked["how"])
            result = made.result
        held_out = len(data["test" if result["test"] else "val"])
        right = round((result["test"] or result["validation"])["top1"] * held_out)
        return {"right": right, "of": held_out, "stopped": result["stopped"]}

    return run


def reach(what: str, where: str, how: dict[str, Any], seeds: int, splits: int = 1) -> None:
    """Train with each seed on each split, and print what came out."""
    shares, seconds, right, of = [], [], 0, 0
    for split in range(splits):
        for seed in range(seeds):
            asked = json.dumps({"where": where, "split": split, "how": how | {"seed": seed}})
            with Contestant("striate", "bench.reach:striate", asked) as ours:
                ours.turn()
            right, of = ours.work["right"], ours.work["of"]
            shares.append(right / of)
            seconds += ours.seconds
            print(f"  {shares[-1]:.2%} of {of:,} in {seconds[-1]:.1f} s {ours.work['stopped']}", flush=True)
    low, high = wilson(right, of)
    print(f"{what}: median {median(shares):.2%} ({min(shares):.2%} … {max(shares):.2%}) held out,", end=" ")
    print(f"{median(seconds):.1f} s ({min(seconds):.1f} … {max(seconds):.1f});", end=" ")
    print(f"95 % interval of the last: {low:.2%} … {high:.2%}\n", flush=True)


def main() -> None:
    """Digits, flowers, clothes."""
    folder = given_folder("reach")
    digits = {"net": "lenet5", "epochs": 30, "distortion": "digits"}
    reach(f"digits, as `striate demo` trains, {SPLITS} splits, {SEEDS} seeds each", "digits", digits, SEEDS, SPLITS)
    reach("flowers from scratch, --minutes 10", str(folder / "flowers"), FLOWERS, 1)
    reach(f"Fashion-MNIST, {FASHION['epochs']} epochs", str(folder / "fashion-mnist"), FASHION, SEEDS)
