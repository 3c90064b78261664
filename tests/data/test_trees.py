"""Folders, and what they share with archives: what leads out of them is not read, and nothing hangs."""

import os
import socket
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from grown import grow, many, picture
from packed import member, reasons, tarred, zipped

from striate.data.sources.archives import Tar, Zip
from striate.data.sources.opened import Files
from striate.data.sources.trees import Below, Folder
from striate.errors import PictureError
from striate.show.names import printable

NAMES = ["cat/1.png", "cat/deep/2.png", "dog/3.png"]


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
