"""Files that striate writes: safe against a power failure, too."""

from pathlib import Path

import pytest

from striate.errors import StriateError
from striate.files import write_text, write_whole


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
