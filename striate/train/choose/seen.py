"""What pictures look like, as far as choosing needs to know it before any time is spent: sizes, channels, colours."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np

from striate.data.dataset import Dataset
from striate.data.prepared import picture_sizes, size_from_header
from striate.data.sources.classes import class_counts
from striate.data.sources.shards import Shards
from striate.errors import DataError, PictureError
from striate.pictures.opened import opened
from striate.preprocess import Preprocess
from striate.show.names import printable
from striate.show.numbers import count

SAMPLED = 256  # pictures whose colours stand for those of all, and the headers that are read of a stream
LEAST_STD = 0.001  # of pictures that all have one colour


@dataclass(frozen=True)
class Seen:
    """Pictures in a few numbers.

    Parameters
    ----------
    pictures
        how many
    side
        the median of their shorter sides, in pixels
    shape
        height and width, where all have the same
    gray
        whether all have one channel
    uneven
        how many times more pictures the largest class has than the smallest one that has any; 1 where that is unknown
    """

    pictures: int
    side: int
    shape: tuple[int, int] | None
    gray: bool
    uneven: float


def look(data: Dataset | Shards, pictures: int | None) -> Seen:
    """Look at pictures, and refuse those of which nothing can be learned.

    Parameters
    ----------
    data
        the pictures to learn from: of one split, or shards
    pictures
        how many a stream of shards has, which it does not tell
    """
    where = printable(data.where)
    if isinstance(data, Shards):
        if pictures is None:
            raise DataError(f"a stream does not say how many pictures it has: give the number of those of {where}")
        sizes, gray, uneven = _stream_sizes(data), False, 1.0
        there = len(data.classes)
    else:
        if not len(data):
            raise DataError(f"a network learns from pictures, but {where} has none to learn from")
        counts = class_counts(data.labels, data.classes)
        there = int((counts > 0).sum())
        uneven = float(counts.max() / counts[counts > 0].min()) if there else 1.0
        # bad ones are told, or left out, where they are read
        sizes, gray, pictures = picture_sizes(data, "skip"), data.gray, len(data)
    if there < (1 if data.several else 2):
        raise DataError(
            f"a network learns to tell classes apart, which takes pictures of at least 2, but {where} has those of "
            f"{count(there, 'class')}; folders beside each other are classes"
        )
    sizes = sizes[sizes.all(axis=1)]
    if not len(sizes):
        raise DataError(f"a network learns from pictures, but none of {where} can be read; `striate check` says why")
    same = bool((sizes == sizes[0]).all())
    height, width = sizes[0].tolist()
    return Seen(pictures, int(np.median(sizes.min(axis=1))), (height, width) if same else None, gray, uneven)


def colours(data: Dataset | Shards, preprocess: Preprocess, seed: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel as the network gets it, from a sample; three digits.

    Parameters
    ----------
    data
        the pictures to learn from
    preprocess
        how they become the network's input; its own mean and std are not used
    seed
        of the sample
    """
    with ThreadPoolExecutor() as pool:
        each = list(pool.map(lambda read: _sums(read, preprocess), _reads(data, preprocess, seed)))
    sums = [found for found in each if found is not None]
    if not sums:
        raise DataError(
            f"the mean colour is measured on {count(len(each))} of {printable(data.where)}, but none can be read; "
            "`striate check` says why"
        )
    mean, square = np.mean(sums, axis=0)  # (channels,) each
    std = np.sqrt(np.maximum(square - mean**2, 0))
    return tuple(np.round(mean, 3).tolist()), tuple(np.maximum(np.round(std, 3), LEAST_STD).tolist())


def _reads(data: Dataset | Shards, preprocess: Preprocess, seed: int) -> Iterator[Callable[[], np.ndarray]]:
    """A function per sampled picture that decodes it: (height, width, channels) of uint8."""
    if isinstance(data, Shards):
        for sample in islice(data.samples(seed, 0, shuffle=False), SAMPLED):
            yield lambda sample=sample: preprocess.read(sample.content, sample.name).pixels
        return
    places = np.random.default_rng(seed).choice(len(data), min(SAMPLED, len(data)), replace=False)
    side = max(preprocess.resize or 0, *preprocess.size)
    data = replace(data, gray=preprocess.channels == "L")
    for place in np.sort(places).tolist():
        picture = partial(data.picture, place, (side, side), preprocess.background)
        yield lambda picture=picture: preprocess.pixels(picture().pixels)


def _sums(read: Callable[[], np.ndarray], preprocess: Preprocess) -> np.ndarray | None:
    """(2, channels): means of the values and of their squares; None where a picture cannot be read."""
    try:
        pixels = read() / 255
    except PictureError:  # told, or left out, where it is learned from
        return None
    if preprocess.channels == "BGR":
        pixels = pixels[..., ::-1]
    return np.stack([pixels.mean(axis=(0, 1)), (pixels**2).mean(axis=(0, 1))])


def _stream_sizes(shards: Shards) -> np.ndarray:
    """(n, 2) heights and widths of the first pictures of a stream; 0×0 of a bad one."""

    def size(sample) -> tuple[int, int]:
        try:
            with opened(sample.content, printable(sample.name)) as image:
                return size_from_header(image, sample.content)
        except PictureError:
            return 0, 0

    found = [size(sample) for sample in islice(shards.samples(0, 0, shuffle=False), SAMPLED)]
    return np.array(found, np.int64).reshape(-1, 2)
