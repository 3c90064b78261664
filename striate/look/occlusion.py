"""Occlusion: how much a class's logit falls where a patch of the picture is covered (Zeiler and Fergus, 2013).

What lies before the place where a network is cut sees a patch in its neighbourhood only. So that part runs on a small
piece of the picture around the patch; what comes out replaces the part of the uncovered picture's features that sees
the patch; and what lies behind the cut runs on the whole. Pieces begin at multiples of the stride and end as the
picture ends, so that every window falls as it would in the whole picture: the maps are the same, not nearly so.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from striate.engine.fastest import fastest
from striate.errors import StriateError
from striate.look.subject import still
from striate.measure.field import Field
from striate.measure.shapes import observe
from striate.nets.net import chain
from striate.show.numbers import show_size

AT_ONCE = 32  # covered pictures in a batch: more are not faster
WORTH = 0.9  # of the multiply-adds: a cut that leaves more of them costs as much as it saves
PATCHES = 7  # that stand side by side on the shorter side, if nothing is said


class Piece(NamedTuple):
    """Along one axis: where a piece of the picture begins, and which outputs are taken from it."""

    start: int
    first: int
    last: int


class Cut(NamedTuple):
    """A network in two: `front` runs on pieces of the picture, `rest` on whole maps.

    Parameters
    ----------
    front, rest
        what runs one after the other; an empty front passes pictures on
    sides
        height and width of a piece, in pixels
    strides
        pixels from one output of `front` to the next, down and across
    pieces
        for each place of the patch, down and across
    share
        of the network's multiply-adds that are left
    """

    front: nn.Module
    rest: nn.Module
    sides: tuple[int, ...]
    strides: tuple[int, ...]
    pieces: tuple[list[Piece], ...]
    share: float


def occlusion(
    network: nn.Module, pictures: Tensor, targets: Tensor, *, patch: int | None = None, step: int | None = None
) -> Tensor:
    """How much a class's logit falls where a patch is covered: the mean over all patches that cover a pixel.

    A patch is covered by 0, the mean colour after normalisation. The maps are those of captum's `Occlusion` for the
    logits: (batch, k, height, width).

    Parameters
    ----------
    network
        any module that gives logits (batch, classes)
    pictures
        (batch, channels, height, width)
    targets
        places of classes, (batch, k)
    patch
        its side in pixels; None is a seventh of the picture's shorter side
    step
        pixels from one patch to the next; None is half a patch
    """
    height, width = size = (pictures.shape[2], pictures.shape[3])
    patch = max(1, round(min(size) / PATCHES)) if patch is None else patch
    step = max(1, patch // 2) if step is None else step
    if not 1 <= patch <= min(size) or not 1 <= step <= patch:
        raise StriateError(
            f"a patch fits into the picture and a step is at most a patch, so that nothing is left out, but for "
            f"{show_size(size)} the patch is {patch} and the step {step}"
        )
    starts = tuple(list(range(0, side - patch + step, step)) for side in size)  # the last one may hang over
    places = [(i, j) for i in range(len(starts[0])) for j in range(len(starts[1]))]
    maps = torch.zeros(len(pictures), targets.shape[1], height, width)
    cover = torch.zeros(height, width)  # by how many patches a pixel is covered
    for i, j in places:
        cover[starts[0][i] : starts[0][i] + patch, starts[1][j] : starts[1][j] + patch] += 1
    with still(network), torch.no_grad():
        cut = best_cut(network, pictures[:1], starts, patch)
        whole = cut.front(pictures)  # (batch, channels, rows, columns)
        logits = cut.rest(whole)
        runs, few = len(pictures) * len(places), min(4, len(places))
        piece = pictures[:1, :, : cut.sides[0], : cut.sides[1]]
        front = fastest(cut.front, piece.repeat(few, 1, 1, 1), pictures=runs)
        rest = fastest(cut.rest, whole[:1].repeat(few, 1, 1, 1), pictures=runs)
        for number, picture in enumerate(pictures):
            for at in range(0, len(places), AT_ONCE):
                chunk = places[at : at + AT_ONCE]
                found = torch.from_numpy(front(covered(picture, cut, starts, chunk, patch))[0])
                left = torch.from_numpy(rest(pasted(whole[number], found, cut, chunk))[0])  # (chunk, classes)
                for (i, j), fall in zip(chunk, (logits[number] - left)[:, targets[number]], strict=True):
                    top, left_of = starts[0][i], starts[1][j]
                    maps[number, :, top : top + patch, left_of : left_of + patch] += fall[:, None, None]
    return maps / cover


def covered(
    picture: Tensor, cut: Cut, starts: tuple[list[int], ...], places: list[tuple[int, int]], patch: int
) -> Tensor:
    """The piece of a picture around each place of the patch, which is 0. # (places, channels, *cut.sides)"""
    pieces = picture.new_empty(len(places), len(picture), *cut.sides)
    for piece, (i, j) in zip(pieces, places, strict=True):
        top, left = cut.pieces[0][i].start, cut.pieces[1][j].start
        piece[:] = picture[:, top : top + cut.sides[0], left : left + cut.sides[1]]
        above, before = starts[0][i] - top, starts[1][j] - left
        piece[:, above : above + patch, before : before + patch] = 0
    return pieces


