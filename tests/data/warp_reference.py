"""The one warp in plain float64, written from its description; and strategies for what is drawn."""

import math

import numpy as np
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from striate.data.distort.distortion import RANGES, Distortion
from striate.data.distort.draw import Drawn


def reference(picture: np.ndarray, drawn: Drawn) -> np.ndarray:
    """The view (height, width, channels) before its last rounding, from 0 to 255."""
    a, b, c, d, e, f = drawn.affine
    if drawn.box:
        top, left, height, width = drawn.box
        picture = picture[top : top + height, left : left + width]
    values, steps = picture.astype(np.float64), [math.hypot(d, e), math.hypot(a, b)]  # along rows, along columns
    if stretched(picture, drawn):
        view = triangles(triangles(values, 1, drawn.size[1]), 0, drawn.size[0])
        return finished(view[:, ::-1] if a < 0 else view, drawn)
    while min(steps) >= 2:
        values = np.floor(half(half(values, 0), 1) + 0.5)
        steps, (a, b, c, d, e, f) = [step / 2 for step in steps], (part / 2 for part in (a, b, c, d, e, f))
    while steps[0] >= 2:
        values, steps[0], (d, e, f) = half(values, 0), steps[0] / 2, (d / 2, e / 2, f / 2)
    while steps[1] >= 2:
        values, steps[1], (a, b, c) = half(values, 1), steps[1] / 2, (a / 2, b / 2, c / 2)
    for axis, step in enumerate(steps):
        w = (step**2 - 1) / 12
        if w >= 1 / 64:
            values = filtered(values, np.array([w, 1 - 2 * w, w]), axis)
    y, x = np.indices(drawn.size) + 0.5
    if drawn.moves is not None:
        right, down = (spline_surface(moves, drawn.size) for moves in drawn.moves)
        x, y = x + right, y + down
    return finished(bilinear(values, d * x + e * y + f - 0.5, a * x + b * y + c - 0.5), drawn)


def allowed(picture: np.ndarray, drawn: Drawn) -> float:
    """How far a view may be from it beside its last rounding: one that is stretched is rounded after each direction."""
    if drawn.box:
        picture = picture[: drawn.box[2], : drawn.box[3]]
    if not stretched(picture, drawn):
        return 0.0
    gain = 1.0  # a blur is a mean
    if picture.shape[2] == 1 and drawn.light:
        gain = abs(drawn.light[0])
    elif picture.shape[2] == 3 and drawn.colour is not None:
        gain = np.abs(drawn.colour[:, :3]).sum(axis=1).max()
    elif not drawn.blur:
        return 0.5
    return 1.05 * gain


def stretched(picture: np.ndarray, drawn: Drawn) -> bool:
    """Whether the view's corners are the picture's; a view one pixel wide counts as any other map."""
    (a, b, c, d, e, f), (height, width), (tall, wide) = drawn.affine, drawn.size, picture.shape[:2]
    corners = [(a * x + b * y + c, d * x + e * y + f) for x, y in ((0, 0), (width, 0), (0, height), (width, height))]
    plain = [(0, 0), (wide, 0), (0, tall), (wide, tall)]
    mirrored = [(wide - x, y) for x, y in plain]
    return drawn.moves is None and width > 1 and any(np.allclose(corners, told, 0, 1e-8) for told in (plain, mirrored))


def triangles(values: np.ndarray, axis: int, count: int) -> np.ndarray:
    """Resized along an axis: means weighted by a triangle two pixels wide, of the larger of both sizes."""
    step = values.shape[axis] / count
    apart = (np.arange(values.shape[axis]) + 0.5) - (np.arange(count)[:, None] + 0.5) * step
    weights = np.maximum(0, 1 - np.abs(apart) / max(step, 1))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)


def finished(view: np.ndarray, drawn: Drawn) -> np.ndarray:
    """Colours, blur and rectangle."""
    channels = view.shape[2]
    if channels == 1 and drawn.light:
        view = drawn.light[0] * view + drawn.light[1]
    if channels == 3 and drawn.colour is not None:
        view = view @ drawn.colour[:, :3].T.astype(np.float64) + drawn.colour[:, 3]
    if drawn.blur:
        radius = math.ceil(3 * drawn.blur)
        bell = np.exp(-np.square(np.arange(-radius, radius + 1) / drawn.blur) / 2)
        view = filtered(filtered(view, bell / bell.sum(), 0), bell / bell.sum(), 1)
    view = np.clip(view, 0, 255)
    if drawn.erased:
        top, left, height, width = drawn.erased
        view[top : top + height, left : left + width] = drawn.fill if channels == 3 else drawn.fill[1]
    return view


def half(values: np.ndarray, axis: int) -> np.ndarray:
    """Means of two neighbours; a last one alone is its own neighbour."""
    last = values.take([-1], axis)
    values = np.concatenate([values, last], axis) if values.shape[axis] % 2 else values
    return (values.take(range(0, values.shape[axis], 2), axis) + values.take(range(1, values.shape[axis], 2), axis)) / 2


def filtered(values: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """The border goes on."""
    radius, places = len(weights) // 2, np.arange(values.shape[axis])
    total = np.zeros_like(values)
    for weight, offset in zip(weights, range(-radius, radius + 1), strict=True):
        total += weight * values.take(np.clip(places + offset, 0, len(places) - 1), axis)
    return total


def bilinear(values: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Samples between pixels' middles; the border goes on."""
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    down, right = (y - top)[..., None], (x - left)[..., None]

    def at(row, column):
        return values[np.clip(row, 0, len(values) - 1), np.clip(column, 0, values.shape[1] - 1)]

    upper = (1 - right) * at(top, left) + right * at(top, left + 1)
    lower = (1 - right) * at(top + 1, left) + right * at(top + 1, left + 1)
    return (1 - down) * upper + down * lower


def spline_surface(control: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A uniform cubic spline over three cells along each side, at each pixel's middle."""
    surface = control
    for side in size:  # along the first axis, then along the second, which has become the first
        surface = BSpline(np.arange(-3, 7), surface, 3)((np.arange(side) + 0.5) / side * 3).T
    return surface


def distortions() -> st.SearchStrategy[Distortion]:
    """Any strengths that are allowed."""
    allowed = {name: st.just(0.0) | st.floats(low, high) for name, (low, high, _) in RANGES.items() if low == 0}
    allowed |= {"padding": st.integers(0, 9).map(float), "sigma": st.floats(0.1, 3), "aspect": st.floats(1, 4)}
    allowed |= {"erased": st.floats(0.02, 1)}

    def one_way(strengths: dict) -> Distortion:
        return Distortion(**strengths | ({"padding": 0.0} if strengths["crop"] else {}))

    return st.fixed_dictionaries(allowed).map(one_way)
