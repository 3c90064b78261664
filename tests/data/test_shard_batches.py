"""Batches from a stream of shards: the same promises as from a folder, without anything kept."""

import io
import tarfile
import threading
import time

import numpy as np
import pytest
import torch
from batched import SMALL, flat
from made import encoded, photo

from striate.data.batches import Batches
from striate.data.distort.distortion import distortion
from striate.data.sources.shards import open_shards
from striate.errors import DataError, PictureError

PHOTO = distortion("photo")


def shard(path, first: int, broken: int | None = None) -> None:
    """Seven pictures and their labels, by turns a and b; one may be cut short."""
    with tarfile.open(path, "w") as tar:
        for number in range(first, first + 7):
            content = encoded(photo(number))
            for ending, data in (
                (".png", content[:150] if number == broken else content),
                (".cls", b"%d" % (number % 2)),
            ):
                member = tarfile.TarInfo(f"{number:03d}{ending}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        shard(tmp_path / f"train-{number}.tar", 7 * number)
    (tmp_path / "classes.txt").write_text("a\nb\n")
    return tmp_path


def made(folder, how=PHOTO, **settings) -> Batches:
    return Batches(open_shards(folder), SMALL, batch_size=4, distortion=how, workers=2, **settings)


def test_every_sample_comes_once_with_its_label_in_a_new_order_each_epoch(folder):
    batches = made(folder)
    first, second = flat(batches), flat(batches)
    assert len({one[0] for one in first}) == 21
    assert sorted(one[0] for one in first) == sorted(one[0] for one in second)
    assert [one[0] for one in first] != [one[0] for one in second]
    assert sorted(label for _, label, _ in first) == [0] * 11 + [1] * 10
    assert flat(made(folder)) == first


def test_ranks_share_the_shards(folder):
    parts = [{one[0] for one in flat(made(folder, rank=rank, world=3))} for rank in range(3)]
    assert [len(part) for part in parts] == [7, 7, 7]
    assert len(set.union(*parts)) == 21


def test_going_on_gives_what_would_have_come(folder):
    expected = flat(made(folder))
    first = made(folder)
    walk = iter(first)
    begun = flat([next(walk), next(walk)])
    state = first.state()
    walk.close()
    later = made(folder)
    later.resume(state)
    assert begun + flat(later) == expected


def test_without_distortion_they_come_in_order_as_preprocess_makes_them(folder):
    seen = flat(made(folder, None))
    assert [one[0] for one in seen] == sorted(one[0] for one in seen)
    for number, (_, label, pixels) in enumerate(seen):
        assert label == number % 2
        assert pixels == np.moveaxis(SMALL.read(encoded(photo(number))).pixels, 2, 0).tobytes()


def test_several_labels(folder):
    (batch, *_) = Batches(open_shards(folder, several=True), SMALL)
    assert batch.labels[:3].tolist() == [[1, 0], [0, 1], [1, 0]]
    assert batch.labels.dtype == torch.float32


def test_a_broken_picture_stops_with_its_name_or_is_skipped(folder):
    shard(folder / "train-1.tar", 7, broken=9)
    with pytest.raises(PictureError, match=r"train-1\.tar.*009"):
        flat(made(folder))
    batches = Batches(open_shards(folder, on_bad="skip"), SMALL, batch_size=4, distortion=PHOTO)
    assert len(flat(batches)) == 20
    assert len(batches.skipped) == 1


def test_what_the_shards_left_out_is_counted_with_the_rest(folder):
    (folder / "classes.txt").write_text("a\n")  # no class has the number 1
    batches = Batches(open_shards(folder, on_bad="skip"), SMALL, batch_size=4)
    assert len(flat(batches)) == 11
    assert len(batches.skipped) == 10


def test_nothing_reads_on_after_a_break(folder):
    before = threading.active_count()
    for _ in made(folder):
        break
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_what_a_stream_cannot_do_is_said(folder):
    with pytest.raises(DataError, match=r"nothing is balanced or kept.*balanced=True"):
        made(folder, balanced=True)
    with pytest.raises(DataError, match="set pca to 0"):
        made(folder, distortion("photo, pca 0.1"))
    with pytest.raises(TypeError, match="not known before"):
        len(made(folder))
