"""Dataset.open: layouts of folders and archives, classes in order, names of any kind, and what is told of them."""

import os
import shutil

import numpy as np
import pytest
from grown import grow, many, picture, share, told

from striate.data.dataset import Dataset
from striate.data.sources.classes import natural
from striate.errors import DataError, PictureError


def test_folders_of_splits(split_root):
    data = Dataset.open(split_root)
    assert data.classes == ("cat", "dog")
    assert [len(data[split]) for split in ("train", "val", "test")] == [8, 4, 1]
    place = data.names.index("val/dog/1.png")
    assert (data.labels[place], data.splits[place]) == (1, "val")
    np.testing.assert_array_equal(data.picture(place).pixels[0, :, 0], list(pixels("val/dog/1.png")))
    assert data["test"].names == ["test/cat/9.png"]
    assert not data.skipped
    assert told(data, "classes without a picture in test: dog")


def pixels(name: str) -> bytes:
    from zlib import crc32

    return crc32(name.encode()).to_bytes(4)


@pytest.mark.parametrize("name", ["valid", "validation", "Val", "VALIDATION"])
def test_other_names_of_splits(tmp_path, name):
    data = Dataset.open(grow(tmp_path, *many(2, "Training/cat"), f"{name}/cat/deep/deeper/1.png"))
    assert share(data, "train") == {"cat": 2}
    assert data["val"].names == [f"{name}/cat/deep/deeper/1.png"]


def test_an_empty_class_folder_stays_a_class(tmp_path):
    data = Dataset.open(grow(tmp_path, *many(5, "cat", "fox"), "dog/", "papers/", "fox/deep/"))
    assert data.classes == ("cat", "dog", "fox", "papers")
    assert told(data, "classes without a picture: dog, papers")
    assert not told(data, "classes without a picture in")
    (tmp_path / "papers/list.txt").touch()
    data = Dataset.open(tmp_path)
    assert data.classes == ("cat", "dog", "fox")
    assert told(data, "folders without a picture, which are no classes: papers")
    split = grow(tmp_path / "split", "train/cat/1.png", "train/dog/", "val/dog/", "val/cat/2.png")
    assert Dataset.open(split).classes == ("cat", "dog")


def test_classes_written_in_two_ways_are_one(tmp_path):
    grow(tmp_path, "train/caf\u00e9/1.png", "val/cafe\u0301/2.png")
    assert Dataset.open(tmp_path).classes == ("caf\u00e9",)


def test_a_file_sets_the_order_of_classes(split_root, tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("\ufeffdog\n\nfox\r\n cat \n", encoding="utf-8")
    data = Dataset.open(split_root, classes=file)
    assert data.classes == ("dog", "fox", "cat")
    assert share(data, "train") == {"dog": 4, "fox": 0, "cat": 4}
    assert told(data, "classes without a picture: fox")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"cat\n", r"every class must be in the file of classes .*, but dog is not; it has cat: add it"),
        (b"cat\ndog\ncat\n", "names cat twice"),
        (b"fox\n", r"but cat, dog are not; it has fox: add them"),
        (b"\n", "is empty"),
        (b"caf\xe9\n", "cannot be read: it is not UTF-8"),
        (None, "cannot be read: No such file"),
    ],
)
def test_mistakes_in_a_file_of_classes(split_root, tmp_path, content, sentence):
    if content is not None:
        (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        Dataset.open(split_root, classes=tmp_path / "classes.txt")


def test_natural_order():
    names = ["10", "9", "a10", "a2b", "a2", "B1", "b02", "b2", "\u00b2", "7up"]
    assert sorted(names, key=natural) == ["7up", "9", "10", "a2", "a2b", "a10", "B1", "b02", "b2", "\u00b2"]


@pytest.mark.parametrize("ending", ["zip", "tar", "gztar"])
@pytest.mark.parametrize("top", [True, False])
def test_archives(split_root, tmp_path, ending, top):
    grow(split_root.parent, "pets/train/fox/")
    base = "pets" if top else "."
    path = shutil.make_archive(str(tmp_path / "pack"), ending, split_root.parent if top else split_root, base)
    data, folder = Dataset.open(path), Dataset.open(split_root)
    assert sorted(data.names) == sorted(folder.names)
    assert data.classes == folder.classes == ("cat", "dog", "fox")
    assert data.fingerprint == folder.fingerprint
    assert data.content_fingerprint() == folder.content_fingerprint()


def test_archives_of_one_class_and_of_tables_are_looked_through(tmp_path):
    def packed(*names: str) -> Dataset:
        path = shutil.make_archive(str(tmp_path / "pack"), "zip", grow(tmp_path / "root", *names))
        return Dataset.open(path)

    assert packed("cat/1.png", "cat/2.png").classes == ("cat",)
    (tmp_path / "root/cat/metadata.csv").write_text("file_name,label\n1.png,fox\n2.png,wolf\n")
    assert packed().classes == ("fox", "wolf")
    shutil.rmtree(tmp_path / "root")
    assert packed("train/cat/1.png", "train/dog/2.png").classes == ("cat", "dog")


def test_what_is_no_picture_is_counted(split_root):
    grow(split_root, "train/cat/notes.txt", "train/cat/.DS_Store", "train/cat/._1.png", "__MACOSX/train/x.png")
    data = Dataset.open(split_root)
    assert len(data) == 13
    assert told(data, "files that are not pictures: train/cat/")
    assert told(data, "hidden folders, which are skipped: __MACOSX")


def test_bad_files_stop_or_are_skipped_and_counted(split_root):
    (split_root / "train/cat/empty.png").touch()
    os.mkfifo(split_root / "train/cat/fifo.png")
    grow(split_root, "loose.png", "train/loose.png")
    with pytest.raises(
        DataError, match=r"fifo\.png is a FIFO.*, and there are 3 more; --on-bad skip .* `striate check"
    ):
        Dataset.open(split_root)
    data = Dataset.open(split_root, on_bad="skip")
    assert {p.name for p in data.skipped} == {
        "train/cat/empty.png",
        "train/cat/fifo.png",
        "loose.png",
        "train/loose.png",
    }
    assert len(data) == 13
    assert "skipped, because they cannot be used: 4" in str(data)
    assert data["train"].skipped == data.skipped
    with pytest.raises(DataError, match="to stop or to skip it, but 'guess' was asked for"):
        Dataset.open(split_root, on_bad="guess")  # type: ignore[arg-type]


def test_names_of_any_kind(tmp_path):
    names = [os.fsdecode(b"\xff.png"), "one\ntwo.png", "\U0001f408.png", "\u05d7\u202e.png", "n" * 251 + ".png"]
    root = grow(
        tmp_path, *(f"train/{folder}{name}" for folder in ("a/", "b\n/", os.fsdecode(b"c\xfe/")) for name in names)
    )
    data = Dataset.open(root)
    assert data.classes == ("a", "b\n", os.fsdecode(b"c\xfe"))
    assert len(data) == 15
    assert len(data.fingerprint) == 32
    str(data).encode("utf-8")
    (root / "train/a" / names[0]).write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"a/\\xff\.png is not a picture") as stop:
        Dataset.open(root).picture(data.names.index(f"train/a/{names[0]}"))
    str(stop.value).encode("utf-8")


