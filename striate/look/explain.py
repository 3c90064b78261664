"""`striate explain`: why a network says what it says of a picture, as maps over it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
from cyclopts import Parameter
from PIL import Image
from torch import Tensor

from striate.errors import PictureError, StriateError, one_of
from striate.look.explanation import Explanation, Explanations
from striate.look.found import picture_files, sheet_files
from striate.look.gradcam import gradcam
from striate.look.integrated import shortfall
from striate.look.layers import layer_with_maps
from striate.look.methods import METHODS, Name
from striate.look.photo import SIDE, Photo, photo
from striate.look.subject import Subject, still, subject
from striate.show.names import listed
from striate.show.numbers import count, percent
from striate.train.train import NO_KEYS

AT_ONCE = 8  # pictures in a batch
LAYERED = ("gradcam", "gradcam++")  # methods that look at a layer
Asked = Literal[Name, "all"]


def explain(
    whose: Annotated[Any, NO_KEYS],
    *pictures: str | Path,
    method: Asked = "gradcam",
    classes: Annotated[list[str] | None, Parameter(name="--class", negative="")] = None,
    top: int | None = None,
    layer: str | None = None,
    weights: str | Path | None = None,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
) -> Explanations:
    """Show where in a picture a network sees what it says: Grad-CAM and others, laid over the picture.

    Parameters
    ----------
    whose
        a run's folder, or the name or text of a network; in Python also a network
    pictures
        files, folders, or patterns such as 'photos/*.jpg'
    method
        gradcam (which parts speak for a class), gradcam++ (several things of a class), cam (exact, where the network
        ends in a mean), saliency and smoothgrad (which pixels change the score), integrated (what each pixel adds),
        occlusion (what is missed if it is covered), or all of them
    classes
        what is explained, instead of what the network says; once for each class
    top
        how many of the most probable classes are explained; 1 if nothing is said
    layer
        which layer Grad-CAM looks at; the last one with several positions, if nothing is said
    weights
        for a network's name: a file, or a Hugging Face name
    output
        a folder for a sheet of each picture, or for a single picture a file (.png, .jpg, .webp)
    """
    one_of("method", method, Asked)
    whose = subject(whose, weights)
    targets = _asked(whose, classes, top)
    names = get_args(Name) if method == "all" else (method,)
    if layer is not None and not set(names) & set(LAYERED):
        raise StriateError(f"a layer belongs to {' and '.join(LAYERED)}; {method} looks at none, but is given {layer}")
    files = picture_files(pictures)
    if output is not None:
        sheet_files(output, files)  # before anything is computed
    options, left_out = _options(whose, names, layer)
    if left_out and (method != "all" or layer is not None):
        raise StriateError(next(iter(left_out.values())))
    each: list[Explanation] = []
    bad: list[str] = []
    missed = (0.0, 0.0)  # by how much integrated gradients are off at most, and of what
    for start in range(0, len(files), AT_ONCE):
        batch, photos = [], []
        for file in files[start : start + AT_ONCE]:
            try:
                photos.append(photo(file, whose))
                batch.append(file)
            except PictureError as error:
                if len(files) == 1:
                    raise
                bad.append(str(error))
        if not batch:
            continue
        input = whose.batch([shown.input for shown in photos])
        with still(whose.network), torch.no_grad():
            shares = whose.probabilities(whose.network(input))
        places = shares.topk(top or 1).indices if targets is None else targets.to(input.device).expand(len(batch), -1)
        maps, refused = _maps(whose, input, places, {name: options[name] for name in options if name not in left_out})
        if refused and method != "all":
            raise StriateError(refused[method])
        left_out |= refused
        if "integrated" in maps:
            off = shortfall(whose.network, input, places, maps["integrated"])
            rise = maps["integrated"].sum((2, 3)) - off
            missed = max(missed, *zip(off.abs().ravel().tolist(), rise.ravel().tolist(), strict=True))
        for number, (file, shown) in enumerate(zip(batch, photos, strict=True)):
            own = {name: value[number].cpu().numpy() for name, value in maps.items()}
            each.append(_explanation(whose, file, shown, shares[number].cpu(), places[number].cpu(), own))
    if bad and not each:
        raise PictureError(f"none of {count(len(files))} can be read: {listed(bad)}")
    notes = [*whose.notes, *(f"{name} is left out: {why}" for name, why in left_out.items())]
    if bad:
        notes.append(f"{len(bad):,} of {count(len(files))} cannot be read: {listed(bad)}")
    if looked := next((options[name]["layer"] for name in LAYERED if options.get(name)), None):
        notes.append(f"Grad-CAM looks at {looked}")
    if "integrated" in names:
        notes.append(
            f"integrated gradients add up to the change of the logit, but for {missed[0]:.2g} where they miss it most: "
            f"there it {'rises' if missed[1] >= 0 else 'falls'} by {abs(missed[1]):.3g}"
        )
    if output is None:
        notes.append(f"no sheet is written; --output FOLDER writes {'one for each picture' if len(each) > 1 else 'it'}")
        return Explanations(tuple(each), notes)
    result = Explanations(tuple(each), notes)
    return replace(result, files=result.save(output))


def overlays(whose: Subject, photos: Sequence[Photo], places: Sequence[int], side: int = 160) -> list[Image.Image]:
    """Grad-CAM of many pictures, small: each with its own class, over the picture.

    Parameters
    ----------
    whose
        the network
    photos
        what it is shown: `photo` reads a file, `photo_of` takes what is read already
    places
        of the class that is explained, of each
    side
        pixels of the longer side
    """
    layer = layer_with_maps(whose.network, whose.input)
    drawn = []
    for start in range(0, len(photos), AT_ONCE):
        batch = photos[start : start + AT_ONCE]
        input = whose.batch([shown.input for shown in batch])
        targets = torch.tensor(places[start : start + AT_ONCE], device=input.device)[:, None]
        maps = gradcam(whose.network, input, targets, layer=layer)[:, 0].cpu().numpy()
        drawn += [shown.overlaid(map, float(map.max()), side=side) for shown, map in zip(batch, maps, strict=True)]
    return drawn


def _asked(whose: Subject, classes: Sequence[str] | None, top: int | None) -> Tensor | None:
    """The places (1, k) of the classes that are named; None if they are the most probable ones."""
    if classes:
        if top is not None:
            raise StriateError(
                f"classes are named, or the most probable ones are taken, but --class and --top {top} are given"
            )
        return torch.tensor([[whose.place(name) for name in classes]])
    if top is not None and not 1 <= top <= len(whose.classes):
        raise StriateError(f"{whose.title} has {count(len(whose.classes), 'class')}, but the top {top} are asked for")
    return None


def _options(
    whose: Subject, names: Sequence[str], layer: str | None
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What each method is told, by name; and why some cannot be used."""
    options: dict[str, dict[str, Any]] = {name: {} for name in names}
    layered = [name for name in names if name in LAYERED]
    try:
        path = layer_with_maps(whose.network, whose.input, layer) if layered else None
    except StriateError as error:
        return options, dict.fromkeys(layered, str(error))
    return options | {name: {"layer": path} for name in layered}, {}


def _maps(
    whose: Subject, input: Tensor, places: Tensor, options: dict[str, dict[str, Any]]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What each method finds, by name; and why some cannot be used with this network."""
    maps, refused = {}, {}
    for name, option in options.items():
        try:
            maps[name] = METHODS[name].function(whose.network, input, places, **option)
        except StriateError as error:
            refused[name] = str(error)
    return maps, refused


def _explanation(
    whose: Subject, file: Path, shown: Photo, shares: Tensor, places: Tensor, maps: dict[str, np.ndarray]
) -> Explanation:
    """Of one picture; of the upright one, only as many pixels are kept as are looked at."""
    best = int(shares.argmax())
    small = replace(shown, upright=np.asarray(shown.drawn(2 * SIDE)))
    return Explanation(
        file,
        small,
        f"{whose.classes[best]} {percent(float(shares[best]), 1)}",
        tuple(whose.classes[place] for place in places.tolist()),
        shares[places].numpy(),
        maps,
        (shown.upright.shape[0], shown.upright.shape[1]),
        " - ".join((whose.title, *whose.notes)),
    )
