"""Training: striate beside the script that a user would write, and beside a bare loop on the same batches.

    python -m bench train FOLDER

FOLDER holds `fashion-mnist` and `mnist` as IDX files, and `flowers` as photos in folders of classes.

To an accuracy: the script follows PyTorch's own example for MNIST (DataLoader with two workers, ToTensor and Normalize
for each picture, two convolutions and two fully connected layers, Adadelta with rate 1 times 0.7 each epoch, batches of
64) and is stopped at the end of the first epoch in which it reaches the accuracy on the test set, so it trains not one
epoch too many. Striate trains for a number of epochs that was fixed beforehand, and its time holds all of a run: the
forecast, validation, checkpoints, the test, the report. Both are timed from open files on; three seeds each, in turns.

Overhead: `striate.train` beside a loop of ten lines over the same `Batches`, for networks of several sizes.
"""

import gzip
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median

from bench.turns import Contestant

SEEDS = 3
GOALS = {"fashion-mnist": (0.91, 3), "mnist": (0.99, 2)}  # accuracy, and striate's epochs
SMALL = "conv 5x5x8, relu, maxpool 2, conv 5x5x16, relu, maxpool 2, fc 120, relu, fc 84, relu, fc 10"
MIDDLE = "conv 5x5x32 s2 same, bn, relu, conv 3x3x64 same, bn, relu, maxpool 2, conv 3x3x128 same, relu, fc 10"
SIZES = {"0.3 MMACs": (SMALL, 20_000), "7 MMACs": (MIDDLE, 8_000), "41 MMACs": ("resnet20", 2_000)}  # and pictures
EPOCHS = 4


def script(argument: str) -> Callable[[], dict]:
    """What a user would write, after PyTorch's example."""
    from bench.peers import torchvision as load

    load()
    import torch
    from torch import nn
    from torch.nn import functional as f
    from torch.utils.data import DataLoader
    from torchvision import datasets
    from torchvision import transforms as t

    asked = json.loads(argument)
    kind = {"mnist": datasets.MNIST, "fashion-mnist": datasets.FashionMNIST}[asked["data"]]

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
            self.drop1, self.drop2 = nn.Dropout(0.25), nn.Dropout(0.5)
            self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

        def forward(self, x):
            x = f.relu(self.conv2(f.relu(self.conv1(x))))
            x = self.drop1(f.max_pool2d(x, 2)).flatten(1)
            return f.log_softmax(self.fc2(self.drop2(f.relu(self.fc1(x)))), dim=1)

    seed = 0

    def run() -> dict:
        nonlocal seed
        torch.manual_seed(seed)
        seed += 1
        chain = t.Compose([t.ToTensor(), t.Normalize((0.1307,), (0.3081,))])
        train = DataLoader(kind(asked["root"], True, chain), 64, shuffle=True, num_workers=2, persistent_workers=True)
        test = DataLoader(kind(asked["root"], False, chain), 1000, num_workers=2, persistent_workers=True)
        network = Network()
        optimiser = torch.optim.Adadelta(network.parameters(), lr=1.0)
        schedule = torch.optim.lr_scheduler.StepLR(optimiser, 1, 0.7)
        epoch = right = 0
        while right < asked["goal"] * len(test.dataset):
            epoch += 1
            network.train()
            for pixels, labels in train:
                optimiser.zero_grad()
                f.nll_loss(network(pixels), labels).backward()
                optimiser.step()
            schedule.step()
            network.eval()
            with torch.no_grad():
                right = sum(int((network(pixels).argmax(1) == labels).sum()) for pixels, labels in test)
        return {"epochs": epoch, "accuracy": right / len(test.dataset)}

    return run


def striate(argument: str) -> Callable[[], dict]:
    """The same goal with `striate.train`."""
    import striate as st

    asked = json.loads(argument)
    seed = 0

    def run() -> dict:
        nonlocal seed
        with tempfile.TemporaryDirectory() as folder:
            made = st.train(
                asked["where"], epochs=asked["epochs"], seed=seed, output=Path(folder) / "run", quiet=True, cache="ram"
            )
            accuracy = made.result["test"]["top1"]
        seed += 1
        return {"epochs": asked["epochs"], "accuracy": accuracy}

    return run


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


def to_an_accuracy(folder: Path) -> None:
    for name, (goal, epochs) in GOALS.items():
        with tempfile.TemporaryDirectory() as root:
            raw = Path(root, {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}[name], "raw")
            raw.mkdir(parents=True)
            for file in (folder / name).glob("*.gz"):
                with gzip.open(file) as packed, (raw / file.stem).open("wb") as plain:
                    shutil.copyfileobj(packed, plain)
            asked = {
                "data": name,
                "root": root,
                "goal": goal,
                "where": str(folder / name),
                "epochs": epochs,
            }
            ours, theirs = (
                Contestant(which, f"bench.train:{which}", json.dumps(asked)) for which in ("striate", "script")
            )
            work = []
            with ours, theirs:
                for _ in range(SEEDS):
                    for contestant in (ours, theirs):
                        contestant.turn()
                        work.append((contestant.name, contestant.seconds[-1], contestant.work))
        print(f"{name} to {100 * goal:.0f} % of the test set, {SEEDS} seeds")
        for contestant in (ours, theirs):
            mine = [(seconds, done) for who, seconds, done in work if who == contestant.name]
            each = ", ".join(
                f"{seconds:.1f} s ({done['epochs']} epochs, {100 * done['accuracy']:.2f} %)" for seconds, done in mine
            )
            print(f"  {contestant.name:8} median {median(contestant.seconds):6.1f} s: {each}")
        print(f"  ratio {median(theirs.seconds) / median(ours.seconds):.1f}\n", flush=True)


def overhead(folder: Path) -> None:
    for bfloat16 in (False, True):
        for name, (net, pictures) in SIZES.items():
            asked = json.dumps(
                {"where": str(folder / "fashion-mnist"), "net": net, "pictures": pictures, "bfloat16": bfloat16}
            )
            ours, bare = (
                Contestant("striate", "bench.train:train", asked),
                Contestant("loop", "bench.train:loop", asked),
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
    print()


def main() -> None:
    """Both, on the data of a folder."""
    folders = [Path(word) for word in sys.argv[1:] if Path(word).is_dir()]
    if len(folders) != 1 or not (folders[0] / "fashion-mnist").is_dir():
        sys.exit("bench train needs a folder with fashion-mnist and mnist: python -m bench train FOLDER")
    overhead(folders[0])
    to_an_accuracy(folders[0])
