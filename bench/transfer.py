"""A new head on a frozen network: striate beside a loop in PyTorch and beside fastai, all as whole processes.

    python -m bench transfer FOLDER

FOLDER holds `flowers` (train and val, photos in folders of classes) and `googlenet_bvlc.safetensors`. Cold is a run
with an empty cache, warm the same once more. What the others do stands in `transfer_peers.py`. All begin with the same
weights and learn from the same pictures, and at the end what was frozen must still be the same, or the bench stops.
Every answer to a validation picture is compared with the other's (McNemar's test, exact). At the end the choice of
`--freeze auto` is compared with all others: see `freeze_points.py`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from bench.freeze_points import freeze_points
from bench.peers import FOLDER as PEERS
from bench.transfer_peers import sum_of
from striate.train.learn.tally import wilson
from striate.train.transfer.compare import compare

WEIGHTS = "googlenet_bvlc.safetensors"
STRIATE = str(Path(sys.executable).with_name("striate"))
WAYS = {"--freeze all": ["--freeze", "all"], "--freeze auto": []}  # auto is the default
FLOORS = {"cold": 5, "warm": 25}  # times as fast as the loop in PyTorch
TURNS, PEER_TURNS = 3, {"pytorch": 2, "fastai": 1}  # a turn of a peer takes minutes
EPOCHS = 10  # of the peers


@dataclass(frozen=True)
class Answers:
    """What was said of the validation pictures, in the order of their names.

    Parameters
    ----------
    names, labels, probabilities
        (n,), (n,) places in the classes, (n, classes)
    frozen
        a sum of the weights that were frozen; None where fewer of them were
    learned
        from how many pictures
    """

    names: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    frozen: int | None
    learned: int

    @classmethod
    def of(cls, found: dict[str, np.ndarray], frozen: int | None, learned: int) -> "Answers":
        """From the arrays that all keep."""
        order = np.argsort(found["names"])
        return cls(*(found[name][order] for name in ("names", "labels", "probabilities")), frozen, learned)

    @property
    def right(self) -> int:
        """How many pictures were named right."""
        return int((self.probabilities.argmax(1) == self.labels).sum())

    def check(self, other: "Answers") -> None:
        """Stop where the other one did another work."""
        sums = {each.frozen for each in (self, other)} - {None}
        same = np.array_equal(self.names, other.names) and np.array_equal(self.labels, other.labels)
        if not same or self.learned != other.learned or len(sums) > 1:
            raise SystemExit("they did not do the same work: other pictures or labels, or frozen weights that moved")


@dataclass
class Side:
    """A contestant with its turns.

    Parameters
    ----------
    name
        what it is called in the results
    seconds
        of each turn
    answers
        of each turn
    """

    name: str
    seconds: list[float] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)

    def add(self, seconds: float, answers: Answers) -> None:
        """Note a turn, and say so."""
        if self.answers:
            answers.check(self.answers[0])
        self.seconds.append(seconds)
        self.answers.append(answers)
        print(f"  {self.name}: {seconds:.1f} s, {answers.right} of {len(answers.labels)} right", flush=True)

    def line(self) -> str:
        """Seconds, and how many were right in the first turn and in all."""
        first, total = self.answers[0].right, len(self.answers[0].labels)
        low, high = wilson(first, total)
        shares = [100 * each.right / total for each in self.answers]
        time = f"{median(self.seconds):6.1f} s ({min(self.seconds):.1f} … {max(self.seconds):.1f})"
        accuracy = f"{shares[0]:.1f} % right ({100 * low:.1f} … {100 * high:.1f})"
        others = f"; turns from {min(shares):.1f} to {max(shares):.1f} %" if len(set(shares)) > 1 else ""
        return f"{self.name:20} {time:28} {accuracy}{others}"


def process(words: list[str], cache: Path) -> float:
    """Run a whole process; gives its seconds."""
    start = perf_counter()
    done = subprocess.run(
        words,
        env={**os.environ, "STRIATE_CACHE": str(cache)},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    seconds = perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} has failed:\n{done.stderr[-2000:]}")
    return seconds


def ours(folder: Path, place: Path, way: str) -> tuple[float, Answers]:
    """A run of striate, which stays in `place`/run."""
    import striate

    shutil.rmtree(place / "run", ignore_errors=True)
    words = [STRIATE, "train", str(folder / "flowers"), "googlenet", "--weights", str(folder / WEIGHTS), *WAYS[way]]
    seconds = process([*words, "--output", str(place / "run"), "--quiet"], place / "cache")
    run = striate.open_run(place / "run")
    frozen = sum_of(run.net()[:-1]) if run.recipe.freeze == "all" else None
    return seconds, Answers.of(run.predictions, frozen, run.config["data"]["pictures"]["train"])


def theirs(folder: Path, place: Path, peer: str, seed: int) -> tuple[float, Answers]:
    """A whole process of a peer."""
    answers = place / "answers.npz"
    asked = {"pictures": folder / "flowers", "weights": folder / WEIGHTS, "answers": answers}
    told = json.dumps({name: str(path) for name, path in asked.items()} | {"epochs": EPOCHS, "seed": seed})
    seconds = process([sys.executable, "-W", "ignore", "-m", "bench.transfer_peers", peer, told], place / "cache")
    with np.load(answers) as found:
        arrays = dict(found)
    return seconds, Answers.of(arrays, int(arrays["frozen"]), int(arrays["learned"]))


def take_turns(folder: Path, place: Path, peers: Sequence[str]) -> dict[str, Side]:
    """All turns, one process at a time."""
    for file in (folder / "flowers").rglob("*.jpg"):
        file.read_bytes()  # nobody waits for the disk
    process([sys.executable, "-c", "import torch, onnxruntime"], place / "cache")
    names = [*(f"{way}, {state}" for way, state in product(WAYS, FLOORS)), *peers]
    sides = {name: Side(name) for name in names}
    for turn in range(max(TURNS, *PEER_TURNS.values())):
        for way in WAYS if turn < TURNS else ():
            shutil.rmtree(place / "cache", ignore_errors=True)
            for state in FLOORS:
                sides[f"{way}, {state}"].add(*ours(folder, place, way))
        for peer in peers:
            if turn < PEER_TURNS[peer]:
                sides[peer].add(*theirs(folder, place, peer, turn))
    return sides


def tell(sides: dict[str, Side], peers: Sequence[str]) -> None:
    """The table, the ratios, and whose answers are better."""
    print()
    for side in sides.values():
        side.answers[0].check(sides["pytorch"].answers[0])
        print(side.line())
    for (way, state), peer in product(product(WAYS, FLOORS), peers):
        ratio = median(sides[peer].seconds) / median(sides[f"{way}, {state}"].seconds)
        floor = f"; at least {FLOORS[state]}×: {'yes' if ratio >= FLOORS[state] else 'NO'}" if peer == "pytorch" else ""
        print(f"{way}, {state}: {ratio:.1f} times as fast as {peer}{floor}")
    for way, peer in product(WAYS, peers):
        mine = sides[f"{way}, cold"].answers[0]
        for number, other in enumerate(sides[peer].answers):
            found = compare(mine.probabilities, other.probabilities, mine.labels)
            print(f"{way} beside {peer}, seed {number}: {found}")


def main() -> None:
    """Take turns, and print what came of it."""
    folders = [Path(word).absolute() for word in sys.argv[1:] if Path(word).is_dir()]
    if len(folders) != 1 or not (folders[0] / "flowers").is_dir() or not (folders[0] / WEIGHTS).is_file():
        sys.exit(f"bench transfer needs a folder with flowers and {WEIGHTS}: python -m bench transfer FOLDER")
    peers = [peer for peer in PEER_TURNS if peer == "pytorch" or (PEERS / peer).is_dir()]
    left_out = [f"{peer} is not installed in {PEERS.name}, so it is left out" for peer in PEER_TURNS.keys() - peers]
    print(*left_out, f"OpenVINO is {'' if find_spec('openvino') else 'not '}installed", sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as place:
        tell(take_turns(folders[0], Path(place), peers), peers)
        os.environ["STRIATE_CACHE"] = str(Path(place) / "cache")
        freeze_points(Path(place) / "run", folders[0] / WEIGHTS)
