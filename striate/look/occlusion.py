"""Occlusion: how much a class's logit falls where a patch of the picture is covered (Zeiler and Fergus, 2013).

Early layers see a patch in its neighbourhood only. So a network is cut into parts, each of which runs on a small piece
of what it gets: around what changed, and else as it is for the uncovered picture. Pieces begin at multiples of the
stride and end as the whole ends, so that every window falls as it would there: the maps are the same, not nearly so.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

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

    def inside(self, stride: int) -> slice:
        """These outputs among those of the piece."""
        return slice(self.first - self.start // stride, self.last - self.start // stride)


class Part(NamedTuple):
    """A part of a network, and the pieces that it runs on.

    Parameters
    ----------
    run
        what it computes
    sides
        height and width of a piece; the last part has none, since it runs on all that it gets
    strides
        positions of what it gets from one of its outputs to the next, down and across
    pieces
        for each place of the patch, down and across
    """

    run: nn.Module
    sides: tuple[int, ...] = ()
    strides: tuple[int, ...] = (1, 1)
    pieces: tuple[list[Piece], ...] = ()


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
        parts = cut(network, pictures[:1], starts, patch)
        for number, picture in enumerate(pictures):
            wholes = uncovered(parts, picture)
            for at in range(0, len(places), AT_ONCE):
                chunk = places[at : at + AT_ONCE]
                left = covered(parts, wholes, starts, chunk, patch)  # (chunk, classes)
                for (i, j), fall in zip(chunk, (wholes[-1] - left)[:, targets[number]], strict=True):
                    top, left_of = starts[0][i], starts[1][j]
                    maps[number, :, top : top + patch, left_of : left_of + patch] += fall[:, None, None]
    return maps / cover


def covered(
    parts: list[Part], wholes: list[Tensor], starts: tuple[list[int], ...], places: list[tuple[int, int]], patch: int
) -> Tensor:
    """What a network says where the patch, which is 0, covers a picture: (places, classes)."""
    new = list(wholes[0].new_zeros(len(places), len(wholes[0]), patch, patch))
    corners = [(starts[0][i], starts[1][j]) for i, j in places]  # where what is new lies in the whole
    for part, whole in zip(parts[:-1], wholes, strict=False):
        own = [(part.pieces[0][i], part.pieces[1][j]) for i, j in places]
        begins = [(rows.start, columns.start) for rows, columns in own]
        found = part.run(pasted(whole, part.sides, begins, new, corners))
        corners = [(rows.first, columns.first) for rows, columns in own]
        new = [
            out[:, rows.inside(part.strides[0]), columns.inside(part.strides[1])]
            for out, (rows, columns) in zip(found, own, strict=True)
        ]
    whole = wholes[len(parts) - 1]
    return parts[-1].run(pasted(whole, whole.shape[1:], [(0, 0)] * len(places), new, corners))


def pasted(
    whole: Tensor,
    sides: Sequence[int],
    begins: list[tuple[int, int]],
    new: list[Tensor],
    corners: list[tuple[int, int]],
) -> Tensor:
    """Pieces of a whole, (places, channels, *sides), with something new at its place in each."""
    pieces = torch.empty(
        (len(new), len(whole), *sides), dtype=whole.dtype, device=whole.device, memory_format=torch.channels_last
    )
    for piece, values, (top, left), (row, column) in zip(pieces, new, begins, corners, strict=True):
        piece[:] = whole[:, top : top + sides[0], left : left + sides[1]]
        room = piece[:, row - top : row - top + values.shape[1], column - left : column - left + values.shape[2]]
        room[:] = values[:, : room.shape[1], : room.shape[2]]  # a patch may hang over the end
    return pieces


def cut(network: nn.Module, picture: Tensor, starts: tuple[list[int], ...], patch: int) -> list[Part]:
    """Parts of a network, of which all but the last run on pieces; only the last, where that brings nothing.

    Parameters
    ----------
    network
        any module, held `still`
    picture
        (1, channels, height, width)
    starts
        where the patch begins, down and across
    patch
        its side
    """
    size = list(picture.shape[2:])
    parts, sides, changed, lengths = [], size, [list(line) for line in starts], [patch, patch]
    seen, groups = [Field(1, 1, 0)] * 2, _groups(network, picture)
    while groups:
        layers, fields, outputs = groups[0]
        steps = [after.seen_from(before) for before, after in zip(seen, fields, strict=True)]
        pieces_sides, pieces = zip(*map(pieces_of, steps, sides, outputs, changed, lengths), strict=True)
        if pieces_sides[0] * pieces_sides[1] > WORTH * sides[0] * sides[1]:
            break
        parts.append(Part(nn.Sequential(*layers), pieces_sides, tuple(step.stride for step in steps), pieces))
        sides, seen = list(outputs), fields
        changed = [[piece.first for piece in line] for line in pieces]
        lengths = [max(piece.last - piece.first for piece in line) for line in pieces]
        groups = groups[1:]
    ran = sum(len(part.run) for part in parts)  # pyright: ignore[reportArgumentType]
    parts.append(Part(nn.Sequential(*(layer for _, layer in list(chain(network, ""))[ran:])) if parts else network))
    # a sequence may have a forward pass of its own, or a layer twice: then it is not what its parts tell
    middle, whole = [(len(starts[0]) // 2, len(starts[1]) // 2)], [Part(network)]
    mine, other = (covered(some, uncovered(some, picture[0]), starts, middle, patch) for some in (parts, whole))
    return parts if torch.allclose(mine, other, atol=1e-4) else whole


def _groups(network: nn.Module, picture: Tensor) -> list[tuple[list[nn.Module], list[Field], tuple[int, int]]]:
    """Layers up to the first that sees all of the picture: what one sees, and its rows and columns, in one group."""
    channels, height, width = picture.shape[1:]
    layers, groups = list(chain(network, "")), []
    rows = observe(network, (height, width, channels)) if len(layers) > 1 else []
    for path, layer in layers[:-1]:
        own = [row for row in rows if row.path == path or row.path.startswith(f"{path}.")]
        sights = own[-1].sights or () if own else ()
        fields = [sight.field for sight in sights if sight.field and not sight.span]
        if len(fields) < 2:
            break
        if groups and groups[-1][1] == fields:
            groups[-1][0].append(layer)
        else:
            groups.append(([layer], fields, (own[-1].output[0], own[-1].output[1])))
    return groups


def uncovered(parts: list[Part], picture: Tensor) -> list[Tensor]:
    """What each part gets, (channels, rows, columns), and at last what the network says, where nothing is covered."""
    wholes = [picture]
    for part in parts:
        wholes.append(part.run(wholes[-1][None])[0])
    return wholes


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