def pasted(whole: Tensor, found: Tensor, cut: Cut, places: list[tuple[int, int]]) -> Tensor:
    """The features of the uncovered picture, with those from the pieces where they see the patch."""
    features = whole.repeat(len(places), 1, 1, 1)
    for to, new, (i, j) in zip(features, found, places, strict=True):
        down, across = cut.pieces[0][i], cut.pieces[1][j]
        top, left = down.start // cut.strides[0], across.start // cut.strides[1]
        to[:, down.first : down.last, across.first : across.last] = new[
            :, down.first - top : down.last - top, across.first - left : across.last - left
        ]
    return features


def best_cut(network: nn.Module, picture: Tensor, starts: tuple[list[int], ...], patch: int) -> Cut:
    """Where a network is cut, so that the fewest multiply-adds are left; an empty front where that brings nothing."""
    channels, *size = picture.shape[1:]
    every = tuple([Piece(0, 0, side)] * len(line) for side, line in zip(size, starts, strict=True))
    none = best = Cut(nn.Identity(), network, tuple(size), (1, 1), every, 1.0)
    parts = list(chain(network, ""))
    rows = observe(network, (size[0], size[1], channels)) if len(parts) > 1 else []
    total, before = sum(row.macs for row in rows) or 1, 0
    for number, (path, _) in enumerate(parts[:-1], 1):
        own = [row for row in rows if row.path == path or row.path.startswith(f"{path}.")]
        before += sum(row.macs for row in own)
        fields = [sight.field for sight in own[-1].sights or () if sight.field and not sight.span] if own else []
        if len(fields) < 2:
            continue
        sides, pieces = zip(*map(pieces_of, fields, size, own[-1].output, starts, [patch] * 2), strict=True)
        share = 1 - before / total * (1 - sides[0] * sides[1] / (size[0] * size[1]))
        if share < min(best.share, WORTH):
            front, rest = (nn.Sequential(*(part for _, part in some)) for some in (parts[:number], parts[number:]))
            best = Cut(front, rest, sides, tuple(field.stride for field in fields), pieces, share)
    middle = [(len(starts[0]) // 2, len(starts[1]) // 2)]
    there = best.rest(
        pasted(best.front(picture)[0], best.front(covered(picture[0], best, starts, middle, patch)), best, middle)
    )
    # a sequence may have a forward pass of its own, or a layer twice: then it is not what its parts tell
    return best if torch.allclose(there, network(covered(picture[0], none, starts, middle, patch)), atol=1e-4) else none


def pieces_of(field: Field, side: int, outputs: int, starts: list[int], patch: int) -> tuple[int, list[Piece]]:
    """Along one axis: how long pieces are, and the piece for each place of the patch."""
    size, stride, start = field
    seen = []
    for at in starts:  # outputs first … last − 1 see the patch
        first = max(0, -((start + size - 1 - at) // stride))
        last = min(outputs, (min(at + patch, side) - 1 - start) // stride + 1)
        begin = max(0, (start + first * stride) // stride * stride)
        seen.append((begin, first, last, min(side, start + (last - 1) * stride + size) - begin))
    needed = max(stride, *(length for *_, length in seen))
    length = min(side, needed + (side - needed) % stride)  # it ends at the end of the picture if it is moved there
    return length, [Piece(min(begin, side - length), first, last) for begin, first, last, _ in seen]
