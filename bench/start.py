"""Whole processes, from the shell and back: what the user waits for."""

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

STRIATE = str(Path(sys.executable).with_name("striate"))
PROCESSES = {
    "import torch": [sys.executable, "-c", "import torch"],
    "striate shapes vgg16": [STRIATE, "shapes", "vgg16"],
    "striate shapes resnet152": [STRIATE, "shapes", "resnet152"],
    "striate --help": [STRIATE, "--help"],
}


def main(turns: int = 5) -> None:
    """Print the table."""
    seconds: dict[str, list[float]] = {name: [] for name in PROCESSES}
    for number in range(turns + 1):
        for name, words in PROCESSES.items():
            start = perf_counter()
            subprocess.run(words, check=True, capture_output=True)
            if number:  # the first turn fills the disk cache
                seconds[name].append(perf_counter() - start)
    torch = median(seconds["import torch"])
    for name, taken in seconds.items():
        over = median(taken) - torch
        print(
            f"{name:26} {median(taken):6.2f} s ({min(taken):.2f} … {max(taken):.2f}), {over:+.2f} s beside import torch"
        )