def test_digits():
    data = Dataset.open("digits")
    assert data.classes == tuple("0123456789")
    assert len(data) == 1797
    assert abs(len(data["val"]) - 359) < 10


def test_a_summary_of_many_classes_names_the_smallest_and_the_largest(tmp_path):
    root = grow(tmp_path, *(f"train/class {n}/{k}.png" for n in range(40) for k in range(1 + (n == 7))), "train/none/")
    table = Dataset.open(root, on_bad="skip").summary()
    assert (table.rows[0]["class"], table.rows[-1]["class"]) == ("none", "class 7")
    assert len(table.rows) == 10
    assert table.total == {"class": "all", "train": 41, "pictures": 41}


def test_the_fingerprint_tells_of_changes(split_root):
    before = Dataset.open(split_root).fingerprint
    assert Dataset.open(split_root).fingerprint == before
    (split_root / "val/cat/0.png").write_bytes(picture("another") + b"longer")
    assert Dataset.open(split_root).fingerprint != before


def test_hidden_folders_are_told_by_name(tmp_path):
    data = Dataset.open(grow(tmp_path / "a", *many(2, ".net", "java", "java/.old")))
    assert data.classes == ("java",)
    assert told(data, "hidden folders, which are skipped: .net, java/.old")
    assert not told(data, "files that are not pictures")
    with pytest.raises(DataError, match=r"hidden folders alone, which are skipped: \.net/0\.png"):
        Dataset.open(grow(tmp_path / "b", ".net/0.png"))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("more", ["__MACOSX/cat/._0.png", "__MACOSX/"])
def test_what_a_mac_adds_is_no_class(tmp_path, packed, more):
    root = grow(tmp_path / "root", *many(5, "cat", "dog"), more)
    data = Dataset.open(shutil.make_archive(str(tmp_path / "a"), "zip", root) if packed else root)
    assert data.classes == ("cat", "dog")
    assert not told(data, "without a picture")


def test_a_folder_that_holds_one_folder_is_looked_through_as_an_archive_is(tmp_path):
    root = grow(tmp_path / "dw", *many(5, "Photos/a", "Photos/b"), ".DS_Store", "__MACOSX/Photos/a/._1.png")
    data, packed = Dataset.open(root), Dataset.open(shutil.make_archive(str(tmp_path / "a"), "zip", root))
    assert data.classes == packed.classes == ("a", "b")
    assert sorted(data.names) == sorted(packed.names)
    assert data.where == str(root / "Photos")  # where its names begin
    assert told(data, f"so {root / 'Photos'} was opened")
    assert Dataset.open(root / "Photos").fingerprint == data.fingerprint
    assert not told(Dataset.open(root / "Photos"), "was opened")


@pytest.mark.parametrize("names", [["Photos/1.png", "Photos/a/2.png"], ["Train/a/1.png"], ["Photos/a/1.png", "x.txt"]])
def test_a_class_a_split_and_one_of_several_things_are_not_looked_through(tmp_path, names):
    data = Dataset.open(grow(tmp_path, *names))
    assert data.where == str(tmp_path)
    assert not told(data, "was opened")
