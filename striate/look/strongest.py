"""The pictures on which channels have their largest values, and what they saw of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from striate.data.batches import Batches
from striate.data.dataset import Dataset, OnBad
from striate.data.normalise import normalised
from striate.errors import DataError
from striate.look.looked import named_channels, passing
from striate.look.sight import Box, box
from striate.look.subject import Subject, still
from striate.measure.trace import Trace
from striate.show.numbers import count
from striate.show.progress import track

BATCH = 32
FIRST = 4  # channels that are shown where none are named


@dataclass(frozen=True)
class Excited:
    """A picture that excites a channel.

    Parameters
    ----------
    channel
        which
    value
        the channel's largest on this picture
    name
        of the picture
    place
        of the picture in the data
    position
        where in the map: row and column
    part
        top, bottom, left and right of what that position sees, in pixels of the upright picture
    patch
        those pixels: (height, width, 1 or 3) bytes
    """

    channel: int
    value: float
    name: str
    place: int
    position: tuple[int, int]
    part: Box
    patch: np.ndarray


def strongest(
    who: Subject,
    path: str,
    channels: Sequence[int] | None,
    data: Dataset,
    number: int,
    device: torch.device,
    workers: int | None,
    on_bad: OnBad,
) -> tuple[dict[int, list[tuple[float, int, tuple[int, int]]]], list[str], Sequence[int]]:
    """The pictures on which channels have their largest values: value, place in the data, row and column of the map.

    Only the best of each channel are kept on the way. Each picture counts once, by its strongest position.

    Parameters
    ----------
    who, path
        whose layer
    channels
        which; None are the first few
    data
        pictures
    number
        how many for each channel
    device, workers, on_bad
        as for `exciting`
    """
    data = replace(data, splits=np.full(len(data), "test"))
    batches = Batches(
        data, who.preprocess, batch_size=BATCH, cache="off", workers=workers, device=device, on_bad=on_bad
    )
    places = {row: place for place, row in enumerate(data.rows.tolist())}
    tops: dict[int, list[tuple[float, int, tuple[int, int]]]] = {}
    shape: Sequence[int] = (0, 0, 0)
    home = next((each.device for each in who.network.parameters()), torch.device("cpu"))
    try:
        network = who.network.to(device)
        with still(network), torch.no_grad(), passing(network, path) as passed:
            for batch in track(batches, f"showing {count(len(data))}", len(batches)):
                network(normalised(batch.pixels, who.preprocess))
                maps = passed[path]  # (n, channels, height, width)
                if not tops:
                    _, *shape = maps.shape
                    wanted = named_channels(channels, shape[0], path) or list(range(min(FIRST, shape[0])))
                    tops = {channel: [] for channel in wanted}
                values, positions = (each.cpu() for each in maps[:, list(tops)].flatten(2).max(2))  # (n, wanted)
                for column, channel in enumerate(tops):
                    new = [
                        (value, places[row], divmod(position, shape[2]))
                        for value, row, position in zip(
                            values[:, column].tolist(), batch.rows.tolist(), positions[:, column].tolist(), strict=True
                        )
                    ]
                    tops[channel] = sorted([*tops[channel], *new], key=lambda one: (-one[0], one[1]))[:number]
    finally:
        who.network.to(home)
    if not tops:
        raise DataError("there is nothing to show: none of the pictures could be read")
    return tops, [problem.reason for problem in batches.skipped.values()], shape


def excited(
    who: Subject,
    path: str,
    trace: Trace | None,
    channel: int,
    value: float,
    place: int,
    position: tuple[int, int],
    pixels: np.ndarray,
    data: Dataset,
) -> Excited:
    """What a position sees, cut out of the upright picture.

    Parameters
    ----------
    who, path, trace
        whose layer, and what is known of where it looks
    channel, value, position
        the channel, and where in its map this largest value is
    place, pixels, data
        the picture: its place in the data, and (height, width, channels) bytes
    """
    height, width = pixels.shape[:2]
    there = box(trace, position, who.input, path)
    top, bottom, left, right = there.frame(who.preprocess.size, who.preprocess.seen((height, width)))
    part = Box(
        *(
            round(share * side)
            for share, side in zip((top, bottom, left, right), (height,) * 2 + (width,) * 2, strict=True)
        )
    )
    # a part smaller than a pixel, of a picture that was enlarged, is that pixel
    first_row, first_column = min(part.top, height - 1), min(part.left, width - 1)
    part = Box(first_row, max(part.bottom, first_row + 1), first_column, max(part.right, first_column + 1))
    patch = pixels[part.top : part.bottom, part.left : part.right].copy()
    return Excited(channel, value, data.names[place], place, position, part, patch)
