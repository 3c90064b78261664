"""One picture after the other: the exported file, as ONNX Runtime and OpenVINO run it, beside eager PyTorch."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np

from bench.turns import Contestant, race

NETWORKS = {"googlenet": "GoogLeNet, BVLC", "resnet50": "ResNet-50", "mobilenet_v2": "MobileNetV2"}
SIZE = (500, 375)  # of the photos
PICTURES = 16  # in a turn
THREADS = 2
PEER = "eager PyTorch"
FLOAT, HALF = "ONNX Runtime", "OpenVINO, bfloat16"
INT8 = ("ONNX Runtime, int8", "OpenVINO, int8", "the same, one size")
WAYS = {  # contestants: function, what the exported file is called
    PEER: ("eager", None),
    FLOAT: ("onnx_runtime", ""),
    "OpenVINO": ("openvino", ""),
    HALF: ("openvino_half", ""),
    INT8[0]: ("onnx_runtime", "-int8"),
    INT8[1]: ("openvino", "-int8"),
    INT8[2]: ("openvino_one_size", "-int8"),
}
GOALS = {"googlenet": (2.5, 4), "resnet50": (1.7, 5), "mobilenet_v2": (2.5, 4)}  # times as fast: float32, int8
SAME = 5e-3  # in probability; bfloat16 and int8 may differ by more, which is told
Run = Callable[[], list[list[float]]]


def eager(argument: str) -> Run:
    """Eager PyTorch; where decoding does not count, Pillow has the pixels already."""
    asked = json.loads(argument)
    from bench.ship_peers import network

    model, fitted = network(Path(asked["place"]), asked["network"])
    import torch
    from PIL import Image

    torch.set_num_threads(THREADS)
    files = told(asked)
    ready = [Image.open(file).convert("RGB") for file in files]

    def answer(picture: Image.Image) -> list[float]:
        with torch.inference_mode():
            return model(fitted(picture)[None]).softmax(1)[0].tolist()

    if asked["decoded"]:
        return lambda: [answer(picture) for picture in ready]
    return lambda: [answer(Image.open(file).convert("RGB")) for file in files]


def onnx_runtime(argument: str) -> Run:
    """The exported file as `striate.ship` runs it."""
    asked = json.loads(argument)
    from striate.ship.shipped import open_shipped

    shipped = open_shipped(asked["file"], THREADS)
    return answering(asked, lambda picture: shipped(picture[None]).probabilities)


def openvino_half(argument: str) -> Run:
    """OpenVINO as it comes, where a processor computes in bfloat16."""
    return openvino(argument, precision="bf16")


def openvino_one_size(argument: str) -> Run:
    """OpenVINO told the size of all pictures beforehand: it then works out the resizing's weights once."""
    return openvino(argument, one_size=True)


def openvino(argument: str, one_size: bool = False, precision: str = "f32") -> Run:
    """The exported file in OpenVINO, which takes it as it is."""
    asked = json.loads(argument)
    from openvino import Core

    settings = {  # by itself it takes bfloat16 for float32 where there is any
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": THREADS,
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = Core()
    model = core.read_model(asked["file"])
    if one_size:
        model.reshape([1, SIZE[1], SIZE[0], 3])
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return answering(asked, lambda picture: request.infer({0: picture[None]})[0])


def answering(asked: dict, answer: Callable[[np.ndarray], np.ndarray]) -> Run:
    """Pictures, decoded as striate does, through a function from (height, width, 3) to (1, classes)."""
    from striate.pictures.decode import decode

    files = told(asked)
    ready = [decode(file, file.name).pixels for file in files]
    if asked["decoded"]:
        return lambda: [answer(picture)[0].tolist() for picture in ready]
    return lambda: [answer(decode(file, file.name).pixels)[0].tolist() for file in files]


def told(asked: dict) -> list[Path]:
    """The files."""
    return sorted(Path(asked["place"], "told").iterdir())[:PICTURES]


def contest(place: Path, network: str, turns: int) -> None:
    """The table of one network; stop where float32 gives other answers than the peer."""
    times: dict[bool, dict[str, float]] = {}
    print(f"{NETWORKS[network]:18} {'pixels to probabilities':>30} {'':9} {'JPEG to probabilities':>30}")
    lines = {way: f"{way:18}" for way in WAYS}
    for decoded in (True, False):
        contestants = []
        for way, (function, ending) in WAYS.items():
            asked = {"place": str(place), "network": network, "decoded": decoded}
            asked["file"] = str(place / f"{network}{ending}.onnx")
            contestants.append(Contestant(way, f"bench.ship_one:{function}", json.dumps(asked)))
        with ExitStack() as stack:
            for contestant in contestants:
                stack.enter_context(contestant)
            race(contestants, turns)
        times[decoded] = {each.name: median(each.seconds) / PICTURES for each in contestants}
        for each in contestants:
            low, middle, high = (1e3 * f(each.seconds) / PICTURES for f in (min, median, max))
            ratio = times[decoded][PEER] / times[decoded][each.name]
            lines[each.name] += f" {f'{middle:.1f} ms ({low:.1f} … {high:.1f})':>30} {f'{ratio:.2f}×':>8}"
    peer = np.array(contestants[0].work)
    for each in contestants:
        found = np.array(each.work)
        away, agreed = np.abs(found - peer).max(), int((found.argmax(1) == peer.argmax(1)).sum())
        if each.name not in (HALF, *INT8) and not (away <= SAME and agreed == len(peer)):
            raise SystemExit(f"{network}: {each.name} is {away:.2g} from {PEER}, and agrees in {agreed} of {len(peer)}")
        print(f"{lines[each.name]}   apart {away:.0e}, {agreed} of {len(peer)} named alike")
    for what, names, goal in zip(("float32", "int8"), ((FLOAT,), INT8), GOALS[network], strict=True):
        ratio = times[True][PEER] / min(times[True][name] for name in names)
        print(f"{what} {ratio:.2f} times as fast; at least {goal}: {'yes' if ratio >= goal else 'NO'}")
    print(flush=True)
