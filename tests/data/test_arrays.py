"""Arrays as pictures: CIFAR's binary batches and digits, read back as they were written or refused."""

from pathlib import Path

import numpy as np
import pytest
from array_files import opened, pixels, rows

from striate.data.sources.arrays import open_digits, recognise
from striate.data.sources.trees import Folder
from striate.errors import DataError


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
