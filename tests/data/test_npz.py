""".npz files, as of Keras and MedMNIST, read back as they were written or refused; nothing in them ever runs."""

import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from array_files import opened, pixels, rows

from striate.data.sources.arrays import recognise
from striate.data.sources.trees import Folder
from striate.errors import DataError


def write_npz(folder: Path, **arrays) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder


def test_keras_names(tmp_path):
    train, test = pixels(3, 4, 5, 3), pixels(1, 4, 5, 3)
    found = opened(write_npz(tmp_path, x_train=train, y_train=[[2], [0], [2]], x_test=test, y_test=[[0]]))
    assert found.labels == [("2",), ("0",), ("2",), ("0",)]
    assert found.splits == ["train", "train", "train", "test"]
    assert not found.gray
    np.testing.assert_array_equal(rows(found), np.concatenate([train, test]))


def test_medmnist_names_and_an_array_that_is_not_read(tmp_path):
    arrays = {f"{split}_images": pixels(2, 3, 3) for split in ("train", "val", "test")}
    labels = {f"{split}_labels": np.array([[0], [1]], np.uint8) for split in ("train", "val", "test")}
    found = opened(write_npz(tmp_path, **arrays, **labels, weights=np.ones(3)))
    assert found.splits == ["train"] * 2 + ["val"] * 2 + ["test"] * 2
    assert found.names[2] == "val/00000"
    assert found.notes == ["weights of data.npz is not read"]
    np.testing.assert_array_equal(rows(found), np.concatenate(list(arrays.values()))[..., None])


@pytest.mark.parametrize(("pictures", "labels"), [("images", "labels"), ("x", "y")])
@pytest.mark.parametrize("texts", [np.array(["zwölf", "a", "a"]), np.array(["zwölf".encode(), b"a", b"a"])])
def test_plain_names_and_texts_as_labels(tmp_path, pictures, labels, texts):
    found = opened(write_npz(tmp_path, **{pictures: pixels(3, 2, 2, 1), labels: texts}))
    assert found.labels == [("zwölf",), ("a",), ("a",)]
    assert found.splits == ["", "", ""]
    assert found.names == ["00000", "00001", "00002"]


def test_several_labels_keep_classes_that_never_occur(tmp_path):
    found = opened(write_npz(tmp_path, images=pixels(3, 2, 2), labels=[[0, 1, 0], [1, 1, 0], [0, 0, 0]]))
    assert found.several
    assert found.labels == [("1",), ("0", "1"), ()]
    assert found.classes == ["0", "1", "2"]
    assert not found.notes


def test_one_label_each_written_as_several_is_told(tmp_path):
    found = opened(write_npz(tmp_path, images=pixels(2, 2, 2), labels=np.eye(2, dtype=bool)))
    assert found.several
    assert "every picture has exactly one label" in found.notes[0]


