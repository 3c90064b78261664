"""Archives: what leads out of them is not read, damage is told, and bombs cost nothing."""

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import tracemalloc
import zipfile

import pytest
from packed import member, reasons, tarred, zipped

from striate.data.sources.archives import Tar, Zip
from striate.data.sources.unpacking import MEMBER_LIMIT
from striate.errors import DataError, PictureError


def test_a_compressed_tar_is_unpacked_once_and_told(tmp_path, own_cache):
    def packed(content: bytes) -> bytes:
        plain = tarred(tmp_path / "a.tar", {"cat/1.png": content}).read_bytes()
        return gzip.compress(plain, compresslevel=0)  # of one size for one size

    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed(b"one"))
    assert "unpacked copy" in Tar(path).notes[0]
    (copy,) = own_cache.iterdir()
    changed = copy.stat().st_mtime_ns
    assert Tar(path).read("cat/1.png") == b"one"
    assert copy.stat().st_mtime_ns == changed
    size = path.stat().st_size
    path.write_bytes(packed(b"two"))
    os.utime(path, (1, 1))
    assert path.stat().st_size == size
    assert Tar(path).read("cat/1.png") == b"two"


def test_names_of_a_zip_that_does_not_say_how_they_are_written(tmp_path):
    info = zipfile.ZipInfo("caf\u00e9/1.png")
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, b"one")
    content = path.read_bytes()
    flag = (0x800).to_bytes(2, "little")
    assert content.count(flag) >= 2
    path.write_bytes(content.replace(b"\x14\0" + flag, b"\x14\0\0\0"))  # as macOS writes it: UTF-8, and no flag
    assert list(Zip(path).entries()) == ["caf\u00e9/1.png"]
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("1.png")
        info.filename, info.create_system = "cat\\1.png", 0  # as old Windows programs write it
        archive.writestr(info, b"one")
    assert list(Zip(path).entries()) == ["cat/1.png"]


@pytest.mark.parametrize("name", ["../1.png", "/etc/1.png", "cat/../../1.png"])
def test_names_that_lead_out_of_an_archive_are_told(tmp_path, name):
    for tree in (
        Zip(zipped(tmp_path / "a.zip", {name: b"evil", "cat/1.png": b"good"})),
        Tar(tarred(tmp_path / "a.tar", {name: b"evil", "cat/1.png": b"good"})),
    ):
        assert list(tree.entries()) == ["cat/1.png"]
        assert "leads out of" in reasons(tree)[name]


