"""`striate get`: a data set comes whole into its folder; what a person put there stays; what to do by hand is told."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from serving import CONTENT, SUM, left, publish

import striate.data.sources.get as getting
from striate.cli import main
from striate.data.sources.download import RemoteFile
from striate.data.sources.get import Official, get, official
from striate.errors import DataError, UnknownName


def test_a_file_comes_whole_and_is_not_fetched_again(site, capsys):
    assert get("set") == Path("data/set/set.tgz")
    assert Path("data/set/set.tgz").read_bytes() == CONTENT
    assert left(Path("data/set")) == ["set.tgz"]
    assert "next: striate check data/set/set.tgz" in capsys.readouterr().err
    get("set")
    assert len(site.asked) == 1
    assert "already in data/set" in capsys.readouterr().err


def test_the_command_prints_the_place_alone(site, tmp_path, capsys):
    main(["get", "set", "--to", str(tmp_path / "here")])
    assert capsys.readouterr().out == f"{tmp_path / 'here' / 'set.tgz'}\n"


@pytest.mark.parametrize(("status", "words"), [(404, "answers 404 Not Found"), (403, "answers 403 Forbidden")])
def test_a_refusal_says_what_to_do_by_hand(site, capsys, status, words):
    site.status = status
    with pytest.raises(SystemExit) as stop:
        main(["get", "set"])
    *_, sentence, step = capsys.readouterr().err.rstrip().splitlines()
    assert stop.value.code == 2
    assert words in sentence
    assert sentence.endswith("; by hand, save")
    assert step == f"  {site.address} as data/set/set.tgz (SHA-256 {SUM})"


def test_offline_says_what_to_do_by_hand_for_every_file(site, monkeypatch):
    site.server.shutdown()
    site.server.server_close()
    other = RemoteFile(site.address.replace("set.tgz", "b.gz"), 5, "0" * 64)
    record = Official("set", "", "", "", (RemoteFile(site.address, len(CONTENT), SUM), other))
    monkeypatch.setattr(getting, "official", lambda: {"set": record})
    with pytest.raises(DataError, match="cannot be reached: Connection refused; by hand, save") as refused:
        get("set")
    assert str(refused.value).splitlines()[1:] == [
        f"  {site.address} as data/set/set.tgz (SHA-256 {SUM})",
        f"  {other.address} as data/set/b.gz (SHA-256 {'0' * 64})",
    ]
    assert not Path("data").exists()


@pytest.mark.parametrize("kept", ["data/mine.txt", "data/set/mine.txt"])
def test_a_folder_that_somebody_made_stays(site, kept):
    Path(kept).parent.mkdir(parents=True)
    Path(kept).touch()
    site.status = 404
    with pytest.raises(DataError, match="answers 404"):
        get("set")
    assert sorted(map(str, Path().rglob("*"))) == sorted(map(str, (kept, *Path(kept).parents[:-1])))


def test_a_name_that_leads_nowhere(monkeypatch, site):
    nowhere = RemoteFile("http://nowhere.invalid/set.tgz", 5, SUM)
    monkeypatch.setattr(getting, "official", lambda: {"set": Official("set", "", "", "", (nowhere,))})
    with pytest.raises(DataError, match=r"nowhere.invalid/set.tgz cannot be reached: .*by hand"):
        get("set")


def test_what_a_person_saved_by_hand_is_taken(site):
    Path("data/set").mkdir(parents=True)
    Path("data/set/set.tgz").write_bytes(CONTENT)
    get("set")
    assert site.asked == []


def test_somebody_elses_file_of_the_name_is_not_overwritten(site):
    Path("data/set").mkdir(parents=True)
    Path("data/set/set.tgz").write_bytes(b"mine")
    with pytest.raises(DataError, match="is not the published file of 600,000 bytes"):
        get("set")
    assert Path("data/set/set.tgz").read_bytes() == b"mine"


def test_a_full_disk_is_told_before_anything_is_fetched(site, monkeypatch):
    monkeypatch.setattr(getting.shutil, "disk_usage", lambda folder: SimpleNamespace(free=4))
    with pytest.raises(DataError, match=r"set takes 585.9 KiB more, but the disk of data/set has 4 B left"):
        get("set")
    assert site.asked == []


def test_a_folder_that_is_a_file_is_told(site, tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(DataError, match="the folder taken cannot be made: File exists"):
        get("set", to=Path("taken"))


def test_names_of_the_classes_are_written_beside_files_of_numbers(site, monkeypatch):
    publish(monkeypatch, site, classes=("T-shirt/top", "Trouser"))
    get("set")
    assert Path("data/set/classes.txt").read_text() == "T-shirt/top\nTrouser\n"


def test_an_unknown_name():
    with pytest.raises(UnknownName, match="no data set is called 'minst'; did you mean mnist"):
        get("minst")


def test_the_records_are_complete():
    records = official()
    assert list(records) == ["mnist", "fashion-mnist", "cifar10", "flowers", "imagenette"]
    for data in records.values():
        assert data.what and data.licence and data.home.startswith("http")
        assert len({file.name for file in data.files}) == len(data.files)
        for file in data.files:
            assert file.address.startswith("http") and file.size > 1000
            assert len(bytes.fromhex(file.sha256)) == 32
    assert len(records["fashion-mnist"].classes) == 10


def test_what_fails_inside_of_a_folder_is_not_told_as_another_process(tmp_path):
    with pytest.raises(BlockingIOError), getting.alone_in(tmp_path):
        raise BlockingIOError


def test_the_next_command_can_be_pasted(site, tmp_path, capsys):
    get("set", to=tmp_path / "my sets")
    assert f"next: striate check '{tmp_path}/my sets/set.tgz'" in capsys.readouterr().err
