"""Pixels that are kept: the same for every writer, whole after a kill, refused where there is no room."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from striate.data import store as store_module
from striate.data.store import Store
from striate.errors import DataError

SHAPES = np.array([[2, 3, 3], [4, 4, 1], [0, 0, 3], [1, 1, 3], [70, 90, 3]])


def pixels(place: int) -> np.ndarray:
    """What a picture of that place looks like."""
    return np.random.default_rng(place).integers(0, 256, SHAPES[place % len(SHAPES)], dtype=np.uint8)


@pytest.mark.parametrize("where", ["ram", "disk"])
def test_what_is_put_is_what_is_got(tmp_path, where):
    store = Store(SHAPES, tmp_path / "a" / "b" if where == "disk" else None)
    assert store.bytes == 18 + 16 + 3 + 18_900
    for place in (4, 0, 1, 3):
        assert store.get(place) is None
        store.put(place, pixels(place))
        np.testing.assert_array_equal(store.get(place), pixels(place))
    assert store.get(2) is None
    assert not store.complete()
    store.put(2, pixels(2))
    assert store.complete()
    if where == "disk":
        with pytest.raises(ValueError, match="read-only"):
            store.get(1)[:] = 0


def test_a_later_process_finds_what_an_earlier_one_left(tmp_path):
    Store(SHAPES, tmp_path).put(1, pixels(1))
    later = Store(SHAPES, tmp_path)
    np.testing.assert_array_equal(later.get(1), pixels(1))
    assert later.get(0) is None


def test_half_a_store_is_not_trusted_after_the_machine_was_restarted(tmp_path, monkeypatch):
    Store(SHAPES, tmp_path).put(1, pixels(1))
    monkeypatch.setattr(store_module, "_boot", lambda: "another start")
    store = Store(SHAPES, tmp_path)
    assert store.get(1) is None
    for place in range(len(SHAPES)):
        store.put(place, pixels(place))
    assert store.complete()
    monkeypatch.setattr(store_module, "_boot", lambda: "a third start")
    np.testing.assert_array_equal(Store(SHAPES, tmp_path).get(1), pixels(1))


def test_no_pixels_is_a_store_too(tmp_path):
    assert Store(np.zeros((0, 3), int), tmp_path).complete()


def test_a_picture_of_another_size_is_refused(tmp_path):
    with pytest.raises(DataError, match="it changed"):
        Store(SHAPES, tmp_path).put(0, pixels(1))


def test_no_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "SPARE", 2**60)
    with pytest.raises(DataError, match=r"needs 18\.5 KiB in .*, where .* are free; \$STRIATE_CACHE"):
        Store(SHAPES, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    with pytest.raises(DataError, match=r"needs 18\.5 KiB of memory"):
        Store(SHAPES, None)


def test_a_full_disk_does_not_harm_what_is_there(tmp_path, monkeypatch):
    Store(SHAPES, tmp_path).put(1, pixels(1))
    monkeypatch.setattr(store_module, "SPARE", 2**60)
    np.testing.assert_array_equal(Store(SHAPES, tmp_path).get(1), pixels(1))


@pytest.mark.parametrize("damage", ["pixels", "there", "boot", "about.json"])
def test_a_folder_that_somebody_cleared_in_part_shows_no_wrong_picture(tmp_path, damage):
    store = Store(SHAPES, tmp_path)
    for place in range(len(SHAPES)):
        store.put(place, pixels(place))
    assert store.complete()
    (tmp_path / damage).unlink()
    later = Store(SHAPES, tmp_path)
    for place in range(len(SHAPES)):
        found = later.get(place)
        assert found is None or np.array_equal(found, pixels(place))
    assert (later.get(1) is None) == (damage in ("pixels", "there"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="cannot be written: Permission denied"):
        Store(SHAPES, tmp_path / "cache")


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written: .*STRIATE_CACHE names another folder"):
        Store(SHAPES, tmp_path / "cache")


WRITER = """
import sys, pathlib
sys.path.insert(0, {tests!r})
import numpy as np
from test_store import SHAPES, pixels
from striate.data.store import Store
shapes = np.tile(SHAPES, ({count}, 1))
store = Store(shapes, pathlib.Path({folder!r}))
print("ready", flush=True)
for place in range(len(shapes)):
    if store.get(place) is None:
        store.put(place, pixels(place))
        if place % 100 == 0:
            print("on", flush=True)
print(store.complete())
"""


def writer(folder: Path, count: int) -> subprocess.Popen:
    code = WRITER.format(tests=str(Path(__file__).parent), folder=str(folder), count=count)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_two_processes_fill_one_store(tmp_path):
    both = [writer(tmp_path, 200) for _ in range(2)]
    assert ["True" in process.communicate(timeout=60)[0] for process in both] == [True, True]
    shapes = np.tile(SHAPES, (200, 1))
    store = Store(shapes, tmp_path)
    for place in range(len(shapes)):
        np.testing.assert_array_equal(store.get(place), pixels(place))


def test_a_killed_writer_leaves_nothing_half_written(tmp_path):
    shapes = np.tile(SHAPES, (2000, 1))
    found = []
    for lines in (2, 5, 9):  # "ready", and one for every hundred pictures
        process = writer(tmp_path, 2000)
        assert process.stdout
        for _ in range(lines):
            process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        store = Store(shapes, tmp_path)
        there = [place for place in range(len(shapes)) if store.get(place) is not None]
        for place in there:
            np.testing.assert_array_equal(store.get(place), pixels(place))
        found.append(len(there))
    assert 0 < found[0] <= found[1] <= found[2] < len(shapes)  # killed on the way, and each went on from there
