"""Batches: every picture once, whatever the workers, from wherever one goes on."""

import io
import re
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from batched import FILES, SMALL, flat, made
from hypothesis import given
from hypothesis import strategies as st
from made import dataset, encoded, photo
from PIL import Image

from striate.data.batches import AHEAD, Batches
from striate.data.distort.distortion import distortion
from striate.data.normalise import normalised
from striate.data.order import Order, class_weights
from striate.errors import DataError
from striate.preprocess import Preprocess

pytestmark = pytest.mark.usefixtures("own_cache")
ARRAYS = [photo(number) for number in range(20)]


def test_an_epoch_holds_each_picture_once_with_its_label():
    batches = made()
    seen = flat(batches)
    assert len(batches) == 6
    assert sorted(address for address, *_ in seen) == list(range(22))
    assert all(label == address % 2 for address, label, _ in seen)
    again = flat(batches)  # the second epoch
    assert batches.epoch == 2
    assert [one[0] for one in again] != [one[0] for one in seen]
    assert {one[2] for one in again}.isdisjoint(one[2] for one in seen)  # other views


def test_batches_are_bytes_laid_out_channels_last():
    batch = next(iter(made()))
    assert (batch.pixels.shape, batch.pixels.dtype) == ((4, 3, 16, 16), torch.uint8)
    assert batch.pixels.is_contiguous(memory_format=torch.channels_last)
    assert (batch.labels.dtype, batch.epoch, batch.number) == (torch.int64, 0, 0)


@pytest.mark.parametrize("cache", ["off", "ram", "disk"])
def test_workers_and_cache_change_nothing(cache):
    expected = [flat(made(workers=1)) for _ in range(2)]
    batches = made(workers=5, cache=cache)
    assert flat(batches) == expected[0]
    later = flat(batches)
    reference = made(workers=1)
    flat(reference)
    assert later == flat(reference)


def test_kept_pictures_are_decoded_once_and_found_again_by_a_later_run():
    data = dataset(FILES)

    def reads(cache: str) -> int:
        before = sum(data.source.reads)
        batches = Batches(data, SMALL, distortion=distortion("photo"), cache=cache)
        for _ in range(3):
            flat(batches)
        return sum(data.source.reads) - before

    assert reads("off") == 4 * len(FILES)  # once for the headers
    assert reads("ram") == reads("disk") == len(FILES)
    assert reads("disk") == 0
    data.source.contents[3] = encoded(photo(99))  # its stamp changes, so what was kept is not used
    assert reads("disk") == 2 * len(FILES)


def test_without_distortion_pictures_come_in_order_as_preprocess_makes_them():
    seen = flat(made(distortion=None))
    assert [address for address, *_ in seen] == list(range(22))
    for address, _, pixels in seen:
        expected = SMALL.read(FILES[address]).pixels
        assert pixels == np.moveaxis(expected, 2, 0).tobytes()


@pytest.mark.parametrize("stop", [0, 1, 3, 5, 6])
def test_state_goes_on_at_any_batch_in_another_process(stop):
    whole = made()
    expected = flat(whole) + flat(whole)
    first = made()
    walk = iter(first)
    begun = flat(next(walk) for _ in range(stop))
    state = first.state()
    walk.close()
    later = made(workers=3)
    later.resume(state)
    assert begun + flat(later) + flat(later) == expected


@pytest.mark.parametrize(("size", "sizes"), [(4, [4, 4, 4, 4, 4, 2]), (7, [7, 7, 8]), (50, [22])])
def test_a_last_batch_of_few_joins_the_one_before(size, sizes):
    whole = made(batch_size=size)
    assert [len(batch) for batch in whole] == sizes
    assert len(whole) == len(sizes)
    for stop in range(len(sizes) + 1):
        first = made(batch_size=size)
        walk = iter(first)
        assert [len(next(walk)) for _ in range(stop)] == sizes[:stop]
        later = made(batch_size=size)
        later.resume(first.state())
        walk.close()
        assert [len(batch) for batch in later] == sizes[stop:]
    assert [len(batch) for batch in made(batch_size=7, distortion=None)] == [7, 7, 7, 1]


