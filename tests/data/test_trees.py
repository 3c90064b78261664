"""Folders and archives: what leads out of them is not read, nothing hangs, and bombs cost nothing."""

import bz2
import gzip
import io
import lzma
import os
import socket
import stat
import tarfile
import threading
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from grown import grow, many, picture

from striate.data.sources.archives import Tar, Zip
from striate.data.sources.opened import Files
from striate.data.sources.trees import Below, Folder
from striate.data.sources.unpacking import MEMBER_LIMIT
from striate.errors import DataError, PictureError
from striate.show.names import printable

NAMES = ["cat/1.png", "cat/deep/2.png", "dog/3.png"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def reasons(tree) -> dict[str, str]:
    tree.entries()
    return {problem.name: problem.reason for problem in tree.problems}


def zipped(path: Path, contents: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def member(archive: tarfile.TarFile, name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    archive.addfile(info, io.BytesIO(content))


def tarred(path: Path, contents: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in contents.items():
            member(archive, name, content=content)
    return path


@pytest.mark.parametrize("kind", ["folder", "stored", "deflated", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_every_tree_holds_the_same(tmp_path, kind):
    contents = {name: picture(name) * 50 for name in NAMES}
    if kind == "folder":
        root = grow(tmp_path / "root", *NAMES, "empty/")
        for name, content in contents.items():
            (root / name).write_bytes(content)
        tree = Folder(root)
    elif kind in ("stored", "deflated"):
        method = zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED
        tree = Zip(zipped(tmp_path / "a.zip", {**contents, "empty/": b""}, compression=method))
    else:
        with tarfile.open(tmp_path / "a", f"w:{kind[4:]}") as archive:  # type: ignore[call-overload]
            for name, content in contents.items():
                member(archive, f"./{name}", content=content)
            member(archive, "empty", tarfile.DIRTYPE)
        tree = Tar(tmp_path / "a")
    assert {name: entry.size for name, entry in tree.entries().items()} == {n: len(c) for n, c in contents.items()}
    assert set(tree.folders()) == {"cat", "cat/deep", "dog", "empty"}
    assert not tree.problems
    with ThreadPoolExecutor(8) as threads:
        names = NAMES * 50
        assert list(threads.map(tree.read, names)) == [contents[name] for name in names]
    assert tree.find("cat/../dog/3.png") == tree.entries()["dog/3.png"]
    assert tree.find("../outside") is tree.find("cat") is tree.find("nothing") is None
    below = Below(tree, "cat")
    assert (set(below.entries()), set(below.folders())) == ({"1.png", "deep/2.png"}, {"deep"})
    assert below.read("deep/2.png") == contents["cat/deep/2.png"]


def test_a_compressed_tar_is_unpacked_once_and_told(tmp_path, cache):
    def packed(content: bytes) -> bytes:
        plain = tarred(tmp_path / "a.tar", {"cat/1.png": content}).read_bytes()
        return gzip.compress(plain, compresslevel=0)  # of one size for one size

    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed(b"one"))
    assert "unpacked copy" in Tar(path).notes[0]
    (copy,) = cache.iterdir()
    changed = copy.stat().st_mtime_ns
    assert Tar(path).read("cat/1.png") == b"one"
    assert copy.stat().st_mtime_ns == changed
    size = path.stat().st_size
    path.write_bytes(packed(b"two"))
    os.utime(path, (1, 1))
    assert path.stat().st_size == size
    assert Tar(path).read("cat/1.png") == b"two"


def test_links_inside_are_followed_and_links_out_are_told(tmp_path):
    root = grow(tmp_path / "root", "cat/1.png", "dog/2.png")
    grow(tmp_path, "outside/3.png", "root-like/4.png")
    (root / "cat/link.png").symlink_to("../dog/2.png")
    (root / "wolf").symlink_to("dog")
    (root / "out.png").symlink_to(tmp_path / "outside/3.png")
    (root / "out").symlink_to("../outside")
    (root / "near").symlink_to("../root-like")
    (root / "nowhere").symlink_to("nothing")
    tree = Folder(root)
    assert set(tree.entries()) == {"cat/1.png", "cat/link.png", "dog/2.png", "wolf/2.png"}
    assert set(reasons(tree)) == {"out.png", "out", "near", "nowhere"}
    assert "leads out of" in reasons(tree)["near"]
    assert "leads nowhere" in reasons(tree)["nowhere"]
    assert tree.find("wolf/2.png")
    assert tree.find("out.png") is tree.find("out/3.png") is tree.find("../outside/3.png") is None
    assert Folder(root, fenced=False).find("../outside/3.png")


def test_a_root_that_is_a_link_is_followed(tmp_path):
    grow(tmp_path / "root", "cat/1.png")
    (tmp_path / "link").symlink_to("root")
    assert set(Folder(tmp_path / "link").entries()) == {"cat/1.png"}


def test_link_loops_end(tmp_path):
    root = grow(tmp_path / "root", *many(1, *"abcdefgh"))
    (root / "a/self").symlink_to("self")
    (root / "a/up").symlink_to("..")
    for folder in "abcdefgh":  # each leads to each: 8! ways
        for other in "abcdefgh":
            (root / folder / f"to {other}").symlink_to(f"../{other}")
    tree = Folder(root)
    assert len(tree.entries()) <= 8 * 9
    assert "circle" in reasons(tree)["a/self"]
    assert "never end" in reasons(tree)["a/up"]


def test_deep_folders_are_no_recursion(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    depth = 1200  # paths end at 4,096 bytes, Python's recursion at 1,000 calls
    for _ in range(depth):
        Path("a").mkdir()
        os.chdir("a")
    Path("1.png").write_bytes(b"x")
    found = Folder(tmp_path).entries()
    Path("1.png").unlink()
    for _ in range(depth):  # what removes temporary folders is recursive
        os.chdir("..")
        Path("a").rmdir()
    assert list(found) == ["a/" * depth + "1.png"]


def test_fifos_and_sockets_are_told_and_not_read(tmp_path):
    root = grow(tmp_path / "r", "cat/1.png")
    os.mkfifo(root / "cat/2.png")
    here = Path.cwd()
    os.chdir(root)  # a socket's path must be short
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.bind("3.png")
    finally:
        os.chdir(here)
    tree = Folder(root)
    found: list = []
    thread = threading.Thread(target=lambda: found.append(reasons(tree)), daemon=True)
    thread.start()
    thread.join(10)
    assert found == [
        {
            "3.png": "3.png is a socket, but a picture is a file",
            "cat/2.png": "cat/2.png is a FIFO, but a picture is a file",
        }
    ]
    assert tree.find("cat/2.png") is None


@pytest.mark.parametrize(
    "name",
    [
        os.fsdecode(b"\xff\xfe.png"),
        "one\ntwo.png",
        "\U0001f408\u200d\u2b1b.png",
        "\u05d7\u202e\u05ea.png",
        "n" * 251 + ".png",
    ],
    ids=["not UTF-8", "newline", "emoji", "right to left", "255 bytes"],
)
def test_any_name_works_and_prints(tmp_path, name):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / name).write_bytes(b"content")
    tree = Folder(tmp_path / "root")
    assert tree.read(next(iter(tree.entries()))) == b"content"
    shown = printable(name)
    assert len(shown.encode("utf-8").splitlines()) == 1
    assert "\u202e" not in shown
    for archive in (Tar(tarred(tmp_path / "a.tar", {name: b"content"})), *zips(tmp_path, name)):
        assert list(archive.entries()) == [name]
        assert archive.read(name) == b"content"
    with pytest.raises(PictureError) as stop:
        tree.read(f"missing {name}"[-100:])
    str(stop.value).encode("utf-8")


def zips(tmp_path: Path, name: str) -> list[Zip]:
    if not name.isprintable() and name.startswith("\udcff"):
        return []  # zipfile writes no such name
    return [Zip(zipped(tmp_path / "a.zip", {name: b"content"}))]


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
def test_a_compressed_tar_that_is_a_bomb_is_stopped(tmp_path, cache, pack):
    path = tmp_path / "a.tar.x"
    path.write_bytes(pack(bytes(2**26 + 2**20)))
    with pytest.raises(DataError, match=r"unpacks to more than 64\.0 MiB"):
        Tar(path)
    assert not list(cache.iterdir())


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


def test_a_file_that_changed_after_opening_is_told(tmp_path):
    root = grow(tmp_path / "root", "cat/1.png")
    tree = Folder(root)
    ((name, entry),) = tree.entries().items()
    source = Files(tree, [name], [entry])
    assert source.read(0) == picture(name)
    (root / name).write_bytes(b"longer" + picture(name))
    with pytest.raises(PictureError, match=r"cat/1\.png has changed since it was opened: .* open the data again"):
        source.read(0)


def test_a_file_too_large_for_a_picture_is_not_read(tmp_path):
    root = grow(tmp_path / "root", "cat/1.png")
    os.truncate(root / "cat/1.png", 2**40)  # holes, which take no room
    tree = Folder(root)
    source = Files(tree, ["cat/1.png"], [tree.entries()["cat/1.png"]])
    with pytest.raises(PictureError, match=r"cat/1\.png has 1024\.0 GiB, but a picture may have 1\.0 GiB"):
        source.read(0)


def test_a_fifo_that_takes_the_place_of_a_file_does_not_hang(tmp_path):
    root = grow(tmp_path / "root", "1.png")
    (root / "1.png").unlink()
    os.mkfifo(root / "1.png")
    found: list = []

    def read():
        try:
            Folder(root).read("1.png")
        except PictureError as error:
            found.append(str(error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(10)
    assert found == ["1.png is no file any more, but something else took its place"]
