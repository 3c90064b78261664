"""The memory that an epoch takes: striate beside torchvision, and with ten times as many pictures.

    python -m bench data_memory FOLDER

Each is a process of its own, with its workers: memory of their own or shared among them, and beside it the pages of
files, libraries and kept pixels, which the system takes back when it needs them. The largest of 20 looks a second.
"""

import json
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import bench.data
from bench.data import Work, given_folder, photos
from bench.turns import Contestant


def memory(argument: str) -> Callable[[], Work]:
    """MiB that an epoch takes at most, after one that nobody watched."""
    run = getattr(bench.data, json.loads(argument)["who"])(argument)
    run()

    def watched() -> Work:
        peak, stop = [0.0, 0.0], threading.Event()

        def watch() -> None:
            while not stop.wait(0.05):
                peak[:] = map(max, peak, occupied())

        watcher = threading.Thread(target=watch)
        watcher.start()
        run()
        stop.set()
        watcher.join()
        return peak

    return watched


def occupied() -> list[float]:
    """MiB of this process and its children: memory of their own (or shared among them), and pages of files."""
    own, files = 0, 0
    here = os.getpid()
    children = Path(f"/proc/{here}/task/{here}/children").read_text().split()
    for process in [str(here), *children]:
        try:
            rows = dict(line.split(":") for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:])
        except (OSError, ValueError):  # it has just ended
            continue
        own += sum(int(rows[kind].split()[0]) for kind in ("Pss_Anon", "Pss_Shmem"))
        files += int(rows["Pss_File"].split()[0])
    return [own / 1024, files / 1024]


def main() -> None:
    """Print a line for each."""
    source = given_folder()
    if not source:
        return
    with tempfile.TemporaryDirectory() as place:
        for size, count in (((500, 375), 400), ((4000, 3000), 24), ((320, 240), 1000), ((320, 240), 10_000)):
            folder = Path(place) / f"{count} of {size[1]}×{size[0]}"
            photos(Path(source), folder, size, min(count, 1000))
            for number in range(1000, count):  # the same content under another name is another picture
                (folder / "ab"[number % 2] / f"{number}.jpg").hardlink_to(
                    folder / "ab"[number % 2] / f"{number % 1000}.jpg"
                )
            for who in ("striate", "torchvision"):
                asked = {"folder": str(folder), "chain": "crop, mirror", "epoch": "first", "who": who}
                asked["cache"] = tempfile.mkdtemp(dir=place)
                with Contestant(who, "bench.data_memory:memory", json.dumps(asked)) as measured:
                    measured.turn()
                own, files = measured.work
                print(f"{folder.name:20} {who:12} {own:7,.0f} MiB, and {files:6,.0f} MiB of files", flush=True)