@given(count=st.integers(0, 40), world=st.integers(1, 5), shuffle=st.booleans(), seed=st.integers(0, 5))
def test_ranks_share_the_pictures(count, world, shuffle, seed):
    data = replace(dataset(FILES[:1] * count))
    if shuffle and count < world:
        return
    orders = [Order(data, seed, shuffle, rank=rank, world=world) for rank in range(world)]
    parts = [order.places(1)[0].tolist() for order in orders]
    assert [len(part) for part in parts] == [len(order) for order in orders]
    everything = sorted(place for part in parts for place in part)
    if shuffle:
        assert {len(part) for part in parts} == {count // world}
        assert len(set(everything)) == count - count % world
    else:
        assert everything == list(range(count))


def test_balanced_batches_show_every_class_equally_often():
    data = dataset(FILES[:1] * 2000, labels=[0] * 1900 + [1] * 100)
    places, before = Order(data, 0, balanced=True).places(0)
    assert len({*zip(places.tolist(), before.tolist(), strict=True)}) == 2000  # each time it comes it is another view
    assert before[places == places[-1]].tolist() == list(range((places == places[-1]).sum()))
    assert len(places) == 2000
    assert abs(data.labels[places].mean() - 0.5) < 4 * 0.5 / 2000**0.5
    np.testing.assert_allclose(class_weights(data), [2000 / 3800, 2000 / 200])
    with pytest.raises(DataError, match="may have several"):
        class_weights(dataset(FILES[:2], labels=[[0, 1], [1, 1]]))


def test_a_class_without_pictures_weighs_nothing():
    np.testing.assert_array_equal(class_weights(dataset(FILES[:2], labels=[0, 0])), [1, 0])


def test_threads_do_not_run_ahead_of_the_network():
    data = dataset(FILES * 10)
    batches = Batches(data, SMALL, batch_size=4, cache="off", workers=2)
    walk = iter(batches)
    for used in range(1, 4):
        next(walk)
        time.sleep(0.1)
        assert sum(data.source.reads) <= 4 * (used + AHEAD + 1)
    walk.close()


def test_several_labels_are_floats():
    data = dataset(FILES[:4], labels=[[0, 1], [1, 1], [0, 0], [1, 0]])
    (batch,) = Batches(data, SMALL, cache="off")
    assert batch.labels.tolist() == [[0, 1], [1, 1], [0, 0], [1, 0]]
    assert batch.labels.dtype == torch.float32


@pytest.mark.parametrize("channels", ["RGB", "L"])
def test_arrays_come_with_the_channels_that_the_network_wants(channels):
    gray = np.random.default_rng(0).integers(0, 256, (6, 20, 20, 1), dtype=np.uint8)
    count = 1 if channels == "L" else 3
    preprocess = Preprocess((20, 20), None, channels=channels, mean=(0.5,) * count, std=(0.5,) * count)
    for how in (None, distortion("none")):
        (batch,) = Batches(dataset(list(gray), gray=True), preprocess, distortion=how, cache="off")
        for address, pixels in zip(batch.rows, batch.pixels, strict=True):
            np.testing.assert_array_equal(pixels, np.broadcast_to(gray[address, :, :, 0], (count, 20, 20)))


@pytest.mark.parametrize("channels", ["RGB", "BGR", "L"])
def test_normalising_on_the_device_is_what_preprocess_does(channels):
    count = 1 if channels == "L" else 3
    preprocess = Preprocess(
        (5, 7), None, channels=channels, scale=255, mean=(10, 20, 30)[:count], std=(1, 2, 4)[:count]
    )
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, count), dtype=np.uint8)
    tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    expected = preprocess.normalised(pixels)
    found = normalised(tensor, preprocess)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(normalised(tensor.contiguous(), preprocess), found)  # however the bytes lie


@given(st.sampled_from(["RGB", "BGR", "L"]), st.integers(1, 70), st.sampled_from(["none", "light", None]))
def test_threads_normalise_to_the_same_bits(channels, width, how):
    count = 1 if channels == "L" else 3
    preprocess = Preprocess(
        (9, width), 80, channels=channels, mean=(0.4, 0.5, 0.6)[:count], std=(0.2, 0.3, 0.4)[:count]
    )
    settings = {"batch_size": 8, "distortion": how, "cache": "off", "workers": 3}
    data = dataset(ARRAYS)
    plain, ready = (Batches(data, preprocess, **settings, normalised=each) for each in (False, True))
    for before, after in zip(plain, ready, strict=True):
        assert torch.equal(after.pixels, normalised(before.pixels, preprocess))
        assert after.pixels.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(after.labels, before.labels)
        assert np.array_equal(after.rows, before.rows)


