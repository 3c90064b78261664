"""Arrays as pictures: IDX, .npz, CIFAR's binary batches and digits, read back as they were written or refused."""

import gzip
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.sources.arrays import open_arrays, open_digits, recognise
from striate.data.sources.trees import Folder
from striate.errors import DataError

RANDOM = np.random.default_rng(0)


def pixels(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, part: str, pictures: np.ndarray, labels, form: str = "{}-{}-idx{}-ubyte") -> None:
    for what, array in (("images", pictures), ("labels", np.array(labels, np.uint8))):
        path = folder / form.format(part, what, array.ndim)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(idx(array)) if form.endswith(".gz") else idx(array))


def opened(folder: Path):
    tree = Folder(folder)
    assert recognise(tree)
    return open_arrays(tree)


def rows(found) -> list[np.ndarray]:
    return [found.source.read(row) for row in range(len(found.names))]


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


def write_cifar(folder: Path, name: str, pictures: np.ndarray, *labels) -> None:
    heads = np.array(labels, np.uint8).T  # (n, labels)
    planes = pictures.transpose(0, 3, 1, 2).reshape(len(pictures), -1)
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(np.concatenate([heads, planes], axis=1).tobytes())


def test_cifar_10(tmp_path):
    pictures = pixels(12, 32, 32, 3)
    folder = tmp_path / "cifar-10-batches-bin"
    for number in range(5):
        write_cifar(folder, f"data_batch_{number + 1}.bin", pictures[2 * number : 2 * number + 2], [number, 9])
    write_cifar(folder, "test_batch.bin", pictures[10:], [3, 4])
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (folder / "batches.meta.txt").write_text("\n".join([*names, "", ""]))
    found = opened(tmp_path)
    assert found.classes == names
    assert [label for (label,) in found.labels[:4]] == ["airplane", "truck", "automobile", "truck"]
    assert found.labels[10:] == [("cat",), ("deer",)]
    assert found.names[9:] == ["train/00009", "test/00000", "test/00001"]
    assert not found.notes
    np.testing.assert_array_equal(rows(found), pictures)
    (folder / "data_batch_4.bin").unlink()
    assert opened(tmp_path).notes == ["data_batch_4.bin is not there"]


def test_cifar_100_has_its_fine_labels(tmp_path):
    pictures = pixels(3, 32, 32, 3)
    write_cifar(tmp_path, "train.bin", pictures[:2], [5, 6], [1, 0])
    write_cifar(tmp_path, "test.bin", pictures[2:], [7], [1])
    (tmp_path / "fine_label_names.txt").write_text("apple\nbear\n")
    found = opened(tmp_path)
    assert found.labels == [("bear",), ("apple",), ("bear",)]
    assert found.splits == ["train", "train", "test"]
    np.testing.assert_array_equal(rows(found), pictures)


def test_a_cut_batch_is_refused(tmp_path):
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(3073 + 3072))
    with pytest.raises(DataError, match=r"rows of 3,073 bytes, but data_batch_1.bin has 6,145 bytes"):
        opened(tmp_path)


@pytest.mark.parametrize(("files", "size"), [(("batches.meta", "data_batch_1"), 10), (("meta", "train", "test"), 100)])
def test_the_python_version_is_not_read_but_told_from(tmp_path, files, size):
    for name in files:
        (tmp_path / name).write_bytes(b"\x80\x02}")
    with pytest.raises(DataError, match=f"pickles can run code and are never read; cifar-{size}-binary.tar.gz from"):
        opened(tmp_path)


def test_pictures_in_folders_are_no_arrays(tmp_path):
    for name in ("train", "test", "meta"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"")
    assert not recognise(Folder(tmp_path))


def test_digits():
    from sklearn.datasets import load_digits

    found, original = open_digits(), load_digits()
    assert len(found.names) == 1797
    assert [int(label) for (label,) in found.labels] == original.target.tolist()
    pictures = np.array(rows(found))[..., 0]
    assert (pictures.dtype, pictures.min(), pictures.max()) == (np.uint8, 0, 255)
    np.testing.assert_allclose(pictures / 255, original.images / 16, atol=0.5 / 255 + 1e-9)
    assert (found.gray, set(found.splits)) == (True, {""})


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
