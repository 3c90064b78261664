"""The one warp for a batch, on any device: the stages of `striate.data.distort.warp`, with the same parameters.

What was drawn may differ from picture to picture; the pictures have one size, and so have the views.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, pad

from striate.data.distort.draw import Drawn, control_positions, spline
from striate.data.distort.warp import bell, reading, stretches
from striate.errors import StriateError
from striate.pictures.resize import BITS, resize_weights


def warp_batch(pictures: Tensor, drawns: Sequence[Drawn]) -> Tensor:
    """Views of a batch of pictures, (batch, channels, height, width) of uint8.

    Parameters
    ----------
    pictures
        (batch, 1 or 3 channels, height, width) of uint8, on any device
    drawns
        what happens to each
    """
    sizes = {drawn.size for drawn in drawns}
    if len(drawns) != len(pictures) or len(sizes) != 1:
        raise StriateError(
            f"a batch of {len(pictures)} pictures becomes as many views of one size, "
            f"but {len(drawns)} were drawn, of {len(sizes)} sizes"
        )
    groups = defaultdict(list)
    for row, drawn in enumerate(drawns):
        room = drawn.box[2:] if drawn.box else tuple(pictures.shape[2:])
        groups["stretched" if stretches(drawn, room) else reading(drawn).halvings].append(row)
    views = torch.empty((len(drawns), pictures.shape[1], *sizes.pop()), device=pictures.device)
    for how, rows in groups.items():
        sampled = _stretched if how == "stretched" else _sampled
        views[rows] = sampled(pictures[rows], [drawns[row] for row in rows])
    views = _blurred(_coloured(views, drawns), drawns).clamp(0, 255).round().to(torch.uint8)
    for view, drawn in zip(views, drawns, strict=True):
        if drawn.erased:
            top, left, height, width = drawn.erased
            fill = drawn.fill if len(view) == 3 else drawn.fill[1:2]
            for channel, level in zip(view, fill, strict=True):
                channel[top : top + height, left : left + width] = level
    return views


def _stretched(pictures: Tensor, drawns: list[Drawn]) -> Tensor:
    """Boxes that are only stretched, (batch, channels, height, width) of float32; one by one, as their sizes differ."""
    views = []
    for picture, drawn in zip(pictures, drawns, strict=True):
        top, left, height, width = drawn.box or (0, 0, *picture.shape[1:])
        part = picture[:, top : top + height, left : left + width].float()
        for after in reversed(drawn.size):  # along the rows, then along the columns, which have become the rows
            seen, weights = resize_weights(part.shape[2], after)
            part = (part[:, :, seen] @ _on(weights.T, part) / 2 ** BITS["bilinear"] + 0.5).floor().mT
        views.append(part.flip(2) if drawn.affine[0] < 0 else part)
    return torch.stack(views)


def _sampled(pictures: Tensor, drawns: list[Drawn]) -> Tensor:
    """Stages 1 to 4, (batch, channels, height, width) of float32, for pictures that are halved equally often."""
    readings = [reading(drawn) for drawn in drawns]
    across, down = readings[0].halvings
    values = _boxes(pictures, drawns).float()
    for number in range(max(across, down)):
        values = _halved(values, number < across, number < down)
    weights = np.array([[(w, 1 - 2 * w, w) for w in read.softening] for read in readings])  # (batch, x and y, taps)
    for axis in (0, 1):
        if weights[:, axis, 0].any():
            values = _filtered(values, weights[:, axis], vertical=bool(axis))
    height, width = values.shape[2:]
    # positions of the control points, made positions of pixels' middles, from −1 (the first) to 1 (the last)
    control = np.stack([control_positions(drawn) for drawn in drawns])  # (batch, x and y, rows, columns)
    control *= np.array((0.5**across, 0.5**down))[:, None, None]
    last = np.maximum(np.array((width, height)) - 1, 1)[:, None, None]
    control = 2 * (control - 0.5) / last - 1
    rows, columns = (spline(side) for side in drawns[0].size)
    # summed in this order by multiplication and addition alone: as a matrix product a GPU may round it to ten bits
    along = _on(control @ columns.T, values)  # (batch, x and y, control points, width)
    grid = sum(along[:, :, j, None, :] * row[:, None] for j, row in enumerate(_on(rows.T, values)))
    assert isinstance(grid, Tensor)
    grid = grid.permute(0, 2, 3, 1)  # (batch, height, width, x and y)
    return grid_sample(values, grid, mode="bilinear", padding_mode="border", align_corners=True)


def _boxes(pictures: Tensor, drawns: list[Drawn]) -> Tensor:
    """Each picture's box, its border repeated as far as the largest box reaches."""
    if not any(drawn.box for drawn in drawns):
        return pictures
    whole = (0, 0, *pictures.shape[2:])
    boxes = torch.tensor([drawn.box or whole for drawn in drawns], device=pictures.device)
    top, left, height, width = (part[:, None] for part in boxes.unbind(1))
    rows = top + torch.minimum(torch.arange(int(height.max()), device=pictures.device), height - 1)
    columns = left + torch.minimum(torch.arange(int(width.max()), device=pictures.device), width - 1)
    batch = torch.arange(len(pictures), device=pictures.device)[:, None, None]
    return pictures[batch, :, rows[:, :, None], columns[:, None, :]].movedim(3, 1)


