"""What Dataset.open does not open, each with a sentence that says what would work."""

import os
import shutil
import subprocess
import sys
import tarfile

import pytest
from grown import grow, many, told

from striate.data.dataset import Dataset
from striate.errors import DataError


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


def test_a_suggested_command_can_be_pasted(tmp_path):
    root = grow(tmp_path / "my pets", "cat/1.png")
    (root / "cat/2.png").touch()
    with pytest.raises(DataError, match=r"`striate check '.*/my pets'` lists it"):
        Dataset.open(root)
