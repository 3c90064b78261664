"""Looking inside: striate beside captum, pytorch-grad-cam and the usual loop that paints what excites a channel.

    python -m bench look [FOLDER]

FOLDER may hold `googlenet_bvlc.safetensors`: then GoogLeNet is looked into with those weights; ResNet-18 always is,
with first weights, which changes no time. All look at the same picture and at the classes that the network finds
likeliest. Maps must be the same to 1e-3 of their largest value after the same scaling, or the bench stops. The usual
loop has the same waves, views and steps, so it must reach the same; it runs the whole network, for one picture after
the other, and its weights have gradients, as is usual. `BENCH_TURNS` and `BENCH_STEPS` make it shorter.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

from bench.peers import FOLDER as PEERS
from bench.turns import Contestant, race

WEIGHTS = "googlenet_bvlc.safetensors"
PATCH, STEP = 32, 16
CLASSES = 5
DREAMS = {"channels": 4, "classes": 2}  # how many are painted
STEPS = int(os.environ.get("BENCH_STEPS", 16))  # each takes as long as any other
SAME = 1e-3  # of a map's largest value
REACHED = 0.1  # of what a dream reaches: roundings grow step by step
Work = list[float]


def shown(asked: dict, plain: bool = False):
    """Whom all look into, the picture, and its likeliest classes; a peer gets the network as PyTorch makes it."""
    import torch

    from striate.look.subject import subject
    from striate.nets.build import net
    from striate.ops.picture import read_picture

    whose = subject(asked["network"], asked["weights"])
    pixels = np.ascontiguousarray(np.moveaxis(np.rint(read_picture(None).pixels).astype(np.uint8), 0, 2))
    picture = torch.from_numpy(np.ascontiguousarray(whose.preprocess.normalised(whose.preprocess.pixels(pixels))))[None]
    if plain:
        whose = replace(whose, network=net(asked["network"], weights=asked["weights"]))
    with torch.no_grad():
        likeliest = whose.network.eval()(picture).topk(CLASSES).indices
    return whose, picture, likeliest


def scaled(maps: np.ndarray) -> np.ndarray:
    """From 0 to 1 each, at 224×224, as pytorch-grad-cam gives them."""
    import cv2

    def unit(map: np.ndarray) -> np.ndarray:
        return (map - map.min()) / (1e-7 + (map - map.min()).max())

    return np.stack([unit(cv2.resize(unit(map), (224, 224))) for map in maps])


def coarse(maps: np.ndarray) -> Work:
    """Maps (k, height, width) as few numbers that tell them apart."""
    return [float(value) for value in maps[:, 4::8, 4::8].ravel()]


def occlusion(argument: str) -> Callable[[], Work]:
    """Striate's, from the network to the map."""
    from striate.look.occlusion import occlusion as look

    asked = json.loads(argument)
    whose, picture, likeliest = shown(asked)
    return lambda: coarse(look(whose.network, picture, likeliest[:, :1], patch=PATCH, step=STEP)[0].numpy())


def captum(argument: str) -> Callable[[], Work]:
    """captum's `Occlusion` as it is by default: a patch at a time."""
    import torch

    sys.path.append(str(PEERS))
    from captum.attr import Occlusion

    whose, picture, likeliest = shown(json.loads(argument), plain=True)
    window, strides = (picture.shape[1], PATCH, PATCH), (picture.shape[1], STEP, STEP)

    def run() -> Work:
        with torch.no_grad():
            found = Occlusion(whose.network).attribute(picture, window, strides, target=int(likeliest[0, 0]))
        return coarse(found[0, :1].numpy())

    return run


def gradcam(argument: str) -> Callable[[], Work]:
    """Striate's: all classes at once."""
    from striate.look.gradcam import gradcam as look
    from striate.look.layers import layer_with_maps

    asked = json.loads(argument)
    whose, picture, likeliest = shown(asked)
    layer, classes = layer_with_maps(whose.network, whose.input), likeliest[:, : asked["classes"]]
    return lambda: coarse(scaled(look(whose.network, picture, classes, layer=layer)[0].numpy()))


def pytorch_grad_cam(argument: str) -> Callable[[], Work]:
    """The package grad-cam: a call for each class."""
    from bench.peers import torchvision

    torchvision()
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    from striate.look.layers import layer_with_maps

    asked = json.loads(argument)
    whose, picture, likeliest = shown(asked, plain=True)
    layer = whose.network.get_submodule(layer_with_maps(whose.network, whose.input))
    look = GradCAM(whose.network, [layer])

    def run() -> Work:
        places = likeliest[0, : asked["classes"]].tolist()
        return coarse(np.concatenate([look(picture, [ClassifierOutputTarget(place)]) for place in places]))

    return run


