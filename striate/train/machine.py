"""What a training ran on: the same numbers to the last bit need the same machine."""

import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from striate.data.rooms import known_device


def pick_device(asked: str | None) -> torch.device:
    """The device that was asked for, else a GPU if there is one."""
    return known_device(asked or ("cuda" if torch.cuda.is_available() else "cpu"))


def machine(device: torch.device, processes: int) -> dict[str, Any]:
    """All that the last bit of a result depends on, beside the recipe and the data."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": gpu or device.type,
        "processes": processes,
    }


def other_machine(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """A sentence where the machine is not what it was."""
    changed = [f"{what} {before[what]} before, {now[what]} now" for what in before if now.get(what) != before[what]]
    if not changed:
        return []
    return [f"not on the same machine as before, so the last bits may differ: {'; '.join(changed)}"]


def command() -> str:
    """The words that started this process, as one would type them."""
    program = Path(sys.argv[0]).name
    if program in ("striate", "__main__.py"):
        return shlex.join(["striate", *sys.argv[1:]])
    return f"striate.train(…) in {program or 'Python'}"
