"""Which table of a folder says what its pictures are, and which is another list."""

import shutil

import pytest
from grown import grow, many, share, told

from striate.data.dataset import Dataset
from striate.errors import DataError


@pytest.mark.parametrize("packed", [False, True])
def test_a_list_of_other_labels_beside_class_folders_is_told_and_not_used(tmp_path, packed):
    names = many(2, *(f"{split}/{name}" for split in ("train", "val") for name in ("n01440764", "n02102040")))
    root = grow(tmp_path / "imagenette", *names)
    rows = "".join(f"{name},n01440764,n02102040,{name.startswith('val')}\n" for name in names)
    (root / "noisy_imagenette.csv").write_text("path,noisy_labels_0,noisy_labels_1,is_valid\n" + rows)
    where = shutil.make_archive(str(tmp_path / "a"), "gztar", tmp_path, "imagenette") if packed else root
    data = Dataset.open(where)
    assert data.classes == ("n01440764", "n02102040")
    assert share(data) == share(data, "train") == {"n01440764": 2, "n02102040": 2}
    assert told(data, "noisy_imagenette.csv is not used, for folders tell the classes")


def test_a_table_without_names_of_columns_beside_folders_is_told(tmp_path):
    (grow(tmp_path / "a", *many(3, "pictures")) / "list.csv").write_text("pictures/0.png,cat\npictures/1.png,dog\n")
    with pytest.raises(DataError, match=r"must name the columns, .* list\.csv is a picture's: pictures/0\.png, cat"):
        Dataset.open(tmp_path / "a")
    (grow(tmp_path / "b", *many(3, "cat", "dog")) / "list.csv").write_text("cat/0.png,fox\n")
    assert told(Dataset.open(tmp_path / "b"), "list.csv is not used, for folders tell the classes, and it is no table")


@pytest.mark.parametrize("content", [b"caf\xe9;3\n", b'image,label\r"', b"image,label\n1,2,3\n"])
def test_a_broken_table_beside_class_folders_is_told_and_not_used(tmp_path, content):
    (grow(tmp_path, "cat/1.png", "dog/2.png") / "notes.csv").write_bytes(content)
    data = Dataset.open(tmp_path)
    assert data.classes == ("cat", "dog")
    assert told(data, "notes.csv is not used, for folders tell the classes, and it is no table: ")


def test_a_broken_table_is_no_note_where_folders_are_no_classes(tmp_path):
    (grow(tmp_path, "train/1.png", "test/2.png") / "labels.csv").write_bytes(b"image,label\ntrain/1.png,caf\xe9\n")
    with pytest.raises(DataError, match=r"in UTF-8, but row 2 of labels\.csv is not"):
        Dataset.open(tmp_path)


def test_a_folder_with_a_table(tmp_path):
    root = grow(tmp_path, "1.png", "2.png", "3.png", "deep/4.png")
    (root / "list.csv").write_text("image,label\n1.png,cat\n2.png,dog\n")
    data = Dataset.open(root)
    assert data.names == ["1.png", "2.png"]
    assert "classes are those of the table list.csv" in data.notes
    assert "pictures that the table does not name: 3.png, deep/4.png" in data.notes
    (root / "other.csv").write_text("image,label\n1.png,cat\n")
    with pytest.raises(DataError, match=r"has list\.csv, other\.csv; give the path of one"):
        Dataset.open(root)
    (root / "metadata.jsonl").write_text('{"file_name": "3.png", "label": "fox"}')
    assert Dataset.open(root).names == ["3.png"]


def test_a_list_of_something_else_beside_class_folders_is_no_table(tmp_path):
    root = grow(tmp_path, "cat/1.png", "dog/2.png")
    (root / "prices.csv").write_text("animal,price\ncat,3\n")
    data = Dataset.open(root)
    assert data.classes == ("cat", "dog")
    assert "files that are not pictures: prices.csv" in data.notes
