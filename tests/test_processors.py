"""How many processors there are, of a container, too."""

import os
from pathlib import Path

import pytest

from striate.processors import processors

ALL = len(os.sched_getaffinity(0))


def system(folder: Path, group: str, limits: dict[str, str]) -> Path:
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text(f"4:memory:/elsewhere\n0::{group}\n")
    for place, limit in limits.items():
        (folder / "sys/fs/cgroup" / place).mkdir(parents=True, exist_ok=True)
        (folder / "sys/fs/cgroup" / place / "cpu.max").write_text(limit)
    return folder


@pytest.mark.parametrize(
    ("group", "limits", "expected"),
    [
        ("/", {}, ALL),  # not in a container
        ("/", {"": "max 100000\n"}, ALL),
        ("/", {"": "50000 100000\n"}, 1),  # half a processor
        ("/", {"": "100000 100000\n"}, 1),
        ("/", {"": "100000000 100000\n"}, ALL),  # more than there are
        ("/pod/one", {"pod/one": "max 100000\n", "pod": "20000 100000\n"}, 1),  # the group around it is bound
    ],
)
def test_a_share_of_the_machine_is_counted(group, limits, expected, tmp_path):
    assert processors(system(tmp_path, group, limits)) == expected


def test_a_machine_without_groups_has_all(tmp_path):
    assert processors(tmp_path) == ALL


def test_no_more_than_this_process_may_use():
    one = {min(os.sched_getaffinity(0))}
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, one)
    try:
        assert processors() == 1
    finally:
        os.sched_setaffinity(0, before)