def test_links_and_devices_in_a_tar(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member(archive, "cat/1.png", content=b"one")
        member(archive, "dog/soft.png", tarfile.SYMTYPE, "../cat/1.png")
        member(archive, "dog/soft of soft.png", tarfile.SYMTYPE, "soft.png")
        member(archive, "dog/hard.png", tarfile.LNKTYPE, "cat/1.png")
        member(archive, "dog/out.png", tarfile.SYMTYPE, "../../etc/passwd")
        member(archive, "dog/absolute.png", tarfile.SYMTYPE, "/etc/passwd")
        member(archive, "dog/loop.png", tarfile.SYMTYPE, "loop.png")
        member(archive, "dog/null", tarfile.CHRTYPE)
        member(archive, "dog/disk", tarfile.BLKTYPE)
        member(archive, "dog/pipe", tarfile.FIFOTYPE)
    tree = Tar(tmp_path / "a.tar")
    assert set(tree.entries()) == {"cat/1.png", "dog/soft.png", "dog/soft of soft.png", "dog/hard.png"}
    assert tree.read("dog/soft of soft.png") == tree.read("dog/hard.png") == b"one"
    told = reasons(tree)
    assert set(told) == {f"dog/{name}" for name in ("out.png", "absolute.png", "loop.png", "null", "disk", "pipe")}
    assert "leads out" in told["dog/out.png"]
    assert "leads out" in told["dog/absolute.png"]
    assert "device" in told["dog/null"]


def test_links_devices_and_encrypted_members_in_a_zip(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat/1.png", b"one")
        for name, kind, content in (
            ("dog/soft.png", stat.S_IFLNK, b"../cat/1.png"),
            ("dog/out.png", stat.S_IFLNK, b"../../1.png"),
            ("dog/pipe", stat.S_IFIFO, b""),
        ):
            info = zipfile.ZipInfo(name)
            info.external_attr = (kind | 0o644) << 16
            archive.writestr(info, content)
        archive.writestr("dog/bzip2.png", b"two", zipfile.ZIP_BZIP2)
        archive.writestr("dog/locked.png", b"three")
        archive.filelist[-1].flag_bits |= 1
    tree = Zip(path)
    assert set(tree.entries()) == {"cat/1.png", "dog/soft.png"}
    assert tree.read("dog/soft.png") == b"one"
    told = reasons(tree)
    assert "leads out" in told["dog/out.png"]
    assert "FIFO" in told["dog/pipe"]
    assert "method 12" in told["dog/bzip2.png"]
    assert "encrypted" in told["dog/locked.png"]


def test_a_bomb_is_told_by_its_header(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("cat/bomb.png", "w") as bomb:
        for _ in range(80):
            bomb.write(bytes(2**20))
    assert path.stat().st_size < 2**18
    tree = Zip(path)
    assert not tree.entries()
    assert "more than 100 times" in reasons(tree)["cat/bomb.png"]


def test_a_member_of_a_tar_has_a_limit(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("cat/1.png")
        info.size = MEMBER_LIMIT + 1
        head = info.tobuf()
        member(archive, "cat/2.png", content=b"two")
    with path.open("wb") as file:
        file.write(head)
        file.truncate(MEMBER_LIMIT + 2**20)  # holes, which take no room
    tree = Tar(path)
    assert "may have 1.0 GiB" in reasons(tree)["cat/1.png"]


def test_what_unpacks_to_more_than_its_header_says_is_refused_without_unpacking_it(tmp_path):
    size = 60_000_001
    path = zipped(tmp_path / "a.zip", {"cat/1.png": bytes(size)}, compression=zipfile.ZIP_DEFLATED)
    path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), (50).to_bytes(4, "little")))
    tree = Zip(path)
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match=r"should have 50 bytes, but .* holds more"):
            tree.read("cat/1.png")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_damaged_members_are_told(tmp_path):
    path = zipped(tmp_path / "a.zip", {"cat/1.png": b"content"})
    path.write_bytes(path.read_bytes().replace(b"content", b"c0ntent"))
    with pytest.raises(PictureError, match="check sum"):
        Zip(path).read("cat/1.png")
    path = zipped(tmp_path / "b.zip", {"cat/1.png": b"content" * 9}, compression=zipfile.ZIP_DEFLATED)
    tree = Zip(path)
    path.write_bytes(path.read_bytes()[:45])
    with pytest.raises(PictureError, match=r"cat/1\.png"):
        tree.read("cat/1.png")


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz"])
def test_an_archive_that_was_cut_short_is_told(tmp_path, ending):
    contents = {f"cat/{number}.png": os.urandom(9000) for number in range(9)}
    path = tmp_path / f"a.{ending}"
    if ending == "zip":
        zipped(path, contents)
    else:
        tarred(path, contents, "w:gz" if ending == "tar.gz" else "w")
    path.write_bytes(path.read_bytes()[:40_000])
    with pytest.raises(DataError, match=r"cannot be unpacked|archive that can be read"):
        (Zip if ending == "zip" else Tar)(path)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_tar_that_is_a_bomb_is_stopped(tmp_path, own_cache, pack):
    path = tmp_path / "a.tar.x"
    path.write_bytes(pack(bytes(2**26 + 2**20)))
    with pytest.raises(DataError, match=r"unpacks to more than 64\.0 MiB"):
        Tar(path)
    assert not list(own_cache.iterdir())


def test_a_cache_without_room_is_told(tmp_path, monkeypatch):
    path = tarred(tmp_path / "a.tar.gz", {"cat/1.png": b"one"}, "w:gz")
    monkeypatch.setattr("striate.data.sources.unpacking.SPARE", 2**60)
    with pytest.raises(Exception, match="set STRIATE_CACHE to a folder on a larger disk"):
        Tar(path)


def test_members_packed_twice_are_noted(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member(archive, "cat/1.png", content=b"old")
        member(archive, "cat/1.png", content=b"new")
    tree = Tar(tmp_path / "a.tar")
    assert tree.read("cat/1.png") == b"new"
    assert tree.notes == ["packed more than once, of which the last is read: cat/1.png"]


def test_another_tar_at_the_same_path_has_other_stamps(tmp_path):
    def stamp(content: bytes, mode: str) -> int:
        return Tar(tarred(tmp_path / "a.tar", {"cat/1.png": content}, mode)).entries()["cat/1.png"].stamp

    first = stamp(b"one", "w")
    assert Tar(tmp_path / "a.tar").entries()["cat/1.png"].stamp == first
    os.utime(tmp_path / "a.tar", ns=(5, 5))
    assert Tar(tmp_path / "a.tar").entries()["cat/1.png"].stamp not in (first, stamp(b"two", "w"))
