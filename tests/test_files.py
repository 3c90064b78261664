"""Files that striate writes: safe against a power failure, too."""

from pathlib import Path

from striate.files import write_whole


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
