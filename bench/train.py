"""Training to an accuracy: striate beside the script that a user would write.

    python -m bench train FOLDER

FOLDER holds `fashion-mnist` and `mnist` as IDX files.

The script follows PyTorch's own example for MNIST (DataLoader with two workers, ToTensor and Normalize for each
picture, two convolutions and two fully connected layers, Adadelta with rate 1 times 0.7 each epoch, batches of 64) and
is stopped at the end of the first epoch in which it reaches the accuracy on the test set, so it trains not one epoch
too many. Striate trains for a number of epochs that was fixed beforehand, and its time holds all of a run: the
forecast, validation, checkpoints, the test, the report. Both are timed from open files on; three seeds each, in turns.
"""

import gzip
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.turns import Contestant

SEEDS = 3
GOALS = {"fashion-mnist": (0.91, 3), "mnist": (0.99, 2)}  # accuracy, and striate's epochs


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


def main() -> None:
    """Both goals, on the data of a folder."""
    folder = given_folder("train")
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


def given_folder(bench: str) -> Path:
    """The folder of data that was typed after the bench's name."""
    folders = [Path(word) for word in sys.argv[1:] if Path(word).is_dir()]
    if len(folders) != 1 or not (folders[0] / "fashion-mnist").is_dir():
        sys.exit(f"bench {bench} needs a folder with fashion-mnist, mnist, flowers: python -m bench {bench} FOLDER")
    return folders[0]
