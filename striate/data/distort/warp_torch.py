"""The one warp for a batch, on any device: the stages of `striate.data.distort.warp`, with the same parameters.

What was drawn may differ from picture to picture; the pictures have one size, and so have the views.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, pad

from striate.data.distort.draw import Drawn, control_positions, spline
from striate.data.distort.warp import Reading, bell, reading
from striate.errors import StriateError


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
    readings = [reading(drawn) for drawn in drawns]
    views = torch.empty((len(drawns), pictures.shape[1], *sizes.pop()), device=pictures.device)
    for halvings in {read.halvings for read in readings}:
        rows = [row for row, read in enumerate(readings) if read.halvings == halvings]
        views[rows] = _sampled(pictures[rows], [drawns[row] for row in rows], [readings[row] for row in rows])
    views = _blurred(_coloured(views, drawns), drawns).clamp(0, 255).round().to(torch.uint8)
    for view, drawn in zip(views, drawns, strict=True):
        if drawn.erased:
            top, left, height, width = drawn.erased
            fill = drawn.fill if len(view) == 3 else drawn.fill[1:2]
            for channel, level in zip(view, fill, strict=True):
                channel[top : top + height, left : left + width] = level
    return views


def _sampled(pictures: Tensor, drawns: list[Drawn], readings: list[Reading]) -> Tensor:
    """Stages 1 to 4, (batch, channels, height, width) of float32, for pictures that are halved equally often."""
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
