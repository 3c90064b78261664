"""Shards as a stream: every sample once, in an order that is a function of its arguments; what is broken is named."""

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import threading
import tracemalloc
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.sources.shard_places import expanded
from striate.data.sources.shards import open_shards
from striate.errors import DataError

CLASSES = ["cat", "dog", "été"]


def member(name: str, content: bytes, **more) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def tar_of(members, mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:
        for info, content in (each if isinstance(each[0], tarfile.TarInfo) else member(*each) for each in members):
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def sample(key: str, label: int = 0) -> list[tuple[str, bytes]]:
    return [(f"{key}.jpg", f"picture {key}".encode()), (f"{key}.cls", str(label).encode())]


def write(folder: Path, shards: int = 4, samples: int = 5) -> str:
    (folder / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    for shard in range(shards):
        members = [part for place in range(samples) for part in sample(f"{shard}-{place}", place % 3)]
        (folder / f"train-{shard:03d}.tar").write_bytes(tar_of(members))
    return str(folder / f"train-{{000..{shards - 1:03d}}}.tar")


def one(folder: Path, *members, **settings) -> list:
    (folder / "one.tar").write_bytes(tar_of(members))
    return list(open_shards(folder / "one.tar", classes=CLASSES, **settings).samples(0, 0, shuffle=False))


def names(samples) -> list[str]:
    return [each.name for each in samples]


def test_samples_in_the_order_of_the_shards(tmp_path):
    shards = open_shards(write(tmp_path, 2, 3))
    found = list(shards.samples(0, 0, shuffle=False))
    assert shards.classes == tuple(CLASSES)
    assert names(found) == [f"train-00{shard}.tar/{shard}-{place}" for shard in range(2) for place in range(3)]
    assert found[4].content == b"picture 1-1"
    assert [each.label for each in found[:3]] == [("cat",), ("dog",), ("été",)]
    assert [each.address for each in found] == [0, 1, 2, 1 << 32, (1 << 32) + 1, (1 << 32) + 2]


def test_a_folder_of_shards_counts_as_people_do(tmp_path):
    for number in (10, 9, 1):
        (tmp_path / f"train-{number}.tar").write_bytes(tar_of(sample(str(number))))
    (tmp_path / "classes.txt").write_text("cat\n")
    assert [name.rpartition("/")[2] for name in names(open_shards(tmp_path).samples(0, 0, shuffle=False))] == [
        "1",
        "9",
        "10",
    ]


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_packed_shards(tmp_path, mode):
    (tmp_path / "a.tgz").write_bytes(tar_of(sample("x"), mode))
    found = list(open_shards(tmp_path / "a.tgz", classes=CLASSES).samples(0, 0, shuffle=False))
    assert names(found) == ["a.tgz/x"]


@given(
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 9),
    world=st.integers(1, 4),
    buffer=st.integers(1, 30),
    start=st.integers(0, 25),
)
def test_every_sample_once_over_all_processes_and_a_restored_one_goes_on(
    shards_of_4, seed, epoch, world, buffer, start
):
    settings = {"shuffle": True, "buffer": buffer, "world": world}
    parts = [list(shards_of_4.samples(seed, epoch, rank=rank, **settings)) for rank in range(world)]
    everything = [each for part in parts for each in part]
    assert sorted(names(everything)) == sorted(names(shards_of_4.samples(0, 0, shuffle=False)))
    assert len({each.address for each in everything}) == 20
    restored = list(shards_of_4.samples(seed, epoch, rank=world - 1, start=start, **settings))
    assert restored == parts[-1][start:]


@pytest.fixture(scope="module")
def shards_of_4(tmp_path_factory):
    return open_shards(write(tmp_path_factory.mktemp("shards")))


def test_the_order_differs_between_seeds_epochs_and_buffers_and_mixes_shards(shards_of_4):
    def order(seed, epoch, buffer=8):
        return tuple(names(shards_of_4.samples(seed, epoch, shuffle=True, buffer=buffer)))

    orders = [order(0, 0), order(1, 0), order(0, 1), order(0, 0, 7), order(0, 0, 1)]
    assert len(set(orders)) == len(orders)
    assert order(0, 0) == order(0, 0)
    first = [name.split("/")[0] for name in order(0, 0, 20)[:10]]
    assert len(set(first)) > 2


def test_an_address_does_not_depend_on_the_order(shards_of_4):
    plain = {each.name: each.address for each in shards_of_4.samples(0, 0, shuffle=False)}
    assert {each.name: each.address for each in shards_of_4.samples(3, 4, shuffle=True)} == plain


def test_a_buffer_of_all_draws_every_order_alike(shards_of_4):
    firsts = Counter(next(shards_of_4.samples(seed, 0, shuffle=True, buffer=20)).name for seed in range(600))
    assert len(firsts) == 20
    assert max(firsts.values()) < 60  # 30 are expected; 60 is 5.6 standard deviations more


LABELS = {
    "a number": ([("a.cls", b"1\n")], ("dog",)),
    "a name": ([("a.txt", b"dog\n")], ("dog",)),
    "a name of two signs": ([("a.txt", "e\u0301te\u0301".encode())], ("été",)),
    "a field of a number": ([("a.json", b'{"label": 2, "width": 9}')], ("été",)),
    "a field of a name": ([("a.json", b'{"label": "cat"}')], ("cat",)),
    "a number before a caption": ([("a.txt", b"a dog on a lawn"), ("a.cls", b"1")], ("dog",)),
    "notes without a label": ([("a.json", b'{"width": 9}'), ("a.txt", b"cat")], ("cat",)),
    "capitals, masks and arrays": ([("a.CLS", b"1"), ("a.seg.png", b"x"), ("a.npy", b"y")], ("dog",)),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels(tmp_path, case):
    members, label = LABELS[case]
    assert [each.label for each in one(tmp_path, ("a.jpg", b"picture"), *members)] == [label]


def test_several_labels(tmp_path):
    members = [
        ("a.jpg", b""),
        ("a.json", b'{"labels": ["dog", 0, "dog"]}'),
        ("b.jpg", b""),
        ("b.json", b'{"labels": []}'),
    ]
    assert [each.label for each in one(tmp_path, *members, several=True)] == [("dog", "cat"), ()]
    with pytest.raises(DataError, match=r"one\.tar/a cannot be used: a picture has one label unless .* has dog, cat"):
        one(tmp_path, *members)


def test_folders_hidden_files_and_any_name_are_no_matter(tmp_path):
    folder = member("x", b"", type=tarfile.DIRTYPE)
    far = [*sample("../../etc/passwd"), *sample("/root/a"), *sample("x.y/b"), *sample("ü" * 120)]
    found = one(tmp_path, folder, ("x/._a.jpg", b"macOS"), *far)
    assert names(found) == [f"one.tar/{key}" for key in ("../../etc/passwd", "/root/a", "x.y/b", "ü" * 120)]


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


def test_memory_does_not_grow(tmp_path):
    picture = bytes(50_000)
    content = tar_of([part for place in range(20) for part in [(f"{place}.jpg", picture), (f"{place}.cls", b"0")]])
    for shard in range(40):
        (tmp_path / f"{shard}.tar").write_bytes(content)

    def peak(shards: int) -> int:
        samples = open_shards(f"{tmp_path}/{{0..{shards - 1}}}.tar", classes=CLASSES).samples(
            0, 0, shuffle=True, buffer=10
        )
        tracemalloc.start()
        assert sum(1 for _ in samples) == 20 * shards
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2)  # what is made once
    assert peak(40) < 1.1 * peak(4) < 4_000_000  # all 40 hold 40 MB


class Files(SimpleHTTPRequestHandler):
    """Serves a folder; no client can seek in it."""

    def log_message(self, format, *args):
        pass


@pytest.fixture
def site(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_shards_of_a_server_are_those_of_a_disk(tmp_path, site):
    local = open_shards(write(tmp_path))
    remote = open_shards(f"{site}/train-{{000..003}}.tar?key=a/b")
    assert remote.classes == local.classes
    for settings in ({"shuffle": False}, {"shuffle": True, "buffer": 6, "rank": 1, "world": 2}):
        assert list(remote.samples(5, 6, **settings)) == list(local.samples(5, 6, **settings))


def test_a_stream_that_is_left_early_is_closed(tmp_path, site):
    write(tmp_path)
    samples = open_shards(f"{site}/train-{{000..003}}.tar").samples(0, 0, shuffle=False)
    assert len(list(islice(samples, 3))) == 3
    del samples  # a socket that stays open would be a warning, which is an error in tests


def test_a_shard_that_a_server_does_not_have(tmp_path, site):
    write(tmp_path, 2)
    shards = open_shards(f"{site}/train-{{000..002}}.tar")
    with pytest.raises(DataError, match=r"the shard train-002\.tar cannot be read to its end: HTTP Error 404"):
        list(shards.samples(0, 0, shuffle=False))
    (tmp_path / "classes.txt").unlink()
    with pytest.raises(DataError, match=r"must be known before: .* http://.*/classes\.txt cannot be read: .*404"):
        open_shards(f"{site}/train-{{000..002}}.tar")


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("{dir}/train-{000..004}.tar", "1 of 5 are not: .*train-004.tar"),
        ("{dir}/nothing.tar", "1 of 1 are not"),
        ("{dir}/empty", "a folder of shards has files that end in .tar"),
        ("{dir}/{3..1}.tar", r"braces hold numbers such as \{000..010\}.*they hold 3..1"),
        ("{dir}/{}.tar", "they hold nothing"),
        ("{dir}/{0..9999999}.tar", "at most 1,000,000"),
        ("{dir}/{0..9999}{0..9999}.tar", "stands for 100,000,000"),
        ("s3://bucket/train-{0..1}.tar", "begin with http:// or https://, but this is s3://bucket"),
        ("{dir}/{a,b}/train.tar", "train.tar comes twice"),
    ],
)
def test_places_that_are_wrong(tmp_path, where, sentence):
    write(tmp_path)
    for name in ("a", "b", "empty"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.tar").write_bytes(b"")
    (tmp_path / "empty" / "train.tar").unlink()
    with pytest.raises(DataError, match=sentence):
        open_shards(where.replace("{dir}", str(tmp_path)))


def test_settings_that_are_wrong(shards_of_4):
    with pytest.raises(DataError, match=r"each of 5 processes needs a shard, but .* has 4"):
        shards_of_4.samples(0, 0, shuffle=True, rank=4, world=5)
    with pytest.raises(DataError, match="a rank is 0 to 1 in a world of 2, but is 2"):
        shards_of_4.samples(0, 0, shuffle=True, rank=2, world=2)
    with pytest.raises(DataError, match="at least one sample, but 0"):
        shards_of_4.samples(0, 0, shuffle=True, buffer=0)


def test_classes_must_be_known(tmp_path):
    (tmp_path / "one.tar").write_bytes(tar_of(sample("a")))
    with pytest.raises(DataError, match=r"must be known before: one per line in classes.txt"):
        open_shards(tmp_path / "one.tar")
    (tmp_path / "classes.txt").write_text("cat\ndog\ncat\n")
    with pytest.raises(DataError, match="names cat twice"):
        open_shards(tmp_path / "one.tar")


def test_a_list_of_shards(tmp_path):
    write(tmp_path, shards=3, samples=1)
    one, two, three = (tmp_path / f"train-00{shard}.tar" for shard in range(3))
    found = open_shards([three, str(one)])
    assert names(found.samples(0, 0, shuffle=False)) == ["train-002.tar/2-0", "train-000.tar/0-0"]
    assert list(found.classes) == CLASSES
    assert found.where == f"{three}, {one}"
    assert len(open_shards([three, tmp_path / "train-{000..001}.tar"]).places) == 3
    with pytest.raises(DataError, match=r"but train-001\.tar comes twice"):
        open_shards([two, two])
    other = tmp_path / "other"
    other.mkdir()
    three = three.rename(other / three.name)
    (other / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    assert list(open_shards([one, three]).classes) == CLASSES
    (other / "classes.txt").write_text("dog\ncat\n")
    with pytest.raises(DataError, match=r"same classes in one order, but classes\.txt .* differ; give classes"):
        open_shards([one, three])
    assert open_shards([one, three], classes=CLASSES).classes == tuple(CLASSES)


@pytest.mark.parametrize(("where", "told"), [(3, r"3 \(int\)"), (None, "None"), ([], "an empty list"), (["a", 3], "3")])
def test_what_is_no_place_of_shards_is_told(where, told):
    with pytest.raises(DataError, match=f"given as a path, an address, or a list of these, but {told}.* was given"):
        open_shards(where)


def test_braces():
    assert expanded("a.tar") == ["a.tar"]
    assert expanded("{8..11}") == ["8", "9", "10", "11"]
    assert json.dumps(expanded("{a,}b{00..01}")) == '["ab00", "ab01", "b00", "b01"]'


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
