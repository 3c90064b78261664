"""The newest two states: which are kept, which is taken."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import longest_file

from striate.errors import StriateError, WeightsError
from striate.train.keep.checkpoints import Checkpoints


def save(states: Checkpoints, *steps: int) -> None:
    for step in steps:
        states.save(step, {"a": torch.tensor(step)}, {"step": step})


def files(folder: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("step-")) for path in folder.glob("step-*.safetensors"))


def spoil(folder: Path, step: int) -> None:
    path = folder / f"step-{step:08}.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def newest(states: Checkpoints) -> int:
    found = states.newest()
    assert found
    assert (found.tensors["a"].item(), found.about) == (found.step, {"step": found.step})
    return found.step


def test_the_newest_two_are_kept(tmp_path):
    states = Checkpoints(tmp_path / "new" / "states")
    assert states.newest() is None
    assert not (tmp_path / "new").exists()
    path = states.save(9, {"a": torch.tensor(9)}, {"step": 9})
    assert path == tmp_path / "new/states/step-00000009.safetensors"
    assert newest(states) == 9
    save(states, 10, 123_456_789)
    assert files(states.folder) == [10, 123_456_789]
    assert newest(Checkpoints(states.folder)) == 123_456_789


@given(st.lists(st.integers(0, 200_000_000), min_size=1, max_size=6))
@settings(max_examples=30)  # each waits for the disk
def test_a_saved_state_is_the_newest_and_at_most_one_earlier_stays(tmp_path_factory, steps):
    states = Checkpoints(tmp_path_factory.mktemp("states"))
    model: set[int] = set()
    for step in steps:
        save(states, step)
        model = set(sorted({other for other in model if other < step} | {step})[-2:])
        assert files(states.folder) == sorted(model)
        assert newest(states) == step


def test_a_saved_step_is_replaced(tmp_path):
    states = Checkpoints(tmp_path)
    save(states, 1, 2)
    states.save(2, {"a": torch.tensor(5)}, {"other": True})
    found = states.newest()
    assert found
    assert (found.step, found.about, files(tmp_path)) == (2, {"other": True}, [1, 2])


def test_a_damaged_one_is_told_and_the_one_before_taken(tmp_path):
    states = Checkpoints(tmp_path)
    save(states, 10, 20)
    assert states.newest().notes == []
    spoil(tmp_path, 20)
    found = states.newest()
    assert found
    assert found.step == 10
    (note,) = found.notes
    assert note.startswith(f"the bytes of {tmp_path}/step-00000020.safetensors must be those that were written, but")
    assert note.endswith("; step-00000010.safetensors is used instead")
    assert files(tmp_path) == [10, 20]  # nothing is removed before something is saved


@pytest.mark.parametrize("step", [15, 20, 30])
def test_a_damaged_one_does_not_count_as_one_of_the_two(tmp_path, step):
    save(Checkpoints(tmp_path), 10, 20)
    spoil(tmp_path, 20)
    states = Checkpoints(tmp_path)
    assert newest(states) == 10
    save(states, step)
    assert files(tmp_path) == [10, step]
    spoil(tmp_path, step)
    assert newest(Checkpoints(tmp_path)) == 10


def test_none_whole_is_told_with_every_reason(tmp_path):
    states = Checkpoints(tmp_path)
    save(states, 10, 20)
    spoil(tmp_path, 20)
    (tmp_path / "step-00000010.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"is whole: .*step-00000020.* SHA-256 .*; .*step-00000010.* has 0 in all"):
        states.newest()


def test_what_killed_writers_left_goes_and_what_is_others_stays(tmp_path):
    for name in (".0123456789abcdef.part", "step-1.safetensors", "notes.txt", ".hidden"):
        (tmp_path / name).write_bytes(b"x")
    states = Checkpoints(tmp_path)
    assert states.newest() is None
    save(states, 1)
    left = [".hidden", "notes.txt", "step-00000001.safetensors", "step-1.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == left


def test_a_full_disk_removes_nothing(tmp_path):
    states = Checkpoints(tmp_path)
    save(states, 1, 2)
    with longest_file(5_000), pytest.raises(StriateError, match=r"step-00000003\.safetensors cannot be written: File"):
        states.save(3, {"a": torch.ones(10_000)}, {})
    assert files(tmp_path) == [1, 2]
    assert newest(states) == 2


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StriateError, match="taken cannot be written: File exists"):
        Checkpoints(tmp_path / "taken").save(1, {}, {})