def test_many_pictures_are_normalised_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr("striate.data.filling.CLOSE", 3 * 16 * 16 * 3)
    settings = {"batch_size": 11, "on_bad": "skip", "cache": "ram"}
    contents = [*FILES[:9], b"no picture", *FILES]
    for _ in range(2):  # the second epoch reads what the first kept
        plain, ready = (made(contents, **settings, normalised=each) for each in (False, True))
        for before, after in zip(plain, ready, strict=True):
            assert torch.equal(after.pixels, normalised(before.pixels, SMALL))
        assert list(ready.skipped) == list(plain.skipped)
        assert len(ready.skipped) == 1


def test_each_thread_computes_alone():
    seen = set()

    def picture(place: int) -> np.ndarray:
        seen.add((threading.current_thread().name, torch.get_num_threads()))
        return ARRAYS[place % 8]

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        batches = Batches(dataset(ARRAYS), SMALL, distortion="none", cache="off", workers=2)
        batches.feed.prepared.make = picture
        assert sum(map(len, batches)) == len(ARRAYS)
        assert {count for _, count in seen} == {1}
        assert torch.get_num_threads() == 3  # here, where a network is trained
    finally:
        torch.set_num_threads(before)


def test_what_reading_told_is_counted():
    moving = [photo(number) for number in range(2)]
    file = io.BytesIO()
    Image.fromarray(moving[0]).save(file, "GIF", save_all=True, append_images=[Image.fromarray(moving[1])])
    batches = made([file.getvalue()] * 3 + FILES[:3], cache="ram")
    flat(batches)
    assert batches.notes == {"it has several frames; this is the first": 3}
    assert re.fullmatch(r"[\d.]+ KiB in memory", batches.kept)


def test_a_notebook_shows_a_line():
    assert repr(dataset(FILES)) == "<Dataset made: 22 pictures, 2 classes>"
    assert repr(made()) == "<Batches of 4 from 22 pictures, epoch 0, batch 0>"


@pytest.mark.parametrize("normalised", [False, True])
def test_a_batch_that_is_held_is_never_written_to_again(normalised):
    batches = made(FILES * 4, normalised=normalised)
    held = [(batch, batch.pixels.clone(), batch.pixels.numpy(), batch.pixels[1]) for batch in batches]
    for batch, before, array, row in held:
        assert torch.equal(batch.pixels, before)
        assert np.array_equal(array, before)
        assert torch.equal(row, before[1])
    rows = [batch.pixels[2] for batch in made(FILES * 4, normalised=normalised)]  # a view outlives its batch
    copies = [batch.pixels[2].clone() for batch in made(FILES * 4, normalised=normalised)]
    assert all(torch.equal(row, copy) for row, copy in zip(rows, copies, strict=True))


@pytest.mark.parametrize("normalised", [False, True])
def test_memory_of_batches_that_nobody_holds_is_used_again(normalised):
    batches, memories, sizes = made(FILES * 8, batch_size=7, normalised=normalised), set(), set()
    for _ in range(2):
        for batch in batches:
            sizes.add(len(batch))
            memories |= {id(array) for array, _ in batches.rooms.rooms}
    assert sizes == {7, 8}  # the last one of an epoch has one more, and has room
    assert len(memories) <= batches.rooms.most


def test_pca_colours_follow_the_data():
    gray_only = [encoded(np.repeat(photo(number)[:, :, :1], 3, axis=2)) for number in range(8)]
    (batch,) = Batches(dataset(gray_only), SMALL, distortion=distortion("none, pca 1"), cache="off", seed=1)
    (plain,) = Batches(dataset(gray_only), SMALL, distortion=distortion("none"), cache="off", seed=1)
    channels = batch.pixels.to(torch.int16)
    assert (channels.amax(dim=1) - channels.amin(dim=1)).max() <= 1  # data without colour gets none
    assert (channels - plain.pixels).abs().amax() > 20
