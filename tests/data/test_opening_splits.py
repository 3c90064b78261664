"""Dataset.open holds out a validation split where none is given, and nothing that belongs together is torn."""

import numpy as np
import pytest
from grown import grow, many, picture, share, told

from striate.data.dataset import Dataset


def test_flat_folders_are_split_by_a_seed(tmp_path):
    root = grow(tmp_path, *many(10, "1", "2", "10"), "1/deep/x.png")
    data = Dataset.open(root)
    assert data.classes == ("1", "2", "10")
    assert share(data) == {"1": 2, "2": 2, "10": 2}
    assert len(data["train"]) == 25
    assert told(data, "6 of 31 pictures were held out for validation, 20 % of each class, by seed 0")
    again, other = Dataset.open(root), Dataset.open(root, seed=1)
    np.testing.assert_array_equal(again.splits, data.splits)
    assert (other.splits != data.splits).any()


def test_copies_stay_together(tmp_path):
    root = grow(tmp_path, *many(10, "cat", "dog"))
    copies = [f"cat/copy {number}.png" for number in range(3)]
    for name in copies:
        (root / name).write_bytes(picture("cat/0.png"))
    for number in range(20):
        (root / f"dog/copy {number}.png").write_bytes(picture("a dog"))
    data = Dataset.open(root)
    splits = dict(zip(data.names, data.splits.tolist(), strict=True))
    assert len({splits[name] for name in ["cat/0.png", *copies]}) == 1
    assert len({splits[f"dog/copy {number}.png"] for number in range(20)}) == 1
    assert told(data, "24 that are copies or of one group stay together")


def test_groups_stay_together(tmp_path):
    grow(tmp_path, *many(40, "pictures"))
    rows = [
        f"{name},{number % 2},{'' if number < 20 else number // 5}" for number, name in enumerate(many(40, "pictures"))
    ]
    (tmp_path / "t.csv").write_text("image,label,group\n" + "\n".join(rows))
    data = Dataset.open(tmp_path / "t.csv")
    for group in set(data.groups) - {""}:
        assert len(set(data.splits[data.groups == group])) == 1
    assert share(data) == {"0": 4, "1": 4}


def test_validation_is_carved_out_of_training_beside_a_test_split(tmp_path):
    data = Dataset.open(grow(tmp_path, *many(20, "train/cat", "train/dog"), *many(5, "test/cat", "test/dog")))
    assert share(data) == {"cat": 2, "dog": 2}
    assert share(data, "test") == {"cat": 5, "dog": 5}
    assert told(data, "4 of 40 pictures were held out for validation, 10 % of each class")


@pytest.mark.parametrize("split", ["val", "test"])
def test_one_split_is_enough_to_measure(tmp_path, split):
    data = Dataset.open(grow(tmp_path, *many(2, f"{split}/cat", f"{split}/dog")))
    assert set(data.splits) == {split}
    assert told(data, f"there is no training split, only {split}")


def test_a_class_missing_from_a_split_shifts_no_other(tmp_path):
    names = many(2, "train/a", "train/b", "train/c", "val/a", "val/c", "val/d")
    data = Dataset.open(grow(tmp_path, *names))
    assert data.classes == ("a", "b", "c", "d")
    assert share(data) == {"a": 2, "b": 0, "c": 2, "d": 2}
    assert told(data, "classes without a picture in val: b")
    assert told(data, "ATTENTION, nothing can be learned of classes without a picture in train: d")


def test_one_class_and_one_picture(tmp_path):
    data = Dataset.open(grow(tmp_path, "cat/1.png"))
    assert (data.classes, data.splits.tolist(), len(data)) == (("cat",), ["train"], 1)
    assert told(data, "there is one class only, cat")
    data = Dataset.open(grow(tmp_path, *many(10, "dog")))
    assert share(data) == {"cat": 0, "dog": 2}
    assert told(data, "classes without a picture in val: cat")


def test_opening_splits_reads_no_picture(split_root, monkeypatch):
    monkeypatch.setattr("striate.data.sources.trees.Folder.read", lambda tree, name: pytest.fail(f"{name} was read"))
    assert len(Dataset.open(split_root)) == 13


def test_a_split_of_empty_class_folders_is_told(tmp_path):
    data = Dataset.open(grow(tmp_path, *many(5, "train/cat", "train/dog"), "val/cat/", "val/dog/"))
    assert len(data["val"]) == 2
    assert told(data, "folders of splits without a picture, which are no splits: val")