def _halved(values: Tensor, across: bool, down: bool) -> Tensor:
    """Half as wide, half as high, or both; a mean of 2×2 is rounded half up."""
    values = pad(values, (0, across and values.shape[3] % 2, 0, down and values.shape[2] % 2), mode="replicate")
    values = avg_pool2d(values, (1 + down, 1 + across))
    return (values + 0.5).floor() if across and down else values


def _filtered(values: Tensor, weights: np.ndarray, vertical: bool) -> Tensor:
    """Each picture filtered along an axis with its own weights (batch, taps); the border goes on."""
    taps, axis = weights.shape[1], 2 if vertical else 3
    room = (0, 0, taps // 2, taps // 2) if vertical else (taps // 2, taps // 2, 0, 0)
    wide, length = pad(values, room, mode="replicate"), values.shape[axis]
    scales = _on(weights, values)[:, :, None, None, None]
    total = torch.zeros_like(values)
    for tap in range(taps):
        total += scales[:, tap] * wide.narrow(axis, tap, length)
    return total


def _coloured(views: Tensor, drawns: Sequence[Drawn]) -> Tensor:
    """Each view with its colour matrix; with its gain and shift where it has one channel."""
    channels = views.shape[1]
    if channels == 1:
        matrices = np.array([[drawn.light or (1.0, 0.0)] for drawn in drawns])
    else:
        same = np.eye(3, 4)
        matrices = np.stack([same if drawn.colour is None else drawn.colour for drawn in drawns])
    matrix = _on(matrices, views)[:, :, :, None, None]  # (batch, channels after, channels before and 1, 1, 1)
    total = matrix[:, :, channels].expand_as(views).clone()
    for channel in range(channels):
        total += matrix[:, :, channel] * views[:, channel, None]
    return total


def _blurred(views: Tensor, drawns: Sequence[Drawn]) -> Tensor:
    """Those that are blurred, each with its own bell."""
    rows = [row for row, drawn in enumerate(drawns) if drawn.blur]
    if not rows:
        return views
    bells = [bell(drawns[row].blur).ravel() for row in rows]
    widest = max(map(len, bells))
    weights = np.stack([np.pad(one, (widest - len(one)) // 2) for one in bells])
    views[rows] = _filtered(_filtered(views[rows], weights, vertical=False), weights, vertical=True)
    return views


def _on(values: np.ndarray, like: Tensor) -> Tensor:
    """As float32 on the same device."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(like.device)