def dream(argument: str) -> Callable[[], Work]:
    """Striate's: as its command does it, without the sheet."""
    from striate.look.dream import dream as look

    asked = json.loads(argument)
    whose, _, _ = shown(asked)
    names = [whose.classes[place] for place in asked["places"]]
    what = {"layer": asked["layer"], "channels": asked["places"]} if asked["layer"] else {"classes": names}
    return lambda: look(whose, steps=STEPS, **what).reached.tolist()


def usual_loop(argument: str) -> Callable[[], Work]:
    """The same waves, views and steps: the whole network, its weights with gradients, one picture after the other."""
    import torch

    from striate.look.ascent import LEAKY, RATE, leaking, values
    from striate.look.canvas import Canvas

    asked = json.loads(argument)
    whose, _, _ = shown(asked, plain=True)
    network, seen = whose.network, {}
    layer = network.get_submodule(asked["layer"]) if asked["layer"] else network
    layer.register_forward_hook(lambda _module, _input, output: seen.update(output=output))
    canvas = Canvas(whose.preprocess.size, whose.preprocess, 0, torch.device("cpu"))

    def reached(pictures: torch.Tensor, place: int) -> torch.Tensor:
        network(canvas.input(pictures))
        return values(seen["output"], [place], "everywhere").sum()

    def one(place: int) -> float:
        numbers = canvas.begin([place]).requires_grad_()
        adam = torch.optim.Adam([numbers], RATE)
        for step in range(STEPS):
            adam.zero_grad()
            views = canvas.view(canvas.picture(numbers), [place], 2 + step)
            if step < LEAKY:
                with leaking(network):
                    loss = -reached(views, place)
            else:
                loss = -reached(views, place)
            loss.backward()
            adam.step()
        with torch.no_grad():
            return float(reached(canvas.picture(numbers), place))

    return lambda: [one(place) for place in asked["places"]]


def contest(title: str, names: tuple[str, str], asked: dict, turns: int, same: float) -> None:
    """Race striate and a peer, and tell; stop where they found something else."""
    with (
        Contestant("striate", f"bench.look:{names[0]}", json.dumps(asked)) as ours,
        Contestant(names[1], f"bench.look:{names[1]}", json.dumps(asked)) as theirs,
    ):
        race([ours, theirs], turns)
    mine, other = np.array(ours.work), np.array(theirs.work)
    away = np.abs(mine - other).max() / np.abs(other).max() if mine.shape == other.shape else np.inf
    if not away <= same:
        raise SystemExit(f"{title}: {names[0]} and {names[1]} differ by {away:.2g} of the largest value")
    ratio = median(theirs.seconds) / median(ours.seconds)
    print(f"{title:34} {ours.result:>32} {theirs.result:>32} {ratio:6.1f}×   apart {away:.1g}", flush=True)


def main(turns: int = 5) -> None:
    """A table for each network."""
    folders = [Path(word) / WEIGHTS for word in sys.argv[1:] if (Path(word) / WEIGHTS).is_file()]
    networks = {"googlenet": str(folders[0].absolute())} if folders else {}
    turns = int(os.environ.get("BENCH_TURNS", turns))
    print(f"OpenVINO is {'' if find_spec('openvino') else 'not '}installed; {STEPS} steps of each dream")
    for network, weights in {**networks, "resnet18": None}.items():
        asked = {"network": network, "weights": weights}
        print(f"\n{network + (', BVLC' if weights else ', first weights'):34} {'striate':>32} {'peer':>32}  ratio")
        contest(f"occlusion, {PATCH} by {STEP}: captum", ("occlusion", "captum"), asked, turns, SAME)
        for classes in (1, CLASSES):
            title = f"Grad-CAM, {'one class' if classes == 1 else f'{classes} classes'}: grad-cam"
            contest(title, ("gradcam", "pytorch_grad_cam"), {**asked, "classes": classes}, turns, SAME)
        for what, number in DREAMS.items():
            more = {"layer": "stage3" if what == "channels" else None, "places": list(range(1, number + 1))}
            contest(
                f"dream, {number} {what}: the usual loop", ("dream", "usual_loop"), {**asked, **more}, turns, REACHED
            )
