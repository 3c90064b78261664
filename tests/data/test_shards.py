"""Shards as a stream: every sample once, in an order that is a function of its arguments, with its labels."""

import tarfile
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shard_files import CLASSES, member, names, one, sample, tar_of, write

from striate.data.sources.shards import open_shards
from striate.errors import DataError


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
