"""The one warp: a picture becomes a view by one map and one colour matrix, without aliasing.

First the part of the picture that was drawn is cut out. One that is only stretched over the view, mirrored or not, is
resized as pictures are elsewhere: by a triangle that widens as it shrinks, along the rows, then along the columns, each
time rounded to whole levels. PyTorch does that in bytes, in less time than the stages below.

Any other map goes through these stages; the tests hold them in plain float64. How far the map moves along its x and y,
at a step of one pixel of the view in any direction, is s, one for each axis.

1. While both s are 2 or more: the picture is halved in both directions, each pixel the mean of 2×2, rounded half up.
   A last odd row or column is repeated.
2. While one s is 2 or more: halved in that direction, not rounded.
3. An s from 1 to 2 along an axis softens it by the weights w, 1 − 2w, w with w = (s² − 1) / 12: then sampling between
   pixels has the variance of a triangle of width s, as antialiased resizing has. Below 1/64, w is 0.
4. Bilinear sampling at the positions of the map; outside, the picture's border goes on.

Then, for both: the colour matrix, the blur (±3σ), rounding to whole levels, the rectangle. OpenCV and PyTorch let
Python's lock go.
"""

from functools import lru_cache
from math import ceil, floor, frexp, hypot
from typing import NamedTuple

import cv2
import numpy as np
import torch

from striate.data.distort.draw import Affine, Drawn, control_positions, spline
from striate.errors import StriateError
from striate.show.numbers import show_size

cv2.setNumThreads(1)  # pictures are warped side by side by our own threads
EDGE = cv2.BORDER_REPLICATE


class Reading(NamedTuple):
    """How a picture is read by a map.

    Parameters
    ----------
    halvings
        along x and y
    softening
        w along x and y
    affine
        the map into the halved picture
    """

    halvings: tuple[int, int]
    softening: tuple[float, float]
    affine: Affine


def reading(drawn: Drawn) -> Reading:
    """What to do before the picture is sampled."""
    a, b, c, d, e, f = drawn.affine
    (across, soft_x), (down, soft_y) = _halvings(hypot(a, b)), _halvings(hypot(d, e))
    x, y = 0.5**across, 0.5**down
    return Reading((across, down), (soft_x, soft_y), (a * x, b * x, c * x, d * y, e * y, f * y))


def _halvings(step: float) -> tuple[int, float]:
    """How often to halve for a step of so many pixels, and w for what remains."""
    if step <= 1:
        return 0, 0.0
    count = frexp(step)[1] - 1
    soft = ((step * 0.5**count) ** 2 - 1) / 12
    return count, soft if soft >= 1 / 64 else 0.0


def warp(picture: np.ndarray, drawn: Drawn, out: np.ndarray | None = None) -> np.ndarray:
    """A view of a picture.

    Parameters
    ----------
    picture
        (height, width, 1 or 3) of uint8
    drawn
        what happens to it
    out
        where to put the view, (height, width, 1 or 3) of uint8 in one piece; a new array if absent
    """
    channels = picture.shape[2]
    if drawn.box:
        top, left, height, width = drawn.box
        picture = picture[top : top + height, left : left + width]
    if out is None:
        out = np.empty((*drawn.size, channels), np.uint8)
    elif out.shape != (*drawn.size, channels) or out.dtype != np.uint8:
        expected = f"{show_size((*drawn.size, channels))} of uint8"
        raise StriateError(f"the view is {expected}, but is to be put into {show_size(out.shape)} of {out.dtype}")
    recoloured = drawn.light if channels == 1 else drawn.colour is not None
    if stretches(drawn, picture.shape):
        _stretched(picture, drawn.affine[0] < 0, out)
        if recoloured or drawn.blur:
            _finished(out.astype(np.float32), drawn, out)
    else:
        _finished(_sampled(picture, drawn, reading(drawn)), drawn, out)
    if drawn.erased:
        top, left, height, width = drawn.erased
        out[top : top + height, left : left + width] = drawn.fill if channels == 3 else drawn.fill[1]
    return out


def stretches(drawn: Drawn, room: tuple[int, ...]) -> bool:
    """Whether the map stretches exactly a part of this height and width over the view, mirrored or not."""
    (a, b, c, d, e, f), (height, width) = drawn.affine, drawn.size
    # PyTorch gets views one pixel wide wrong where it has no vector code for a processor
    if drawn.moves is not None or width == 1:
        return False
    off = e * height - room[0], abs(a) * width - room[1], c - (room[1] if a < 0 else 0), b, d, f
    return max(map(abs, off)) < 1e-9 * max(room)  # what rounding leaves


def _stretched(part: np.ndarray, mirrored: bool, out: np.ndarray) -> None:
    """Resize (height, width, channels) into `out`."""
    # turned by NumPy, which keeps Python's lock: giving it away and waiting for it costs more than turning
    before, after = (
        torch.from_numpy(pixels.reshape(1, *pixels.shape).transpose(0, 3, 1, 2)) for pixels in (_plain(part), out)
    )
    # what `interpolate(…, antialias=True)` calls; that one cannot fill memory that is there
    torch.ops.aten._upsample_bilinear2d_aa.out(before, out.shape[:2], False, out=after)
    if mirrored:
        cv2.flip(out, 1, out)


