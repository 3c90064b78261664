"""Pictures to batches: striate beside torchvision's ImageFolder and DataLoader, two workers each.

    python -m bench data FOLDER

FOLDER holds photos (JPEG, in folders of any depth). They are resized and saved at quality 92, so that every machine
measures the same sizes: 400 of 500×375 and 24 of 4000×3000. Both sides read these files and hand over normalised
float32 batches of 64 at 224×224; torchvision does so by its documented transforms. Striate's first epoch decodes and
keeps what it decoded; the later ones read that. The row "bytes" is a later epoch handed over as bytes, as it is where a
GPU normalises them.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from statistics import median

from PIL import Image

from bench.turns import Contestant, race

PHOTOS = {"500×375": ((500, 375), 400), "12 Mpx": ((4000, 3000), 24)}
CHAINS = {"crop, mirror": "none, crop 0.08, mirror 0.5"}
CHAINS["crop, mirror, rotate, shear, colour"] = (
    CHAINS["crop, mirror"] + ", rotate 15, shear 10, brightness 0.4, contrast 0.4, saturation 0.4, hue 18"
)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH, WORKERS = 64, 2
EPOCHS = {"first": 1, "later": 5, "bytes": 5}  # of a turn: those from the cache are short
Work = list[float]
FIRST: dict[str, list[float]] = {}  # pictures a second in the first chain's first epoch, by kind: striate, torchvision


def photos(source: Path, folder: Path, size: tuple[int, int], count: int) -> None:
    """Save `count` photos of one size in two class folders."""
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    for number in range(count):
        with Image.open(files[number * len(files) // count]) as photo:
            to = folder / "ab"[number % 2] / f"{number}.jpg"
            to.parent.mkdir(parents=True, exist_ok=True)
            photo.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(to, quality=92)


class Sums:
    """Goes through normalised batches: how many pictures, their mean and spread, looked at in the first turn only."""

    def __init__(self, batches: Callable[[], Iterable], epochs: int = 1):
        self.batches, self.epochs, self.found = batches, epochs, []

    def __call__(self) -> Work:
        count, sums = 0, []
        for pixels in chain.from_iterable(self.batches() for _ in range(self.epochs)):
            count += len(pixels)
            if not self.found:
                assert pixels.shape[1:] == (3, 224, 224)
                assert str(pixels.dtype) == "torch.float32"
                sums.append([float(pixels.mean()) * len(pixels), float(pixels.std()) * len(pixels)])
        self.found = self.found or [float(count), *(sum(column) / count for column in zip(*sums, strict=True))]
        assert count == self.found[0]
        return self.found


def torchvision(argument: str) -> Callable[[], Work]:
    """ImageFolder and DataLoader."""
    from bench.peers import torchvision as load

    load()
    from torch.utils.data import DataLoader
    from torchvision import datasets
    from torchvision import transforms as t

    asked = json.loads(argument)
    more = [t.RandomAffine(15, shear=10), t.ColorJitter(0.4, 0.4, 0.4, 0.05)] if "rotate" in asked["chain"] else []
    steps = [t.RandomResizedCrop(224), t.RandomHorizontalFlip(), *more, t.ToTensor(), t.Normalize(MEAN, STD)]
    data = datasets.ImageFolder(asked["folder"], t.Compose(steps))
    loader = DataLoader(data, BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)
    return Sums(lambda: (pixels for pixels, _ in loader), EPOCHS[asked["epoch"]])


def striate(argument: str) -> Callable[[], Work]:
    """Striate's batches: from the files each time, or from what an earlier epoch kept."""
    import numpy as np

    from striate.data.batches import Batches
    from striate.data.dataset import Dataset
    from striate.data.distort.distortion import distortion
    from striate.data.normalise import normalised
    from striate.preprocess import Preprocess

    asked = json.loads(argument)
    os.environ["STRIATE_CACHE"] = asked["cache"]
    data = Dataset.open(asked["folder"])
    data = replace(data, splits=np.full(len(data), "train"))  # all of them, as ImageFolder takes them
    preprocess = Preprocess(mean=MEAN, std=STD)

    def batches() -> Batches:
        how = distortion(CHAINS[asked["chain"]])
        floats = asked["epoch"] != "bytes"
        return Batches(
            data, preprocess, batch_size=BATCH, distortion=how, workers=WORKERS, cache="disk", normalised=floats
        )

    kept = None if asked["epoch"] == "first" else batches()

    def numbers() -> Iterator:
        if not kept:  # another folder each time; deleting the last one is no part of what is measured
            os.environ["STRIATE_CACHE"] = tempfile.mkdtemp(dir=asked["cache"])
        for batch in kept or batches():
            ready = work.found or batch.pixels.is_floating_point()
            yield batch.pixels if ready else normalised(batch.pixels, preprocess)

    work = Sums(numbers, EPOCHS[asked["epoch"]])
    return work


