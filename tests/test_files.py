"""Files that striate writes: safe against a power failure, too."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from striate.errors import StriateError
from striate.files import check_folder, whole_folder, write_text, write_whole


def test_the_content_is_safe_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    output = tmp_path / "a.txt"
    output.write_text("old")
    kept = []

    def fsync(place: int) -> None:
        kept.append((Path(f"/proc/self/fd/{place}").readlink().suffix, output.read_text()))

    monkeypatch.setattr("striate.files.os.fsync", fsync)
    write_whole(output, lambda file: file.write(b"new"))
    assert kept == [(".part", "old"), ("", "new")]
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "answers.csv"
    link.symlink_to(tmp_path / "elsewhere" / "answers.csv")
    for text in ("new", "newer"):
        write_text(link, text)
        assert link.is_symlink()
        assert (tmp_path / "elsewhere" / "answers.csv").read_text() == text
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["answers.csv", "answers.csv", "elsewhere"]
    device = tmp_path / "device.csv"
    device.symlink_to("/dev/null")
    with pytest.raises(StriateError, match=r"ordinary file, but \S*device.csv is a pipe or a device"):
        write_text(device, "lost")


@pytest.mark.parametrize("moment", range(4))  # before and behind each of both names
def test_a_folder_is_the_old_or_the_new_one_whenever_it_is_interrupted(tmp_path, monkeypatch, moment):
    folder, rename, moments = tmp_path / "models", Path.rename, iter(range(4))

    def interrupted(path: Path, other: Path) -> None:
        for step in (lambda: None, lambda: rename(path, other)):
            step()
            if next(moments, None) == moment:
                raise KeyboardInterrupt

    for text in ("old", "new"):
        with pytest.raises(KeyboardInterrupt) if text == "new" else nullcontext(), whole_folder(folder, bool) as part:
            (part / "a.txt").write_text(text)
            if text == "new":
                monkeypatch.setattr(Path, "rename", interrupted)
    assert (folder / "a.txt").read_text() == ("new" if moment == 3 else "old")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_link_to_a_folder_stays_and_a_folder_has_a_name(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "models").symlink_to(tmp_path / "store")
    for text in ("old", "new"):
        with whole_folder(tmp_path / "models", bool) as part:
            (part / "a.txt").write_text(text)
    assert (tmp_path / "models").is_symlink()
    assert (tmp_path / "store" / "a.txt").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "store"]
    for nameless in (Path(), tmp_path / ".."):
        with pytest.raises(StriateError, match="the output is a folder with a name of its own, but is "):
            check_folder(nameless, bool)
