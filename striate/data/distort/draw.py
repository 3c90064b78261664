"""From strengths and random numbers to what happens to one picture: one map, one colour matrix, a blur, a rectangle.

Positions are measured from the picture's edge, so pixel i covers i to i + 1 and its middle is i + 1/2; then halving a
picture halves every position. Each distortion has random numbers of its own, so that switching one on changes no other.
"""

from math import cos, exp, log, radians, sin, sqrt, tan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from striate.data.distort.colour import Light, draw_colour

if TYPE_CHECKING:
    from striate.data.distort.distortion import Distortion

TRIES = 10  # of a crop that does not fit
CONTROL = 6  # control points of the local warping along each side: three cells of a cubic spline
# where the random numbers of each distortion begin; a number never moves, for that would change every seed's views
MIRROR, CROP, PADDING, ROTATE, SHEAR, SCALE = 0, 1, 24, 26, 27, 28
COLOUR, BLUR, ERASE, WARP = 29, 38, 40, 48
NUMBERS = WARP + 2 * CONTROL * CONTROL

Affine = tuple[float, float, float, float, float, float]
Box = tuple[int, int, int, int]


class Drawn(NamedTuple):
    """What happens to one picture.

    Parameters
    ----------
    size
        height and width of the view
    affine
        (a, b, c, d, e, f): the view's position (x, y) shows the box's (ax + by + c, dx + ey + f)
    box
        top, left, height and width of the part of the picture that is cut out first: nothing around it is seen; None is
        the whole picture
    moves
        (2, 6, 6) local warping: how far the control points of a cubic spline over the view move along x and y, in its
        pixels, before `affine`
    colour
        (3, 4) red, green and blue of the view from red, green, blue and 1; float32
    light
        gain and shift of a picture with one channel
    blur
        standard deviation in pixels of the view; 0 is none
    erased
        top, left, height and width of a rectangle in the view
    fill
        its red, green and blue; a picture with one channel takes the middle one
    amounts
        what was drawn of each distortion that is on, for people: degrees, shares, factors
    """

    size: tuple[int, int]
    affine: Affine
    box: Box | None = None
    moves: np.ndarray | None = None
    colour: np.ndarray | None = None
    light: Light | None = None
    blur: float = 0.0
    erased: Box | None = None
    fill: tuple[int, int, int] = (128, 128, 128)
    amounts: dict[str, float] = {}  # noqa: RUF012  # never written to


def draw(
    distortion: "Distortion",
    size_in: tuple[int, int],
    size_out: tuple[int, int],
    numbers: np.ndarray,
    spread: np.ndarray | None = None,
) -> Drawn:
    """Turn random numbers into what happens to one picture.

    Parameters
    ----------
    distortion
        how strong
    size_in, size_out
        height and width of the picture and of the view
    numbers
        (NUMBERS,) from 0 to 1
    spread
        `colour_spread` of the data, for `pca`
    """
    u = numbers.tolist()  # plain numbers: reading single values from an array is slow
    amounts: dict[str, float] = {}
    erased = _erased(distortion, size_out, u, amounts)
    colour, light = draw_colour(distortion, u[COLOUR:BLUR], spread, amounts)
    moves = None
    if distortion.warp:
        amounts["warp"] = reach = distortion.warp * min(size_out)
        moves = (reach * (2 * numbers[WARP:NUMBERS] - 1)).reshape(2, CONTROL, CONTROL)
    blur = 0.0
    if u[BLUR] < distortion.blur:
        amounts["blur"] = blur = 0.1 + u[BLUR + 1] * (distortion.sigma - 0.1)
    red, green, blue = (int(256 * number) for number in u[ERASE + 5 : ERASE + 8])
    affine, box = _affine(distortion, size_in, size_out, u, amounts)
    return Drawn(size_out, affine, box, moves, colour, light, blur, erased, (red, green, blue), amounts)


def _affine(
    distortion: "Distortion",
    size_in: tuple[int, int],
    size_out: tuple[int, int],
    u: list[float],
    amounts: dict[str, float],
) -> tuple[Affine, Box | None]:
    """Crop, mirror, padding, rotation, shear and scale as one map, from the view to a part of the picture.

    A part that is only stretched over the view is cut out. A view that may turn or move beyond its part sees what lies
    around it in the picture.
    """
    height, width = size_out
    if distortion.crop:
        top, left, tall, wide = random_box(size_in, size_out, distortion.crop, distortion.aspect, u[CROP : CROP + 22])
        amounts["crop"] = tall * wide / (size_in[0] * size_in[1])
    else:
        top, left, tall, wide = centred_box(size_in, size_out)
    across, down = wide / width, tall / height  # the picture's pixels in a pixel of the view
    if u[MIRROR] < distortion.mirror:
        across = -across
        amounts["mirror"] = 1
    if not any((distortion.padding, distortion.rotate, distortion.shear, distortion.scale, distortion.warp)):
        return (across, 0.0, wide if across < 0 else 0.0, 0.0, down, 0.0), (top, left, tall, wide)
    moved, turn, slant, grown = (0.0, 0.0), 0.0, 0.0, 1.0
    if distortion.padding:
        room = int(distortion.padding)
        amounts["right"], amounts["down"] = (int(u[at] * (2 * room + 1)) - room for at in (PADDING, PADDING + 1))
        moved = amounts["right"], amounts["down"]
    if distortion.rotate:
        amounts["rotate"] = turn = distortion.rotate * (2 * u[ROTATE] - 1)
    if distortion.shear:
        amounts["shear"] = slant = distortion.shear * (2 * u[SHEAR] - 1)
    if distortion.scale:
        amounts["scale"] = grown = 1 + distortion.scale * (2 * u[SCALE] - 1)
    return about_middle((top, left, tall, wide), size_out, (across, down), moved, turn, slant, grown), None


