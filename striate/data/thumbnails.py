"""Small pictures for pages."""

from PIL import Image

from striate.data.dataset import Dataset
from striate.errors import StriateError


def thumbnail(data: Dataset, place: int, side: int) -> Image.Image | None:
    """A picture that fits into a square; None if it cannot be read, or not any more.

    Parameters
    ----------
    data
        pictures with labels
    place
        of the picture in the data
    side
        of the square, in pixels
    """
    try:
        pixels = data.picture(place, least=(side, side)).pixels
    except (OSError, StriateError):
        return None
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((side, side))
    if (factor := side // max(image.size)) > 1:  # a digit of 8×8 is shown in squares, not as a speck
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    return image
