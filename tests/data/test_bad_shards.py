"""What is broken in a shard is named or skipped, at any byte, and fills no memory."""

import bz2
import gzip
import lzma
import os
import tarfile
import tracemalloc

import pytest
from shard_files import CLASSES, member, names, one, sample, tar_of, write

from striate.data.sources.shards import open_shards
from striate.errors import DataError


def link(name: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, b"", type=kind, linkname="/etc/passwd")


BAD = {
    "no label": ([("a.jpg", b"x")], "a sample has a label in .cls, .json, .txt, but it has .jpg"),
    "no picture": ([("a.cls", b"0")], "a sample has one picture, but it has none"),
    "two pictures": ([("a.jpg", b"x"), ("a.png", b"x"), ("a.cls", b"0")], "but it has .jpg, .png"),
    "twice": ([("a.jpg", b"x"), ("a.jpg", b"y"), ("a.cls", b"0")], "it has .jpg twice"),
    "a word": ([("a.jpg", b"x"), ("a.cls", b"dog")], "its .cls must hold the number of a class, but it is 'dog'"),
    "too large": ([("a.jpg", b"x"), ("a.cls", b"3")], "its label is 3, but there are 3 classes, 0 to 2"),
    "unknown": ([("a.jpg", b"x"), ("a.txt", b"cow")], "its label 'cow' is none of the classes cat, dog, été"),
    "negative": ([("a.jpg", b"x"), ("a.json", b'{"label": -1}')], "its label is -1"),
    "a truth": ([("a.jpg", b"x"), ("a.json", b'{"label": true}')], "its label 'True' is none of"),
    "a long number": (
        [("a.jpg", b"x"), ("a.cls", b"1" * 5000)],
        "its .cls must hold the number of a class, but it is '1111",
    ),
    "no JSON": ([("a.jpg", b"x"), ("a.json", b"{")], "its .json must hold JSON with `label`"),
    "deep JSON": ([("a.jpg", b"x"), ("a.json", b"[" * 200_000)], "its .json must hold JSON"),
    "not UTF-8": ([("a.jpg", b"x"), ("a.txt", b"\xff")], "xff' is none of the classes"),
    "a link": ([link("a.jpg", tarfile.SYMTYPE), ("a.cls", b"0")], "its .jpg is a link, a device"),
    "a hard link": ([link("a.jpg", tarfile.LNKTYPE), ("a.cls", b"0")], "its .jpg is a link, a device"),
    "a device": ([link("a.jpg", tarfile.CHRTYPE), ("a.cls", b"0")], "its .jpg is a link, a device"),
    "a FIFO": ([("a.jpg", b"x"), link("a.cls", tarfile.FIFOTYPE)], "its .cls is a link, a device"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_sample_stops_with_its_name_or_is_skipped_and_listed(tmp_path, case):
    members, sentence = BAD[case]
    members = [*sample("good"), *members, *sample("later", 1)]
    with pytest.raises(DataError, match=f"^one.tar/a cannot be used: .*{sentence}"):
        one(tmp_path, *members)
    shards = open_shards(tmp_path / "one.tar", classes=CLASSES, on_bad="skip")
    for _ in range(2):
        found = list(shards.samples(0, 0, shuffle=False))
        assert names(found) == ["one.tar/good", "one.tar/later"]
        assert [each.address for each in found] == [0, 2]  # the bad one keeps its place
    (problem,) = shards.problems
    assert problem.name == "one.tar/a"
    assert sentence.split(",")[0] in problem.reason


def test_a_huge_member_is_refused_by_its_head(tmp_path):
    head, _ = member("a.jpg", b"")
    head.size = 2**31
    (tmp_path / "one.tar").write_bytes(head.tobuf() + bytes(1024))
    with pytest.raises(DataError, match=r"one\.tar cannot be read to its end"):
        list(open_shards(tmp_path / "one.tar", classes=CLASSES).samples(0, 0, shuffle=False))
    notes, _ = member("notes", b"", type=tarfile.XHDTYPE)
    notes.size = 2**31
    (tmp_path / "one.tar").write_bytes(notes.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))
    with pytest.raises(DataError, match=r"a member's head would take 2\.0 GiB"):
        list(open_shards(tmp_path / "one.tar", classes=CLASSES).samples(0, 0, shuffle=False))


def test_a_shard_cut_at_any_block_is_never_taken_for_a_whole_one(tmp_path):
    whole = tar_of([part for key in "abc" for part in sample(key)])
    end = whole.rstrip(b"\0")
    last = -(-len(end) // 512) * 512  # where the mark of the end begins
    path = tmp_path / "cut.tar"
    for length in [*range(0, last + 512, 512), 100, 512 + 3, last - 512 + 2]:
        path.write_bytes(whole[:length])
        shards = open_shards(path, classes=CLASSES, on_bad="skip")
        found = names(shards.samples(0, 0, shuffle=False))
        assert found == [f"cut.tar/{key}" for key in "abc"][: len(found)]
        assert [problem.name for problem in shards.problems] == ([] if length > last else ["cut.tar"]), length
    assert "the last sample that it began is " in shards.problems[0].reason


def test_a_cut_packed_shard(tmp_path):
    content = gzip.compress(
        tar_of([part for key in "abc" for part in [(f"{key}.jpg", os.urandom(900)), (f"{key}.cls", b"0")]])
    )
    (tmp_path / "one.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"the shard one\.tar\.gz cannot be read to its end: .*last sample"):
        list(open_shards(tmp_path / "one.tar.gz", classes=CLASSES).samples(0, 0, shuffle=False))


def test_a_broken_head_in_the_middle_is_not_the_end(tmp_path):
    whole = bytearray(tar_of([part for key in "abc" for part in sample(key)]))
    whole[4 * 512 + 5] ^= 1
    (tmp_path / "one.tar").write_bytes(whole)
    with pytest.raises(DataError, match=r"one\.tar cannot be read to its end: bad checksum; .* began is a"):
        list(open_shards(tmp_path / "one.tar", classes=CLASSES).samples(0, 0, shuffle=False))


def test_a_text_is_no_shard(tmp_path):
    (tmp_path / "one.tar").write_text("no tar " * 500)
    with pytest.raises(DataError, match=r"the shard one\.tar cannot be read to its end"):
        list(open_shards(tmp_path / "one.tar", classes=CLASSES).samples(0, 0, shuffle=False))


def test_skipping_a_shard_leaves_the_others(tmp_path):
    pattern = write(tmp_path)
    (tmp_path / "train-001.tar").write_bytes(b"")
    shards = open_shards(pattern, on_bad="skip")
    assert len(list(shards.samples(0, 0, shuffle=True, buffer=4))) == 15
    assert [problem.name for problem in shards.problems] == ["train-001.tar"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_small_packed_shard_cannot_fill_the_memory(tmp_path, pack):
    huge = tar_of([*sample("a"), ("b.jpg", bytes(150_000_000)), ("b.cls", b"0")])
    (tmp_path / "one.tar.x").write_bytes(pack(huge))
    del huge
    tracemalloc.start()
    samples = open_shards(tmp_path / "one.tar.x", classes=CLASSES).samples(0, 0, shuffle=False)
    with pytest.raises(DataError, match=r"would unpack from .* to 64\..* MiB, more than 100 times .* began is b"):
        list(samples)
    assert tracemalloc.get_traced_memory()[1] < 150_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_shard_is_the_same_as_a_plain_one(tmp_path, pack):
    plain = tar_of([part for key in "abc" for part in sample(key)])
    (tmp_path / "one.tar").write_bytes(plain)
    (tmp_path / "two.tar").write_bytes(pack(plain))
    (tmp_path / "bad.tar").write_bytes(pack(plain)[: len(pack(plain)) // 2])
    found = [
        [each.content for each in open_shards(tmp_path / name, classes=CLASSES).samples(0, 0, shuffle=False)]
        for name in ("one.tar", "two.tar")
    ]
    assert found[0] == found[1] != []
    with pytest.raises(DataError, match=r"the shard bad\.tar cannot be read to its end"):
        list(open_shards(tmp_path / "bad.tar", classes=CLASSES).samples(0, 0, shuffle=False))
