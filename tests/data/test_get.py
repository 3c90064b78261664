"""Downloads from a local server that resumes, breaks, lies and refuses; nothing half-done ever bears the right name."""

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import striate.data.sources.download as downloading
import striate.data.sources.get as getting
from striate.cli import main
from striate.data.sources.download import RemoteFile
from striate.data.sources.get import Official, get, official
from striate.errors import DataError, UnknownName

CONTENT = np.random.default_rng(0).bytes(600_000)
SUM = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """What the server does: it can be told to break off, to be slow, to refuse, to send something else."""

    server: ThreadingHTTPServer
    content: bytes = CONTENT
    etag: str = '"first"'
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)  # after so many bytes of one answer each
    status: int = 0
    pause: float = 0
    part_from: int | None = None  # what a partial answer says, where it lies
    asked: list[tuple[str, str]] = field(default_factory=list)  # Range and If-Range of each request

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/set.tgz"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site: Site = self.server.site  # type: ignore[attr-defined]
        asked, version = self.headers.get("Range", ""), self.headers.get("If-Range", "")
        site.asked.append((asked, version))
        if site.status:
            return self.send_error(site.status)
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0) if site.ranges else 0
        if start and version and version != site.etag:
            start = 0
        if start >= len(site.content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(site.content) - start))
        self.send_header("ETag", site.etag)
        if start:
            first = start if site.part_from is None else site.part_from
            self.send_header("Content-Range", f"bytes {first}-{len(site.content) - 1}/{len(site.content)}")
        self.end_headers()
        body = site.content[start:]
        body = body[: site.cuts.pop(0)] if site.cuts else body
        for at in range(0, len(body), 20_000):
            self.wfile.write(body[at : at + 20_000])
            time.sleep(site.pause)
        return None

    def log_message(self, format, *args):
        pass


class Server(ThreadingHTTPServer):
    site: Site

    def handle_error(self, request, client_address):
        """A client that was killed is what some tests are about."""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server, and a record of `set` that points to it."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    server = Server(("127.0.0.1", 0), Handler)
    server.site = Site(server)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    publish(monkeypatch, server.site)
    monkeypatch.chdir(tmp_path)
    yield server.site
    server.shutdown()
    server.server_close()


def publish(monkeypatch, site, **more) -> None:
    record = Official("set", "pictures", "http://home", "MIT", (RemoteFile(site.address, len(CONTENT), SUM),), **more)
    monkeypatch.setattr(getting, "official", lambda: {"set": record})


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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


def test_a_connection_that_breaks_is_taken_up_where_it_broke(site, capsys):
    site.cuts = [200_000, 150_000]
    get("set")
    assert Path("data/set/set.tgz").read_bytes() == CONTENT
    assert [asked for asked, _ in site.asked] == ["", "bytes=200000-", "bytes=350000-"]
    assert [version for _, version in site.asked] == ["", '"first"', '"first"']
    assert "ended after 200,000 of 600,000 bytes; going on at byte 200,000" in capsys.readouterr().err


def test_a_connection_that_never_gets_further_is_given_up_and_kept(site):
    site.cuts = [200_000, 0]
    with pytest.raises(DataError, match=r"200,000 bytes are kept, .*; by hand, save\n  http"):
        get("set")
    assert left(Path("data/set")) == ["set.tgz.part", "set.tgz.part.etag"]
    get("set")
    assert Path("data/set/set.tgz").read_bytes() == CONTENT


def test_a_server_that_stalls_is_left_and_the_part_kept(site, monkeypatch):
    monkeypatch.setattr(downloading, "TIMEOUT", 0.1)
    monkeypatch.setattr(downloading, "ATTEMPTS", 2)
    site.pause = 0.4
    with pytest.raises(DataError, match=r"broke: timed out; 40,000 bytes are kept"):
        get("set")
    assert Path("data/set/set.tgz.part").read_bytes() == CONTENT[:40_000]


def test_a_server_without_ranges_starts_over_and_says_so(site, capsys):
    site.cuts, site.ranges = [200_000], False
    get("set")
    assert Path("data/set/set.tgz").read_bytes() == CONTENT
    assert "changed or cannot resume; starting over" in capsys.readouterr().err