def test_the_columns_of_several_labels_have_names(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    found = opened(write_npz(tmp_path, images=pixels(2, 2, 2), labels=[[1, 1], [0, 1]]))
    assert found.labels == [("cat", "dog"), ("dog",)]
    (tmp_path / "classes.txt").write_text("cat\n")
    with pytest.raises(DataError, match=r"have 2 columns, but classes.txt names 1 classes"):
        opened(tmp_path)


GOOD = np.zeros((2, 3, 3), np.uint8)
REFUSED = {
    "floats": ({"x": GOOD / 255, "y": [0, 1]}, r"x of data.npz is float64 of \(2, 3, 3\); where its white is 1, save"),
    "wide": ({"x": GOOD.astype(np.int64), "y": [0, 1]}, r"pictures are uint8 of .*, but x of data.npz is int64"),
    "channels first": ({"x": np.zeros((2, 3, 8, 8), np.uint8), "y": [0, 1]}, r"save x.transpose\(0, 2, 3, 1\)"),
    "four channels": ({"x": np.zeros((2, 8, 8, 4), np.uint8), "y": [0, 1]}, r"uint8 of \(2, 8, 8, 4\)"),
    "flat": ({"x": np.zeros((2, 9), np.uint8), "y": [0, 1]}, r"uint8 of \(2, 9\)"),
    "no rows": ({"x": GOOD[:0], "y": np.zeros(0, int)}, "holds no picture"),
    "counts": ({"x": GOOD, "y": [0, 1, 1]}, "x of data.npz has 2 rows and y has 3"),
    "float labels": ({"x": GOOD, "y": [0.0, 1.0]}, r"y of data.npz is float64 of \(2,\); save it with"),
    "labels of 2": ({"x": GOOD, "y": [[0, 2], [1, 0]]}, r"y of data.npz is int64 of \(2, 2\)"),
    "one scalar": ({"x": GOOD, "y": 3}, r"y of data.npz is int64 of \(\)"),
    "no pair": ({"x": GOOD, "labels": [0, 1]}, "arrays are called x_train and y_train .*, but data.npz has x, labels"),
    "two forms": ({"x": GOOD, "y": [0, 1], "x_train": GOOD, "y_train": [0, 1]}, "but data.npz has x, y, x_train"),
    "two shapes": (
        {"x_train": GOOD, "y_train": [0, 1], "x_test": GOOD, "y_test": [[0, 1], [1, 0]]},
        r"have one shape \(n,\) or \(n, classes\)",
    ),
    "gray and colour": (
        {"x_train": GOOD, "y_train": [0, 1], "x_test": np.zeros((2, 3, 3, 3), np.uint8), "y_test": [0, 1]},
        "all pictures are gray or all have three channels",
    ),
    "not UTF-8": ({"x": GOOD, "y": np.array([b"\xff", b"a"])}, "texts are UTF-8, but y of data.npz is not"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_npz_file_that_does_not_fit_is_refused(tmp_path, case):
    arrays, sentence = REFUSED[case]
    with pytest.raises(DataError, match=sentence):
        opened(write_npz(tmp_path, **arrays))


class Runs:
    """What a pickle can do."""

    def __reduce__(self):
        return exec, ("raise SystemExit('it ran')",)


@pytest.mark.parametrize("key", ["x", "y"])
def test_a_pickle_never_runs(tmp_path, key):
    arrays: dict = {"x": GOOD, "y": [0, 1], key: np.array([Runs(), Runs()], dtype=object)}
    with pytest.raises(DataError, match=f"{key} of data.npz is an array of Python objects, a pickle"):
        opened(write_npz(tmp_path, **arrays))


def test_broken_npz_files(tmp_path):
    path = write_npz(tmp_path, x=pixels(20, 9, 9), y=np.zeros(20, int)) / "data.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(DataError, match=r"data.npz is an .npz file that is cut short or broken"):
        opened(tmp_path)
    for content in (b"", b"x, y\n1, 2\n"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"numpy.savez writes, but data.npz begins as something else$"):
            opened(tmp_path)
    place = whole.index(b"NUMPY") + 500
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(DataError, match=r"x of data.npz cannot be read: Bad CRC-32"):
        opened(tmp_path)
    with path.open("wb") as file:
        np.save(file, GOOD)
    with pytest.raises(DataError, match=r"data.npz is a single one \(.npy\)"):
        opened(tmp_path)


def test_an_npz_file_that_states_more_than_the_memory_has(tmp_path):
    path = write_npz(tmp_path, y=[0, 1]) / "data.npz"
    with zipfile.ZipFile(path, "a") as archive:
        head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999, 9, 9), }"
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(50))
    with pytest.raises(DataError, match=r"x of data.npz (does not fit into the memory|cannot be read)"):
        opened(tmp_path)


def test_npz_files_beside_pictures_are_something_else_and_two_are_one_too_many(tmp_path):
    write_npz(tmp_path, x=GOOD, y=[0, 1])
    (tmp_path / "second.npz").write_bytes((tmp_path / "data.npz").read_bytes())
    with pytest.raises(DataError, match=r"has data.npz, second.npz; give the path of one"):
        opened(tmp_path)
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.JPG").write_bytes(b"")
    assert not recognise(Folder(tmp_path))


def test_a_small_npz_file_cannot_fill_the_memory(tmp_path):
    pictures = np.zeros((70, 1000, 1000), np.uint8)
    np.savez_compressed(tmp_path / "data.npz", x=pictures, y=np.zeros(70, int))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"x of data\.npz would unpack from .* to 66\.8 MiB, more than 100 times"):
        opened(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    np.savez(tmp_path / "data.npz", x=pictures, y=np.zeros(70, int))
    assert len(opened(tmp_path).names) == 70
