"""Dataset.open: layouts of folders and archives, classes in order, splits, and what is told of each mistake."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from grown import grow, many, picture

from striate.data.dataset import Dataset
from striate.data.sources.classes import natural
from striate.errors import DataError, PictureError


def share(data: Dataset, split: str = "val") -> dict[str, int]:
    """How many pictures of each class a split has."""
    labels = data[split].labels
    return dict(zip(data.classes, np.bincount(labels, minlength=len(data.classes)).tolist(), strict=True))


def told(data: Dataset, words: str) -> bool:
    return any(words in note for note in data.notes)


@pytest.fixture
def split_root(tmp_path) -> Path:
    return grow(tmp_path / "pets", *many(4, "train/cat", "train/dog"), *many(2, "val/cat", "val/dog"), "test/cat/9.png")


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


def test_one_class_and_one_picture(tmp_path):
    data = Dataset.open(grow(tmp_path, "cat/1.png"))
    assert (data.classes, data.splits.tolist(), len(data)) == (("cat",), ["train"], 1)
    assert told(data, "there is one class only, cat")
    data = Dataset.open(grow(tmp_path, *many(10, "dog")))
    assert share(data) == {"cat": 0, "dog": 2}
    assert told(data, "classes without a picture in val: cat")


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
def test_archives(split_root, tmp_path, monkeypatch, ending, top):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
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
        DataError, match=r"fifo\.png is a FIFO.*, and there are 3 more; on_bad=.skip. .* `striate check"
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


def test_a_bad_name_in_a_message_prints_in_a_real_process(tmp_path):
    grow(tmp_path, os.fsdecode(b"train/cat/\xff.png"))
    (tmp_path / os.fsdecode(b"train/cat/\xff.png")).write_bytes(b"")
    code = "import sys; from striate.data.dataset import Dataset\n"
    code += "try: Dataset.open(sys.argv[1])\nexcept Exception as mistake: print(mistake)"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, timeout=60, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"cat/\\xff.png is empty" in done.stdout


@pytest.mark.parametrize(
    ("names", "where", "sentence"),
    [
        (
            ["a.png", "b.png"],
            "",
            r"in folders named by their class, such as cat/1.*: a\.png, b\.png; make a folder",
        ),
        (["train/a.png"], "", r"such as train/cat/1\.jpg, but those of .* do not: train/a\.png"),
        (["train/cat/1.png", "fox/2.png"], "", r"all be splits or all be classes, but train would be splits and fox"),
        (["val/cat/1.png", "valid/cat/2.png"], "", "each split must have one folder, but .* has val, valid"),
        (
            ["pets/train/cat/1.png", "README.md"],
            "",
            "the only one, pets, holds train; open it instead",
        ),
        ([".hidden/"], "", "is empty; a data set holds folders of pictures"),
        (["cat/", "dog/"], "", "the folders of .*root are empty: cat, dog; each would hold"),
        (["train/a/1.png", "vall/a/2.png"], "", r"and vall classes; did you mean val\? Otherwise move either"),
        (["a/1.HEIC", "a/2.heif"], "", r"HEIC is not read, and 2 pictures are HEIC, which must be converted to JPEG"),
        (["readme.txt"], "", r"holds no picture with one of the endings \.apng.*, but readme\.txt"),
        (["cat/pets.zip"], "", r"holds no picture, but cat/pets\.zip; open one of these"),
        (["cat/1.png"], "cat/1.png", "is one picture"),
        (["cat/readme.txt"], "cat/readme.txt", r"readme\.txt is none of these"),
        (["flowers/cat/1.png"], "flwers", r"does not exist; did you mean .*flowers\?"),
        (["cat/1.png"], "cat/1.png/2", r"does not exist"),
        (["cat/1.png"], "n" * 300, "cannot be opened: File name too long"),
        (["cat/1.png"], "\0", "does not exist"),
    ],
)
def test_wrong_things_are_explained(tmp_path, names, where, sentence):
    with pytest.raises(DataError, match=sentence) as stop:
        Dataset.open(grow(tmp_path / "root", *names) / where)
    assert len(str(stop.value).splitlines()) == 1


def test_devices_and_nothing_are_explained():
    with pytest.raises(DataError, match="/dev/null is none of these"):
        Dataset.open("/dev/null")


def test_nothing_is_not_taken_for_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(grow(tmp_path, "Photos/a/1.png"))
    with pytest.raises(DataError, match="but nothing was given"):
        Dataset.open("")


def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    root = grow(tmp_path / "root", "train/cat/1.png", "train/dog/2.png")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="dog cannot be listed: Permission denied"):
        Dataset.open(root)


def test_an_archive_of_nothing_usable_says_why(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../cat/1.png"))
    with pytest.raises(DataError, match=r"no picture that can be used: \.\./cat/1\.png has a name that leads out"):
        Dataset.open(tmp_path / "a.tar")


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


def test_opening_splits_reads_no_picture(split_root, monkeypatch):
    monkeypatch.setattr("striate.data.sources.trees.Folder.read", lambda tree, name: pytest.fail(f"{name} was read"))
    assert len(Dataset.open(split_root)) == 13


@pytest.mark.parametrize("kind", ["folder", "tar"])
@pytest.mark.parametrize(("ending", "count"), [("cls", 1), ("json", 3), ("txt", 3)])
def test_samples_of_shards_are_not_taken_for_class_folders(tmp_path, kind, ending, count):
    root = grow(tmp_path / "root", *many(2, "000", "001"))
    for name in many(2, "000", "001")[:count]:
        (root / name).with_suffix(f".{ending}").write_text("0")
    where = root if kind == "folder" else shutil.make_archive(str(tmp_path / "a"), "tar", root)
    with pytest.raises(DataError, match=rf"have a file \.{ending} beside them, .* striate\.open_shards opens"):
        Dataset.open(where)


def test_some_texts_beside_pictures_are_no_samples(tmp_path):
    root = grow(tmp_path, *many(2, "cat", "dog"))
    for name in ("cat/0.txt", "dog/1.txt"):
        (root / name).write_text("seen in the garden")
    assert Dataset.open(root).classes == ("cat", "dog")


@pytest.mark.parametrize("where", ["train-{000..010}.tar", "http://host/train-{0..1}.tar", "https://host/a.tar"])
def test_places_of_shards_lead_to_open_shards(where):
    with pytest.raises(DataError, match=r"opened by st\.open_shards\('") as stop:
        Dataset.open(where)
    assert where in str(stop.value)


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


@pytest.mark.parametrize("where", [3, None, ["cat", "dog"], b"cat"])
def test_what_is_no_path_is_told(where):
    with pytest.raises(DataError, match=r"a data set is a folder, .*, given as its path, but .* was given") as stop:
        Dataset.open(where)
    assert type(where).__name__ in str(stop.value)


def test_a_zip_that_is_cut_short_is_told(tmp_path):
    shutil.make_archive(str(tmp_path / "a"), "zip", grow(tmp_path / "root", *many(20, "cat", "dog")))
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"a\.zip begins as a zip archive but has no end, so it is cut short or broken"):
        Dataset.open(tmp_path / "a.zip")


def test_pictures_in_heic_are_told(tmp_path):
    data = Dataset.open(grow(tmp_path, *many(5, "cat", "dog"), "cat/7.HEIC", "cat/._7.heic", "cat/list.txt"))
    assert told(data, "ATTENTION, HEIC is not read, and 1 picture is HEIC, which must be converted to JPEG: cat/7.HEIC")
    assert "files that are not pictures: cat/._7.heic, cat/list.txt" in data.notes


def test_a_split_of_empty_class_folders_is_told(tmp_path):
    data = Dataset.open(grow(tmp_path, *many(5, "train/cat", "train/dog"), "val/cat/", "val/dog/"))
    assert len(data["val"]) == 2
    assert told(data, "folders of splits without a picture, which are no splits: val")


def test_a_suggested_command_can_be_pasted(tmp_path):
    root = grow(tmp_path / "my pets", "cat/1.png")
    (root / "cat/2.png").touch()
    with pytest.raises(DataError, match=r"`striate check '.*/my pets'` lists it"):
        Dataset.open(root)


@pytest.mark.parametrize("packed", [False, True])
def test_a_list_of_other_labels_beside_class_folders_is_told_and_not_used(tmp_path, monkeypatch, packed):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
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
