"""Batches that tests make of 22 pictures."""

from made import dataset, encoded, photo

from striate.data.batches import Batches
from striate.data.distort.distortion import distortion
from striate.preprocess import Preprocess

SMALL = Preprocess(size=(16, 16), resize=18)
FILES = [encoded(photo(number)) for number in range(22)]


def made(contents=FILES, **settings) -> Batches:
    usual = {"batch_size": 4, "distortion": distortion("photo"), "seed": 3, "cache": "off", "workers": 2}
    return Batches(dataset(contents), SMALL, **{**usual, **settings})


def flat(batches) -> list[tuple[int, int, bytes]]:
    """Pictures of batches with their labels, one by one."""
    return [
        (int(address), int(label), pixels.contiguous().numpy().tobytes())
        for batch in batches
        for address, label, pixels in zip(batch.rows, batch.labels, batch.pixels, strict=True)
    ]