def about_middle(
    box: Box,
    size: tuple[int, int],
    step: tuple[float, float] = (1.0, 1.0),
    moved: tuple[float, float] = (0.0, 0.0),
    turn: float = 0.0,
    slant: float = 0.0,
    grown: float = 1.0,
) -> Affine:
    """The map that shows a part of a picture, moved, turned, slanted and grown about its middle.

    About the middle of the view, so that a mirrored crop shows the same part of the picture.

    Parameters
    ----------
    box
        top, left, height and width of the part
    size
        height and width of the view
    step
        across and down: the picture's pixels in a pixel of the view
    moved
        to the right and down, in pixels of the view
    turn, slant
        degrees to the left, and of the shear
    grown
        how many times larger things are
    """
    (top, left, tall, wide), (height, width), (across, down) = box, size, step
    x, y = width / 2 + moved[0], height / 2 + moved[1]
    cosine, sine, tangent = cos(radians(turn)), sin(radians(turn)), tan(radians(slant))
    a, b = across * cosine / grown, across * (cosine * tangent - sine) / grown
    d, e = down * sine / grown, down * (sine * tangent + cosine) / grown
    return a, b, left + wide / 2 - a * x - b * y, d, e, top + tall / 2 - d * x - e * y


def centred_box(size_in: tuple[int, int], size_out: tuple[int, int]) -> Box:
    """Top, left, height and width of the largest part in the picture's middle that has the view's shape."""
    (height, width), (tall, wide) = size_in, size_out
    if height * wide > width * tall:  # taller than the view
        tall, wide = max(1, round(tall * width / wide)), width
    else:
        tall, wide = height, max(1, round(wide * height / tall))
    return (height - tall) // 2, (width - wide) // 2, tall, wide


def random_box(
    size_in: tuple[int, int], size_out: tuple[int, int], share: float, aspect: float, numbers: list[float]
) -> Box:
    """Top, left, height and width of a random part: its share of the area, then its shape, at most ten times.

    The share is uniform from `share` to 1; the ratio of width to height, beside that of the view, is uniform in its
    logarithm from 1 / aspect to aspect. Where no try fits, as in a panorama, it is as large as an allowed shape lets.

    Parameters
    ----------
    size_in, size_out
        height and width of the picture and of the view
    share, aspect
        the smallest share, the largest ratio
    numbers
        two for the place, then two for each try
    """
    (height, width), shape = size_in, size_out[1] / size_out[0]
    for at in range(2, 2 + 2 * TRIES, 2):
        area = height * width * (share + (1 - share) * numbers[at])
        ratio = shape * exp(log(aspect) * (2 * numbers[at + 1] - 1))
        wide, tall = round(sqrt(area * ratio)), round(sqrt(area / ratio))
        if 0 < wide <= width and 0 < tall <= height:
            break
    else:
        ratio = min(max(width / height, shape / aspect), shape * aspect)
        tall, wide = min(height, max(1, round(width / ratio))), min(width, max(1, round(height * ratio)))
    return int(numbers[0] * (height - tall + 1)), int(numbers[1] * (width - wide + 1)), tall, wide


def _erased(distortion: "Distortion", size: tuple[int, int], u: list[float], amounts: dict[str, float]) -> Box | None:
    """A rectangle of a random share of the view, between three times as wide and three times as tall."""
    if u[ERASE] >= distortion.erase:
        return None
    area = size[0] * size[1] * (0.02 + (distortion.erased - 0.02) * u[ERASE + 1])
    ratio = 3 ** (2 * u[ERASE + 2] - 1)
    tall, wide = (
        min(side, max(1, round(sqrt(part)))) for side, part in zip(size, (area / ratio, area * ratio), strict=True)
    )
    amounts["erase"] = tall * wide / (size[0] * size[1])
    return int(u[ERASE + 3] * (size[0] - tall + 1)), int(u[ERASE + 4] * (size[1] - wide + 1)), tall, wide


def spline(count: int) -> np.ndarray:
    """(count, CONTROL) what each control point of a cubic B-spline adds to each of `count` pixels' middles."""
    cells = CONTROL - 3
    place = (np.arange(count) + 0.5) / count * cells
    cell = np.minimum(place.astype(int), cells - 1)
    t = place - cell
    basis = np.zeros((count, CONTROL))
    four = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    for number, weight in enumerate(four):
        basis[np.arange(count), cell + number] = weight / 6
    return basis


def control_positions(drawn: Drawn) -> np.ndarray:
    """(2, CONTROL, CONTROL) where in the picture the control points lie: unmoved, their spline is the affine map."""
    height, width = drawn.size
    at = (np.arange(CONTROL) - 1) / (CONTROL - 3)
    view = np.stack(np.broadcast_arrays(at * width, at[:, None] * height))
    if drawn.moves is not None:
        view = view + drawn.moves
    a, b, c, d, e, f = drawn.affine
    return np.stack([a * view[0] + b * view[1] + c, d * view[0] + e * view[1] + f])
