"""IDX files, as of MNIST, read back as they were written or refused."""

import gzip
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from array_files import opened, pixels, rows
from hypothesis import given
from hypothesis import strategies as st

from striate.data.sources.arrays import open_arrays, recognise
from striate.data.sources.trees import Folder
from striate.errors import DataError


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, part: str, pictures: np.ndarray, labels, form: str = "{}-{}-idx{}-ubyte") -> None:
    for what, array in (("images", pictures), ("labels", np.array(labels, np.uint8))):
        path = folder / form.format(part, what, array.ndim)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(idx(array)) if form.endswith(".gz") else idx(array))


@pytest.mark.parametrize(
    "form", ["{}-{}-idx{}-ubyte", "{}-{}-idx{}-ubyte.gz", "{}-{}.idx{}-ubyte", "MNIST/{}-{}-idx{}-ubyte.gz"]
)
def test_idx_files_are_read_back(tmp_path, form):
    train, test = pixels(3, 5, 4), pixels(2, 5, 4)
    write_idx(tmp_path, "train", train, [7, 0, 7], form)
    write_idx(tmp_path, "t10k", test, [1, 7], form)
    found = opened(tmp_path)
    assert found.names == ["train/00000", "train/00001", "train/00002", "test/00000", "test/00001"]
    assert found.labels == [("7",), ("0",), ("7",), ("1",), ("7",)]
    assert found.splits == ["train", "train", "train", "test", "test"]
    assert (found.gray, found.several, found.classes, found.notes) == (True, False, None, [])
    np.testing.assert_array_equal(rows(found), np.concatenate([train, test])[..., None])


def test_a_picture_is_a_view_that_cannot_be_written_with_a_stamp_of_its_pixels(tmp_path):
    pictures = pixels(2, 5, 4)
    write_idx(tmp_path, "train", pictures, [0, 1])
    source = opened(tmp_path).source
    picture = source.read(1)
    assert picture.shape == (5, 4, 1)
    assert not picture.flags.owndata
    assert not picture.flags.writeable
    assert source.stamp(1) == (20, zlib.crc32(pictures[1].tobytes()))


def test_class_names_beside_the_files_stand_for_the_numbers(tmp_path):
    write_idx(tmp_path, "train", pixels(3, 2, 2), [1, 0, 1])
    (tmp_path / "classes.txt").write_text("shirt\nbag\nnever seen\n")
    found = opened(tmp_path)
    assert found.labels == [("bag",), ("shirt",), ("bag",)]
    assert found.classes == ["shirt", "bag", "never seen"]
    (tmp_path / "classes.txt").write_text("shirt\n")
    with pytest.raises(DataError, match="there are names for 1 classes, 0 to 0, but train-labels-idx1-ubyte has 1"):
        opened(tmp_path)


def test_an_unpacked_twin_is_read_and_told(tmp_path):
    write_idx(tmp_path, "train", pixels(3, 2, 2), [1, 0, 1])
    write_idx(tmp_path, "train", pixels(9, 2, 2), [1] * 9, "{}-{}-idx{}-ubyte.gz")
    found = opened(tmp_path)
    assert len(found.names) == 3
    assert found.notes[0].startswith("train-images-idx3-ubyte.gz is not read")


def test_a_packed_set_takes_no_more_memory_than_its_pixels(tmp_path):
    pictures = pixels(5000, 28, 28) & 3  # packs to about 0.3 of its size, as MNIST does
    write_idx(tmp_path, "train", pictures, np.zeros(5000), "{}-{}-idx{}-ubyte.gz")
    tree = Folder(tmp_path)
    recognise(tree)
    tracemalloc.start()
    found = open_arrays(tree)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.names) == 5000
    assert peak < 1.6 * pictures.nbytes
    assert kept < 1.2 * pictures.nbytes


PICTURES = idx(np.zeros((2, 3, 3), np.uint8))
BROKEN = {
    "no head": (b"\0\0", "but train-images-idx3-ubyte ends after 2 bytes"),
    "text": (b"<html>not found</html>", "begin with 00 00 08 03 and their sizes, but .* begins with 3c 68 74 6d"),
    "floats": (b"\0\0\x0d" + PICTURES[3:], "begins with 00 00 0d 03"),
    "cut": (PICTURES[:-1], "states 2×3×3, which is 18 bytes, but it holds fewer"),
    "too long": (PICTURES + b"!", "states 2×3×3, which is 18 bytes, but it holds more"),
    "no width": (PICTURES[:12] + bytes(4), "at least one row and one column, but .* states 2×3×0"),
    "no picture": (idx(np.zeros((0, 3, 3), np.uint8)), "0 pictures and train-labels-idx1-ubyte has 2 labels"),
    "one more": (idx(np.zeros((3, 3, 3), np.uint8)), "3 pictures and train-labels-idx1-ubyte has 2 labels"),
    "huge": (PICTURES[:4] + b"\xff" * 12, "but it holds fewer"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_idx_file_is_refused(tmp_path, case):
    content, sentence = BROKEN[case]
    write_idx(tmp_path, "train", pixels(2, 3, 3), [0, 1])
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        opened(tmp_path)


@given(place=st.integers(0, 60), bit=st.integers(0, 7))
def test_a_packed_file_with_a_wrong_bit_is_refused_or_reads_the_same(tmp_path_factory, place, bit):
    folder = tmp_path_factory.mktemp("flip")
    pictures = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    write_idx(folder, "train", pictures, [0, 1], "{}-{}-idx{}-ubyte.gz")
    path = folder / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        found = opened(folder)
    except DataError as refused:
        assert "train-images-idx3-ubyte.gz" in str(refused)
    else:  # gzip keeps a time, a name and flags that change nothing
        np.testing.assert_array_equal(rows(found), pictures[..., None])


def test_a_small_packed_file_cannot_fill_the_memory(tmp_path):
    write_idx(tmp_path, "train", pixels(2, 3, 3), [0, 1], "{}-{}-idx{}-ubyte.gz")
    bomb = PICTURES[:8] + struct.pack(">2I", 3, 3) + bytes(50_000_000)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bomb))
    tree = Folder(tmp_path)
    tracemalloc.start()
    with pytest.raises(DataError, match="is 18 bytes, but it holds more"):
        open_arrays(tree)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_half_a_pair_is_refused(tmp_path):
    write_idx(tmp_path, "train", pixels(2, 3, 3), [0, 1])
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"has train-images-idx3-ubyte and no train-labels-idx1-ubyte or \.gz"):
        opened(tmp_path)


def test_two_sets_in_two_folders_are_told_apart_by_the_person(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_idx(tmp_path / folder, "train", pixels(2, 3, 3), [0, 1])
    with pytest.raises(DataError, match="lie in a, b; open one of them"):
        opened(tmp_path)