def _plain(part: np.ndarray) -> np.ndarray:
    """The same pixels as PyTorch takes them: it warns of what must not be written to, though it only reads this."""
    part = part.view()
    try:
        part.flags.writeable = True
    except ValueError:
        return part.copy()
    return part if min(part.strides) > 0 else part.copy()  # it knows no steps backwards


def _finished(values: np.ndarray, drawn: Drawn, out: np.ndarray) -> None:
    """Colours, blur and rounding of (height, width) or (height, width, channels) of float32 into `out`."""
    channels, recoloured = out.shape[2], True
    if channels == 1:  # OpenCV drops a last axis of 1
        values, out = values.reshape(out.shape[:2]), out[:, :, 0]
    if channels == 1 and drawn.light:
        gain, lift = drawn.light
        values = values * np.float32(gain) + np.float32(lift)
    elif channels == 3 and drawn.colour is not None:
        values = cv2.transform(values, drawn.colour)
    else:
        recoloured = False
    if drawn.blur:
        values = cv2.sepFilter2D(values, -1, bell(drawn.blur), bell(drawn.blur), borderType=EDGE)
    if recoloured:
        cv2.threshold(values, 0, 0, cv2.THRESH_TOZERO, values)  # what follows takes absolute values
    cv2.convertScaleAbs(values, out)


def _sampled(picture: np.ndarray, drawn: Drawn, read: Reading) -> np.ndarray:
    """Stages 1 to 4: (height, width) or (height, width, 3) of float32."""
    (height, width), (a, b, c, d, e, f), (across, down) = drawn.size, read.affine, read.halvings
    if picture.shape[2] == 1:
        picture = picture[:, :, 0]
    reach_x = reach_y = 0.0
    if drawn.moves is not None:
        x, y = np.abs(drawn.moves).max(axis=(1, 2)).tolist()
        reach_x, reach_y = abs(a) * x + abs(b) * y, abs(d) * x + abs(e) * y
    left, right = _seen(c, (a, width), (b, height), reach_x, -(-picture.shape[1] >> across))
    top, bottom = _seen(f, (d, width), (e, height), reach_y, -(-picture.shape[0] >> down))
    part = picture[top << down : bottom << down, left << across : right << across]
    part = _softened(_halved(part, read.halvings), read.softening)
    c, f = c - left, f - top  # positions from the part's corner
    if drawn.moves is not None:
        rows, columns = _splines(drawn.size)
        shrink, corner = np.array((0.5**across, 0.5**down)), np.array((left + 0.5, top + 0.5))
        control = control_positions(drawn) * shrink[:, None, None] - corner[:, None, None]
        x, y = rows @ control.astype(np.float32) @ columns
        return cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=EDGE)
    # OpenCV's positions are those of pixels' middles
    affine = np.array(((a, b, c + (a + b - 1) / 2), (d, e, f + (d + e - 1) / 2)))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(part, affine, (width, height), flags=flags, borderMode=EDGE)


def _seen(
    shift: float, across: tuple[float, int], down: tuple[float, int], reach: float, count: int
) -> tuple[int, int]:
    """The first pixel of an axis that the map can see, and the one after the last; one more on each side is softened.

    At least two: beyond the picture its last pixel is seen, which its neighbour softens.
    """
    (a, width), (b, height) = across, down
    middle = shift + (a * width + b * height) / 2 - 0.5
    reach += (abs(a) * (width - 1) + abs(b) * (height - 1)) / 2
    first, last = floor(middle - reach) - 1, floor(middle + reach) + 3
    return max(0, min(first, count - 2)), min(count, max(last, 2))


def _halved(part: np.ndarray, halvings: tuple[int, int]) -> np.ndarray:
    """Stages 1 and 2."""
    both = min(halvings)
    for number in range(max(halvings)):
        across, down = (number < count for count in halvings)
        if number == both:
            part = part.astype(np.float32)
        odd_x, odd_y = across * (part.shape[1] % 2), down * (part.shape[0] % 2)
        if odd_x or odd_y:
            part = cv2.copyMakeBorder(part, 0, odd_y, 0, odd_x, EDGE)
        size = part.shape[1] >> across, part.shape[0] >> down
        # half-way between two pixels, linear sampling is their mean, and faster than the mean of an area
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA if number < both else cv2.INTER_LINEAR)
    return part


def _softened(part: np.ndarray, softening: tuple[float, float]) -> np.ndarray:
    """Stage 3, as float32."""
    if not any(softening):
        return part.astype(np.float32, copy=False)
    across, down = (np.array((w, 1 - 2 * w, w) if w else (1.0,), np.float32) for w in softening)
    return cv2.sepFilter2D(part, cv2.CV_32F, across, down, borderType=EDGE)


@lru_cache(maxsize=16)
def _splines(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(height, CONTROL) and (CONTROL, width)."""
    return spline(size[0]).astype(np.float32), np.ascontiguousarray(spline(size[1]).T, np.float32)


def bell(sigma: float) -> np.ndarray:
    """The weights of a blur, (2·radius + 1, 1) of float32; the radius is 3σ, rounded up."""
    return cv2.getGaussianKernel(2 * ceil(3 * sigma) + 1, sigma, cv2.CV_32F)
