"""What a network looks at and looks for: Grad-CAM, filters, feature maps and dreams, as parts of a page."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from striate.data.dataset import Dataset
from striate.errors import StriateError
from striate.evaluate.judging import Judged
from striate.look.dream import dream
from striate.look.explain import overlays
from striate.look.filters import filters
from striate.look.layers import layers
from striate.look.looked import passing
from striate.look.photo import Photo, photo_of
from striate.look.subject import Subject, still
from striate.look.tiles import light_and_colour, tiled
from striate.pictures.sheet import heat_image
from striate.show.numbers import count, exact
from striate.show.page import picture, text
from striate.train.tell.album import SIDE

WIDE = 560  # pixels of a part
MAPS = 8  # of a stage
DREAMS, PIXELS, STEPS = 6, 112, 64
WORK = 3e11  # multiply-adds that dreams may take: about ten seconds on two cores


def looked_at(who: Subject, data: Dataset, places: Sequence[int], about: Sequence[int]) -> list[Image.Image | None]:
    """What a network looked at in some pictures; None where that is not known.

    Parameters
    ----------
    who
        the network
    data
        the pictures
    places
        of some of them
    about
        the class of each that is explained
    """
    photos = {number: shown for number, place in enumerate(places) if (shown := _photo(who, data, place))}
    drawn = overlays(who, list(photos.values()), [about[number] for number in photos], SIDE)
    known = dict(zip(photos, drawn, strict=True))
    return [known.get(number) for number in range(len(places))]


def inside(who: Subject, said: Judged, macs: int) -> str:
    """Filters, maps of the picture of which the network is surest, and what each class looks like to it.

    Parameters
    ----------
    who
        the network
    said
        what it said of pictures
    macs
        multiply-adds of one picture
    """
    return "".join([_filters(who), _maps(who, said), _dreams(who, macs)])


def _photo(who: Subject, data: Dataset, place: int) -> Photo | None:
    try:
        pixels = data.picture(place, background=who.preprocess.background).pixels
    except (OSError, StriateError):
        return None
    return photo_of(data.names[place], pixels, who)


def _filters(who: Subject) -> str:
    found = filters(who)
    images = [light_and_colour(map, float(np.abs(map).max())) for map in found.maps]
    words = [str(number) for number in found.channels]
    told = (
        f"The {exact(len(images))} filters of {found.layer}: gray is 0; what is light raises the answer, "
        "what is dark lowers it."
    )
    return _part("Filters", tiled(images, words, WIDE, 12), told)


def _maps(who: Subject, said: Judged) -> str:
    """The strongest maps of each stage, for one picture."""
    place = int(said.scores.max(1).argmax())
    if (shown := _photo(who, said.data, place)) is None:
        return ""
    stages = [path for path, shape in layers(who.network, who.input).items() if "." not in path and len(shape) == 3]
    images, words = [], []
    with still(who.network), torch.no_grad(), passing(who.network, *stages) as passed:
        who.network(shown.input)
    for stage in stages:
        maps = passed[stage][0].numpy()  # (channels, height, width)
        strongest = np.argsort(-np.abs(maps).mean((1, 2)), kind="stable")[:MAPS].tolist()
        sizes = np.abs(maps[strongest])
        images += [shown.drawn(), *(heat_image(size, float(size.max())) for size in sizes)]
        words += [stage, *map(str, strongest)]
        images += [Image.new("RGB", (1, 1), "white")] * (MAPS - len(strongest))
        words += [""] * (MAPS - len(strongest))
    if not stages:
        return ""
    told = f"{shown.name}: a row for each stage, with the channels of its {MAPS} strongest maps. Bright is far from 0."
    return _part("Feature maps", tiled(images, words, WIDE, MAPS + 1), told)


def _dreams(who: Subject, macs: int) -> str:
    """The pictures that excite classes most, where they are soon painted."""
    size = min(PIXELS, *who.preprocess.size)
    # forward, and backward to the picture: three times
    each = 3 * macs * size**2 / np.prod(who.preprocess.size) * STEPS
    classes = list(who.classes[: min(DREAMS, int(WORK / each))])
    if not classes:
        told = "To paint what classes look like to a network of this size takes longer than a page waits for:"
        return f"<h3>Dreams</h3><p>{told} <code>striate look dream</code> does it.</p>"
    found = dream(who, classes=classes, steps=STEPS, size=size)
    told = f"{count(len(classes), 'class')}: what each looks like to the network, painted from noise in {STEPS} steps."
    return _part("Dreams", tiled([Image.fromarray(each) for each in found.pictures], classes, WIDE, 3), told)


def _part(title: str, image: Image.Image, told: str) -> str:
    return f"<h3>{text(title)}</h3><p>{text(told)}</p>{picture(image, told)}"
