"""Downloads that break, stall, change and are killed; nothing half-done ever bears the right name."""

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from serving import CONTENT, SUM, left

import striate.data.sources.download as downloading
from striate.data.sources.download import RemoteFile
from striate.data.sources.get import get
from striate.errors import DataError


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


def test_ctrl_c_keeps_the_part(site, monkeypatch, capsys):
    blocks = [CONTENT[:70_000]]

    def interrupt(file, response):
        if blocks:
            return blocks.pop()
        raise KeyboardInterrupt

    with monkeypatch.context() as change, pytest.raises(KeyboardInterrupt):
        change.setattr(downloading, "next_block", interrupt)
        get("set")
    assert "the same command goes on where it was" in capsys.readouterr().err
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


@pytest.mark.parametrize(("length", "fits"), [("600000, 600000", True), ("12, 12", False), ("many", False)])
def test_a_length_that_is_no_number_is_told(length, fits):
    file = RemoteFile("http://host/set.tgz", len(CONTENT), SUM)
    response: Any = SimpleNamespace(status=200, headers={"Content-Length": length})
    if fits:
        downloading.check_offer(file, response, 0)
        return
    with pytest.raises(DataError, match=f"has 600,000 bytes, but http://host/set.tgz sends {length}"):
        downloading.check_offer(file, response, 0)
