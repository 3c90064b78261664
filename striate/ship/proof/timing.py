"""How long both sides take, by turns, and what measured it."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

from striate.processors import processors
from striate.ship.proof.sides import Picture, Side
from striate.show.numbers import count

ROUNDS, LONG = 3, 20.0  # in which both sides are timed, one after the other; and seconds after which none begins
PAUSE = 0.2  # seconds between them: threads of who was just asked spin for a while, and would hold up the other's
VERSIONS = ("striate", "torch", "onnxruntime", "onnx", "numpy", "opencv-python-headless", "pillow")


def timed(file: Side, network: Side, pictures: list[Picture], batch: int) -> list[dict[str, Any]]:
    """Milliseconds a picture of both sides, by turns.

    Parameters
    ----------
    file, network
        the sides
    pictures
        to ask about, again and again where they are fewer
    batch
        how many at a time
    """
    sides = {"file": file, "network": network}
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    shown = [pictures[place % len(pictures)] for place in range(batch)]
    begun = perf_counter()
    for _ in range(ROUNDS):
        if any(turns.values()) and perf_counter() - begun > LONG:
            break
        for name, side in sides.items():
            sleep(PAUSE)
            turns[name] += side.ask("timed", shown)
    return [
        {
            "batch": batch,
            "side": name,
            "whole": 1000 * median(decoding + rest for decoding, rest in found) / batch,
            "decoded": 1000 * median(rest for _, rest in found) / batch,
            "turns": len(found),
        }
        for name, found in turns.items()
    ]


def made_with() -> dict[str, str]:
    """What measured: versions and machine."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        **{name: version(name) for name in VERSIONS},
        "machine": f"{processor()}, {count(processors(), 'core')}, {platform.system()}",
    }


def processor() -> str:
    """What the processor is called."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
