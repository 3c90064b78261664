"""How long `striate report` takes for 1,000 pictures, as a whole process, and how large its page is.

    python -m bench report FOLDER

FOLDER holds `flowers`, 1,000 photos, and `googlenet_bvlc.safetensors`. A run gets a head on GoogLeNet first, which is
not timed; then all photos are what it is judged by, and all are checked.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.look import WEIGHTS
from bench.train import given_folder


def main(turns: int = 3) -> None:
    """Print the seconds."""
    folder = given_folder("report")
    photos, weights = str(folder / "flowers"), str(folder / WEIGHTS)
    with tempfile.TemporaryDirectory() as place:
        run, seconds = f"{place}/run", []

        def striate(*words: str, cache: str) -> str:
            settings = {**os.environ, "STRIATE_CACHE": f"{place}/{cache}"}
            command = [sys.executable, "-m", "striate", *words]
            return subprocess.run(command, env=settings, capture_output=True, check=True, text=True).stdout

        head = ("--net", "googlenet", "--weights", weights, "--freeze", "all")
        striate("train", photos, *head, "--output", run, "--quiet", cache="training")
        for turn in range(turns):
            start = perf_counter()
            striate("report", run, photos, cache=str(turn))  # with nothing remembered
            seconds.append(perf_counter() - start)
        page = Path(run, "report.html").read_text(encoding="utf-8")
        assert "1,000 pictures" in page
    print(f"striate report of 1,000 photos and GoogLeNet: {median(seconds):.1f} s", end=" ")
    print(f"({min(seconds):.1f} … {max(seconds):.1f}), a page of {len(page.encode()) / 1e6:.1f} MB")