def decoding(argument: str) -> Callable[[], Work]:
    """Pillow alone, decoding every file whole, or at the scale at which striate decodes it, in two threads."""
    asked = json.loads(argument)
    files = sorted(Path(asked["folder"]).rglob("*.jpg"))

    def decode(path: Path) -> int:
        with Image.open(path) as image:
            if asked.get("least"):
                image.draft(None, tuple(asked["least"]))
            image.load()
            return image.width

    def run() -> Work:
        with ThreadPoolExecutor(WORKERS) as pool:
            return [float(len(list(pool.map(decode, files))))]

    return run


def contest(folder: Path, cache: Path, chain: str, epoch: str, turns: int) -> str:
    """Race both sides on one chain; a line for the table."""
    asked = {"folder": str(folder), "chain": chain, "epoch": epoch, "cache": str(cache)}
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir()
    with (
        Contestant("striate", "bench.data:striate", json.dumps(asked)) as ours,
        Contestant("torchvision", "bench.data:torchvision", json.dumps(asked)) as theirs,
    ):
        race([ours, theirs], turns)
    count, mean, spread = ours.work
    chance = 0.1 + 2 / count**0.5  # crops and colours are random, and torchvision fills corners with black
    if theirs.work[0] != count or abs(theirs.work[1] - mean) > chance or abs(theirs.work[2] - spread) > chance:
        raise SystemExit(f"they did not do the same work: striate {ours.work}, torchvision {theirs.work}")
    ratio = median(theirs.seconds) / median(ours.seconds)
    if epoch == "first":
        FIRST.setdefault(folder.name, [count / median(side.seconds) for side in (ours, theirs)])
    return f"{rate(ours, count):>27} {rate(theirs, count):>27} {ratio:6.1f}×"


def rate(contestant: Contestant, count: float) -> str:
    """Pictures a second: the median, and the range."""
    low, high = count / max(contestant.seconds), count / min(contestant.seconds)
    return f"{count / median(contestant.seconds):7,.0f} ({low:,.0f} … {high:,.0f})"


def main(turns: int = 5) -> None:
    """Print the tables."""
    source = given_folder()
    if not source:
        return
    with tempfile.TemporaryDirectory() as place:
        print(f"{'photos':9} {'chain':36} {'epoch':6} {'striate, pictures/s':>27} {'torchvision':>27} {'ratio':>7}")
        for name, (size, count) in PHOTOS.items():
            folder, cache = Path(place) / name, Path(place) / "cache"
            photos(Path(source), folder, size, count)
            for chain in CHAINS:
                for epoch in ("first", "later", "bytes"):
                    result = contest(folder, cache, chain, epoch, turns)
                    print(f"{name:9} {chain:36} {epoch:6} {result}", flush=True)
        tell_decoding(Path(place), turns)


def tell_decoding(place: Path, turns: int) -> None:
    """How fast Pillow alone decodes these files with two threads: what both sides' first epoch cannot go below."""
    for name, (_, count) in PHOTOS.items():
        for least, what in ((None, "whole"), ((916, 687), "at the scale that 224 and crops of 8 % need")):
            asked = json.dumps({"folder": str(place / name), "least": least})
            with Contestant("decoding", "bench.data:decoding", asked) as alone:
                race([alone], turns)
            alone_rate = count / median(alone.seconds)
            shares = [f"{100 * one / alone_rate:.0f} %" for one in FIRST[name]]
            whose = f"{shares[0]} of striate's first epoch" + ("" if least else f", {shares[1]} of torchvision's")
            print(f"decoding alone, {name}, {what}: {rate(alone, count)} pictures/s: {whose}")


def given_folder() -> str | None:
    """The folder of photos that was typed after the bench's name."""
    folders = [word for word in sys.argv[1:] if Path(word).is_dir()]
    if not folders:
        print("a folder of photos is needed: python -m bench data data_memory FOLDER")
    return folders[0] if folders else None
