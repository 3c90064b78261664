"""What `striate.train` costs over a bare loop on the same batches, for networks of several sizes.

    python -m bench overhead FOLDER

FOLDER holds `fashion-mnist` as IDX files. The loop has ten lines: no figures, no history, no checkpoints. Both take
their pictures from `Batches`, and the first epoch, in which the cache fills, does not count. Both learn by the same
rule: another one leaves other zeros behind a ReLU, and how many these are decides how long its way back takes.
"""

import json
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median

from bench.train import SEEDS, given_folder
from bench.turns import Contestant

SMALL = "conv 5x5x8, relu, maxpool 2, conv 5x5x16, relu, maxpool 2, fc 120, relu, fc 84, relu, fc 10"
MIDDLE = "conv 5x5x32 s2 same, bn, relu, conv 3x3x64 same, bn, relu, maxpool 2, conv 3x3x128 same, relu, fc 10"
SIZES = {"0.3 MMACs": (SMALL, 20_000), "7 MMACs": (MIDDLE, 8_000), "41 MMACs": ("resnet20", 2_000)}  # and pictures
EPOCHS = 4


def parts(where: str, pictures: int):
    """Pictures that are all there to learn from, so that nothing but steps is timed."""
    from dataclasses import replace

    import numpy as np

    from striate.data.dataset import Dataset

    data = Dataset.open(where)["train"].part(np.arange(pictures))
    return replace(data, splits=np.full(len(data), "train"))


def loop(argument: str) -> Callable[[], list[float]]:
    """A bare loop over `Batches`."""
    from contextlib import nullcontext
    from time import perf_counter

    import torch

    import striate as st
    from striate.data.normalise import normalised

    asked = json.loads(argument)
    data = parts(asked["where"], asked["pictures"])
    size = (32, 32) if asked["net"] == "resnet20" else (28, 28)
    preprocess = st.Preprocess(size=size, resize=None, fit="squash", channels="L", mean=(0.286,), std=(0.353,))

    def run() -> list[float]:
        torch.manual_seed(0)
        network = st.net(asked["net"], input=(*size, 1), classes=10).to(memory_format=torch.channels_last)
        optimiser = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, nesterov=True, fused=True)
        batches = st.Batches(data, preprocess, batch_size=128, distortion="none, padding 2", cache="ram")
        times = []
        for _ in range(EPOCHS):
            begun = perf_counter()
            for batch in batches:
                narrow = torch.autocast("cpu", torch.bfloat16) if asked["bfloat16"] else nullcontext()
                with narrow:
                    scores = network(normalised(batch.pixels, preprocess))
                loss = torch.nn.functional.cross_entropy(scores.float(), batch.labels)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            times.append(perf_counter() - begun)
        return times[1:]

    return run


def train(argument: str) -> Callable[[], list[float]]:
    """`striate.train` on the same; seconds of each epoch but the first, from the run's own history."""
    import striate as st

    asked = json.loads(argument)
    data = parts(asked["where"], asked["pictures"])
    size = "32x32x1" if asked["net"] == "resnet20" else "28x28x1"

    def run() -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            made = st.train(
                data,
                asked["net"],
                size=size,
                epochs=EPOCHS,
                batch_size=128,
                optimizer="sgd",
                lr=0.01,
                schedule="constant",
                warm_up=0.0,
                weight_decay=0.0,
                distortion="none, padding 2",
                clip=0.0,
                precision="bfloat16" if asked["bfloat16"] else "float32",
                cache="ram",
                quiet=True,
                output=Path(folder) / "run",
            )
            ends = [line["seconds"] for line in made.history if line["kind"] == "epoch"]
        return [after - before for before, after in pairwise(ends)]

    return run


def main() -> None:
    """All sizes, in float32 and in bfloat16."""
    folder = given_folder("overhead")
    for bfloat16 in (False, True):
        for name, (net, pictures) in SIZES.items():
            asked = json.dumps(
                {"where": str(folder / "fashion-mnist"), "net": net, "pictures": pictures, "bfloat16": bfloat16}
            )
            ours, bare = (
                Contestant("striate", "bench.overhead:train", asked),
                Contestant("loop", "bench.overhead:loop", asked),
            )
            times: dict[str, list[float]] = {"striate": [], "loop": []}
            with ours, bare:
                for _ in range(SEEDS):
                    for contestant in (ours, bare):
                        contestant.turn()
                        times[contestant.name] += contestant.work
            kind = "bfloat16" if bfloat16 else "float32"
            middle = {who: median(found) for who, found in times.items()}
            ranges = {who: f"{min(found):.2f} … {max(found):.2f}" for who, found in times.items()}
            more = 100 * (middle["striate"] / middle["loop"] - 1)
            print(f"{name:10} {kind:8}: {more:+.1f} %; an epoch of {pictures:,} takes", end=" ")
            print(", ".join(f"{who} {middle[who]:.2f} s ({ranges[who]})" for who in times), flush=True)