def start_part(content: bytes, etag: str = '"first"') -> Path:
    part = Path("data/set/set.tgz.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(content)
    part.with_name("set.tgz.part.etag").write_text(etag)
    return part


def test_a_file_that_changed_at_the_server_starts_over(site):
    start_part(b"?" * 1000, '"older"')
    get("set")
    assert site.asked == [("bytes=1000-", '"older"')]
    assert Path("data/set/set.tgz").read_bytes() == CONTENT


def test_a_weak_version_is_not_sent_for_it_promises_nothing(site):
    start_part(CONTENT[:1000], 'W/"first"')
    get("set")
    assert site.asked == [("bytes=1000-", "")]


@pytest.mark.parametrize("length", [len(CONTENT) + 1, len(CONTENT) * 2])
def test_a_part_that_is_too_long_starts_over(site, length, capsys):
    start_part(b"?" * length)
    get("set")
    assert "is longer than set.tgz; starting over" in capsys.readouterr().err
    assert Path("data/set/set.tgz").read_bytes() == CONTENT


def test_a_byte_that_the_server_does_not_have_starts_over_or_ends(site):
    start_part(CONTENT[:599_000])
    site.content = CONTENT[:500_000]
    with pytest.raises(DataError, match=r"has 600,000 bytes, but http.* sends 500,000"):
        get("set")
    assert [asked for asked, _ in site.asked] == ["bytes=599000-", ""]


def test_a_part_that_is_complete_is_checked_without_the_network(site):
    start_part(CONTENT)
    get("set")
    assert site.asked == []
    assert left(Path("data/set")) == ["set.tgz"]


def test_another_content_of_the_same_length_is_removed_with_both_sums(site):
    site.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    wrong = hashlib.sha256(site.content).hexdigest()
    with pytest.raises(DataError, match=f"{wrong}, but {SUM} is right; it was removed"):
        get("set")
    assert not Path("data").exists()


def test_a_part_from_another_place_is_refused(site):
    start_part(CONTENT[:1000])
    site.part_from = 0
    with pytest.raises(DataError, match=r"bytes from 1,000 of 600,000 were asked for, but .* sends bytes 0-"):
        get("set")
    assert Path("data/set/set.tgz.part").read_bytes() == CONTENT[:1000]


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


def test_a_second_process_does_not_write_into_the_same_part(site, tmp_path):
    part = start_part(CONTENT[:1000])
    program = (
        "import pathlib, sys\nfrom striate.data.sources.get import alone_in\n"
        "with alone_in(pathlib.Path('data/set')): sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as other:
        until = time.monotonic() + 20
        while not is_locked(part.parent) and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(DataError, match=r"one process at a time fetches into a folder, and another is at data/set"):
            get("set")
        assert site.asked == []
        other.kill()
    assert get("set").read_bytes() == CONTENT


def is_locked(folder: Path) -> bool:
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(place)
    return False


def test_a_folder_that_is_a_file_is_told(site, tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(DataError, match="the folder taken cannot be made: File exists"):
        get("set", to=Path("taken"))


def test_ctrl_c_keeps_the_part(site, monkeypatch, capsys):
    blocks = [CONTENT[:70_000]]

    def interrupt(file, response):
        if blocks:
            return blocks.pop()
        raise KeyboardInterrupt

    with monkeypatch.context() as change, pytest.raises(KeyboardInterrupt):
        change.setattr(downloading, "next_block", interrupt)
        get("set")
    assert "`striate get set` goes on where it was" in capsys.readouterr().err
    assert Path("data/set/set.tgz.part").stat().st_size == 70_000
    get("set")
    assert site.asked[-1][0] == "bytes=70000-"


def test_a_killed_process_is_taken_up_where_it_died(site, tmp_path):
    program = (
        "import sys, striate.data.sources.get as g; from striate.data.sources.download import RemoteFile\n"
        f"record = g.Official('set', '', '', '', (RemoteFile({site.address!r}, {len(CONTENT)}, {SUM!r}),))\n"
        "g.official = lambda: {'set': record}; print(g.get('set'))"
    )
    part = tmp_path / "data/set/set.tgz.part"
    site.pause = 0.1
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 20
        while not (part.exists() and part.stat().st_size > 100_000) and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    died = part.stat().st_size
    assert 100_000 < died < len(CONTENT)
    site.pause = 0
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "data/set/set.tgz\n"
    assert site.asked == [("", ""), (f"bytes={died}-", '"first"')]
    assert Path("data/set/set.tgz").read_bytes() == CONTENT
    assert left(Path("data/set")) == ["set.tgz"]


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


@pytest.mark.parametrize(("length", "fits"), [("600000, 600000", True), ("12, 12", False), ("many", False)])
def test_a_length_that_is_no_number_is_told(length, fits):
    file = RemoteFile("http://host/set.tgz", len(CONTENT), SUM)
    response: Any = SimpleNamespace(status=200, headers={"Content-Length": length})
    if fits:
        downloading.check_offer(file, response, 0)
        return
    with pytest.raises(DataError, match=f"has 600,000 bytes, but http://host/set.tgz sends {length}"):
        downloading.check_offer(file, response, 0)


def test_what_fails_inside_of_a_folder_is_not_told_as_another_process(tmp_path):
    with pytest.raises(BlockingIOError), getting.alone_in(tmp_path):
        raise BlockingIOError


def test_the_next_command_can_be_pasted(site, tmp_path, capsys):
    get("set", to=tmp_path / "my sets")
    assert f"next: striate check '{tmp_path}/my sets/set.tgz'" in capsys.readouterr().err
