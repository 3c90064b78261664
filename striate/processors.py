"""How many processors this process may use: a container may have fewer than its machine."""

import os
from math import ceil
from pathlib import Path

SYSTEM = Path("/")


def processors(system: Path = SYSTEM) -> int:
    """As many threads as can run at once: what the system lets this process use, and what its group's share allows.

    Parameters
    ----------
    system
        where /proc and /sys are
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([count, *(max(1, ceil(share)) for share in _shares(system))])


def _shares(system: Path) -> list[float]:
    """Processors that Linux gives to the groups (cgroup v2) that this process is in; those without a limit left out."""
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no such groups here
        return []
    shares = []
    for line in lines:
        if line.startswith("0::/"):
            group = system / "sys/fs/cgroup" / line.removeprefix("0::/")
            for folder in (group, *group.parents):
                limit = folder / "cpu.max"
                if limit.is_file():
                    quota, period = limit.read_text().split()
                    shares += [int(quota) / int(period)] if quota != "max" else []
    return shares
