"""How long `striate check` takes for 10,000 photos, as a whole process, with nothing remembered.

    python -m bench check FOLDER

FOLDER holds photos. Each gives as many different pieces as make 10,000 pictures of 500×375, saved at quality 92.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from PIL import Image

from bench.data import given_folder

COUNT, SIZE = 10_000, (500, 375)


def pieces(source: Path, folder: Path) -> None:
    """Save pieces of photos in two classes of two splits."""
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    random = np.random.default_rng(0)
    for number in range(COUNT):
        with Image.open(files[number % len(files)]) as photo:
            width, height = (side * random.uniform(0.3, 0.6) for side in photo.size)
            left, top = random.uniform(0, photo.width - width), random.uniform(0, photo.height - height)
            piece = photo.convert("RGB").resize(SIZE, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
        to = folder / ("val" if number % 5 == 0 else "train") / "ab"[number % 2] / f"{number}.jpg"
        to.parent.mkdir(parents=True, exist_ok=True)
        piece.save(to, quality=92)


def main(turns: int = 3) -> None:
    """Print the seconds."""
    source = given_folder()
    if not source:
        return
    seconds = []
    with tempfile.TemporaryDirectory() as place:
        pieces(Path(source), Path(place) / "photos")
        for turn in range(turns):
            words = [sys.executable, "-m", "striate", "check", f"{place}/photos", "--page", f"{place}/check.html"]
            start = perf_counter()
            done = subprocess.run(
                words,
                env={**os.environ, "STRIATE_CACHE": f"{place}/cache{turn}"},
                capture_output=True,
                check=True,
                text=True,
            )
            seconds.append(perf_counter() - start)
        assert f"{COUNT:,} pictures in 2 classes" in done.stdout, done.stdout
    print(f"striate check of {COUNT:,} photos of {SIZE[0]}×{SIZE[1]}, with its page: {median(seconds):.1f} s", end="")
    print(f" ({min(seconds):.1f} … {max(seconds):.1f})")
