"""The size of a network's input: what was asked for, what the network says, what suits the pictures."""

import torch
from torch import nn

from striate.errors import GeometryError, StriateError
from striate.nets.build import net as build
from striate.nets.grammar import parse
from striate.nets.zoo import find
from striate.ops.size import parse_size
from striate.show.numbers import count
from striate.train.choose.defaults import SMALL
from striate.train.choose.seen import Seen

SIDES = (16, 28, 32, 64)  # of inputs for small pictures
ROUND = 32  # inputs of networks that halve a map five times are multiples of it
LARGEST = 4096  # pixels of a side: no memory holds what the first layers make of more
PHOTO = {"cpu": 128, "cuda": 224}  # the side of the input for photos
Size = tuple[int, int, int]


def check_size(size: str) -> tuple[int, ...]:
    """The parts of a size, if pictures can be made of it.

    Parameters
    ----------
    size
        such as 96x96 or 96x96x3
    """
    parts = parse_size(size)
    if len(parts) not in (2, 3):
        raise StriateError(f"--size is height×width, or height×width×channels, as in 96x96, but is {size}")
    if max(parts[:2]) > LARGEST:
        raise StriateError(f"--size has sides of up to {LARGEST:,} pixels, but is {size}; pictures are shrunk to it")
    if parts[2:] and parts[2] not in (1, 3):
        raise StriateError(f"--size has 1 channel or 3, as pictures have, but is {size}")
    return parts


def asked_size(size: str | None, channels: int) -> Size | None:
    """The size that was asked for.

    Parameters
    ----------
    size
        as it was typed
    channels
        those it has, unless it says others
    """
    if not size:
        return None
    height, width, channels = (*check_size(size), channels)[:3]
    return height, width, channels


def native_size(text: str) -> Size | None:
    """The input that a network states.

    Parameters
    ----------
    text
        its name, or its text
    """
    entry = find(text)
    if entry is None:
        written = parse(text).input
        return (written[0], written[1], written[2]) if written else None
    height, width, channels = parse_size(entry.input)
    return height, width, channels


def size_of_named(text: str, native: Size, seen: Seen) -> tuple[Size, str]:
    """The input of a network that has one of its own, smaller where pictures are and its geometry allows; and why.

    Parameters
    ----------
    text
        its name, or its text
    native
        the input that it states
    seen
        what there is to learn from
    """
    if find(text) is None:
        return native, "the text says so"
    channels = 1 if seen.gray else native[2]
    own = native[0], native[1], channels
    side = max(-(-seen.side // ROUND) * ROUND, -(-native[0] // (4 * ROUND)) * ROUND)
    if seen.side > SMALL or side >= min(native[:2]):
        return own, "the network's own"
    smaller = side, side, channels
    with torch.device("meta"):
        adapts = any(
            isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d) for module in build(text).modules()
        )
    if not adapts:
        return own, "the network's own, for its fully connected layers take no other"
    return smaller, f"the pictures are small, {seen.side} pixels, and the network takes any size"


def fitting_size(seen: Seen, device: torch.device) -> tuple[Size, str]:
    """The input that suits pictures, where the network has none of its own; and why.

    Parameters
    ----------
    seen
        what there is to learn from
    device
        where
    """
    channels = 1 if seen.gray else 3
    if seen.shape and SIDES[0] <= min(seen.shape) and max(seen.shape) <= SIDES[-1]:
        return (*seen.shape, channels), "all pictures have this size"
    typical = f"the shorter side of a typical picture has {count(seen.side, 'pixel')}"
    if seen.side <= SMALL:
        side = next((side for side in SIDES if seen.side <= side + 8), SIDES[-1])
        return (side, side, channels), typical
    side = PHOTO.get(device.type, PHOTO["cpu"])
    return (side, side, channels), f"photos; {'a GPU has time for' if side > 128 else 'without a GPU, more takes long'}"


def least_size(text: str, input: Size) -> str | None:
    """The first usual size that a network takes, as one would type it.

    Parameters
    ----------
    text
        its name, or its text
    input
        one that it does not take, whose channels stay
    """
    with torch.device("meta"):
        for side in (32, 48, 64, 96, 128, 160, 224, 227, 256, 299):
            try:
                build(text, input=(side, side, input[2]))
            except GeometryError:
                continue
            return f"{side}x{side}"
    return None
