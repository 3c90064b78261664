"""Write what striate knows about published weights, and prove that the networks answer equally.

Runs torchvision's and timm's networks (and a plain transcription of BVLC's GoogLeNet) beside striate's, pairs their tensors by the order in which
a forward pass first uses them, and writes the layouts and records of `striate/nets/published/` and the vectors of `tests/golden/published.json`.
Then loads the same weights and statistics into both and prints how far their logits differ.

    python bench/published.py            write the data, then print the table
    python bench/published.py --check    print the table for the data that is there
"""

import argparse
import json
import math
import sys
from pathlib import Path

import torchvision_cpu  # noqa: F401
import timm
import torch
import torchvision
from googlenet_bvlc import GoogLeNet
from timm.models import get_pretrained_cfg
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from striate.nets.build import assemble, net
from striate.nets.first_weights import fill
from striate.nets.net import Net
from striate.nets.published import FOLDER, NORM, layouts
from striate.nets.weights import COUNTER, set_epsilon, to_state_dict
from striate.nets.zoo import zoo
from striate.preprocess import Preprocess

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "nets"))
from pattern import picture, weight  # noqa: E402

DEPTHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
VGG = tuple(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn"))
TORCHVISION = {  # ours: theirs
    "alexnet_torchvision": "alexnet",
    **{name: name for name in VGG},
    "googlenet_torchvision": "googlenet",
    **{name: name for name in DEPTHS},
    "mobilenet_v2": "mobilenet_v2",
    **{f"efficientnet_b{phi}": f"efficientnet_b{phi}" for phi in range(8)},
    "convnext_tiny": "convnext_tiny",
}
TIMM = {
    **{name: f"{name}.tv_in1k" for name in VGG},
    **{name: f"{name}.a1_in1k" for name in DEPTHS},
    "mobilenet_v2": "mobilenetv2_100.ra_in1k",
    "efficientnet_b0": "efficientnet_b0.ra_in1k",
    "efficientnet_b1": "efficientnet_b1.ft_in1k",
    "efficientnet_b2": "efficientnet_b2.ra_in1k",
    "efficientnet_b3": "efficientnet_b3.ra2_in1k",
    "efficientnet_b4": "efficientnet_b4.ra2_in1k",
    "efficientnet_b5": "efficientnet_b5.sw_in12k_ft_in1k",
    "convnext_tiny": "convnext_tiny.fb_in1k",
}


# the networks, ours and theirs


def theirs(publisher: str, network: str, options: dict) -> nn.Module:
    """The publisher's network, without weights worth anything."""
    if publisher == "bvlc":
        return GoogLeNet()
    if publisher == "timm":
        return timm.create_model(TIMM[network].partition(".")[0])
    make = getattr(torchvision.models, TORCHVISION[network])
    aux = {"aux_logits": bool(options), "init_weights": False} if network == "googlenet_torchvision" else {}
    return make(weights=None, **aux)


def variants() -> list[tuple[str, str, dict]]:
    """(publisher, network, options) of every layout."""
    found = [("torchvision", network, {}) for network in TORCHVISION]
    found += [("torchvision", "googlenet_torchvision", {"auxiliary": True})]
    return [*found, *(("timm", network, {}) for network in TIMM), ("bvlc", "googlenet", {})]


class FirstUse(TorchFunctionMode):
    """Notes the order in which a forward pass first uses a network's tensors."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.names = {id(t): name for name, t in network.state_dict(keep_vars=True).items() if COUNTER not in name}
        self.order: list[str] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        for leaf in tree_leaves((args, kwargs or {})):
            if isinstance(leaf, Tensor) and (name := self.names.pop(id(leaf), None)):
                self.order.append(name)
        return func(*args, **(kwargs or {}))


def first_use(network: nn.Module, size: tuple[int, ...], training: bool) -> list[str]:
    uses = FirstUse(network)
    with torch.no_grad(), uses:
        network.train(training)(torch.empty(2, 3, *size, device="meta"))
    assert not uses.names, f"never used: {uses.names.values()}"
    return uses.order


# layouts


def layout(publisher: str, network: str, options: dict) -> dict:
    """One entry of a publisher's file: its names in our order."""
    ours = assemble(network, None, None, options)
    with torch.device("meta"):
        other = theirs(publisher, network, options)
    size = ours.input[:2]
    used = zip(first_use(ours, size, bool(options)), first_use(other, size, bool(options)), strict=True)
    name_of = dict(used)
    mine, yours = ours.state_dict(), other.state_dict()
    names = [name_of[name] for name in mine if COUNTER not in name]
    shapes = {}
    for name, theirs_ in name_of.items():
        a, b = tuple(mine[name].shape), tuple(yours[theirs_].shape)
        assert a[0] == b[0] and math.prod(a) == math.prod(b), (name, a, theirs_, b)
        if a != b:
            shapes[theirs_] = b[1:]
    row: dict = {"network": network, "model": model_name(publisher, network)}
    if options:
        row["options"] = options
    if network == "googlenet_torchvision" and not options:
        row["skipped"] = ["aux1.", "aux2."]
    if epsilons(other) and epsilons(other) != epsilons(ours):
        (row_epsilon,) = epsilons(other)
        row["settings"] = {"batch_norm_eps": row_epsilon}
    return row | {"modules": packed(names, shapes)}


def model_name(publisher: str, network: str) -> str:
    return {"torchvision": TORCHVISION.get(network), "timm": TIMM.get(network, "").partition(".")[0]}.get(publisher) or "bvlc_googlenet"


def epsilons(network: nn.Module) -> set[float]:
    return {m.eps for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)}


def packed(names: list[str], shapes: dict[str, tuple[int, ...]]) -> list[str]:
    """The other direction of `striate.nets.published.unpacked`."""
    lines: list[tuple[str, list[str]]] = []
    for name in names:
        path, _, kind = name.rpartition(".")
        kind += ":" + "x".join(map(str, shapes[name])) if name in shapes else ""
        if lines and lines[-1][0] == path:
            lines[-1][1].append(kind)
        else:
            lines.append((path, [kind]))
    return [f"{path} {'norm' if tuple(kinds) == NORM else ' '.join(kinds)}" for path, kinds in lines]


def write_layouts() -> None:
    tables: dict[str, dict] = {"torchvision": {}, "timm": {}, "bvlc": {}}
    for publisher, network, options in variants():
        row = layout(publisher, network, options)
        key = network + "".join(f"({option})" for option in options)
        twin = tables["torchvision"].get(key, {})
        if publisher == "timm" and twin.get("modules") == row["modules"]:
            row["same_as"] = "torchvision"
            del row["modules"]
        tables[publisher][key] = row
    for publisher, table in tables.items():
        rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(row, separators=(',', ':'))}" for key, row in table.items())
        (FOLDER / f"{publisher}.json").write_text("{\n" + rows + "\n}\n", encoding="utf-8")


# records: what the publishers state themselves


def settings(publisher: str, network: str) -> dict:
    """What shapes do not show, read off the publisher's own network."""
    with torch.device("meta"):
        other = theirs(publisher, network, {})
    found: dict = {}
    if eps := epsilons(other):
        (found["batch_norm_eps"],) = eps
    if eps := {m.eps for m in other.modules() if isinstance(m, nn.LayerNorm)}:
        (found["layer_norm_eps"],) = eps
    if any(m.ceil_mode for m in other.modules() if isinstance(m, nn.MaxPool2d)):
        found["ceil_mode"] = True
    if network in DEPTHS[2:]:
        found["stride_first"] = other.get_submodule("layer2.0.conv1").stride != (1, 1)
    if "naive" in zoo()[network].options:
        found["naive"] = False
    if network == "mobilenet_v2":
        found["width"] = 1.0
    return found


def torchvision_records(network: str, model: str) -> list[dict]:
    rows = []
    for weights in torchvision.models.get_model_weights(model):
        if weights.name.endswith("_FEATURES"):  # its last layers hold no numbers
            continue
        preset = weights.transforms()
        transformed = model == "googlenet"  # its weights come with transform_input, which undoes mean and std for 0.5 and 0.5
        mean, std = ((0.5,) * 3, (0.5,) * 3) if transformed else (tuple(preset.mean), tuple(preset.std))
        preprocess = Preprocess(
            size=(preset.crop_size[0],) * 2,
            resize=preset.resize_size[0],
            interpolation=preset.interpolation.value,
            mean=mean,
            std=std,
        )
        rows.append(
            {
                "network": network,
                "publisher": "torchvision",
                "name": f"{model} {weights.name}",
                "source": weights.url,
                "file": weights.url.rpartition("/")[2],
                "licence": weights.meta.get("license"),
                "preprocess": preprocess.to_dict(),
                "top1": weights.meta["_metrics"]["ImageNet-1K"]["acc@1"],
                "settings": settings("torchvision", network) | ({"transform_input": True} if transformed else {}),
            }
        )
    return rows


def timm_record(network: str, name: str) -> dict:
    cfg = get_pretrained_cfg(name)
    assert cfg and cfg.num_classes == 1000
    size = cfg.input_size[1:]
    squash = cfg.crop_mode == "squash"
    preprocess = Preprocess(
        size=size,
        resize=None if squash else math.floor(size[0] / cfg.crop_pct),
        fit="squash" if squash else "crop",
        interpolation=cfg.interpolation,
        mean=cfg.mean,
        std=cfg.std,
    )
    return {
        "network": network,
        "publisher": "timm",
        "name": cfg.hf_hub_id,
        "source": f"https://huggingface.co/{cfg.hf_hub_id}",
        "file": "model.safetensors",
        "licence": cfg.license,
        "preprocess": preprocess.to_dict(),
        "top1": None,  # timm states none with its networks
        "settings": settings("timm", network),
    }


def bvlc_record() -> dict:
    """As the readme beside the model in Caffe's model zoo states."""
    return {
        "network": "googlenet",
        "publisher": "bvlc",
        "name": "bvlc_googlenet",
        "source": "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
        "file": "googlenet_bvlc.safetensors",  # the same tensors, converted
        "licence": "unrestricted",
        "preprocess": Preprocess(channels="BGR", scale=255, mean=(104.0, 117.0, 123.0), std=(1.0, 1.0, 1.0)).to_dict(),
        "top1": 68.7,
        "settings": {"ceil_mode": True, "naive": False},
    }


def write_records() -> None:
    rows = [row for network, model in TORCHVISION.items() for row in torchvision_records(network, model)]
    rows += [timm_record(network, name) for network, name in TIMM.items()] + [bvlc_record()]
    rows.sort(key=lambda row: list(zoo()).index(row["network"]))
    (FOLDER / "records.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")


# the proof


def sizes(publisher: str, network: str) -> list[tuple[int, int]]:
    """Heights and widths to compare at: odd and unequal, so that padding and rows left over show."""
    if network.startswith("vgg"):  # timm's form slides its fully connected layers over larger pictures
        return [(224, 224)] if publisher == "timm" else [(97, 129), (224, 224)]
    if network == "googlenet":
        return [(224, 224), (239, 231)]
    return [(75, 107), (131, 97)] if network != "convnext_tiny" else [(75, 107), (128, 96)]


def ours_with(tensors: dict[str, Tensor], row) -> Net:
    """Our network with a publisher's tensors, placed by the layout's names."""
    built = assemble(row.network, None, None, row.options)
    fill(built, torch.device("cpu"))
    if "batch_norm_eps" in row.settings:
        set_epsilon(built, row.settings["batch_norm_eps"])
    state = built.state_dict()
    for mine, name in zip([name for name in state if COUNTER not in name], row.tensors, strict=True):
        state[mine].copy_(tensors[name].reshape(state[mine].shape))
    return built


@torch.no_grad()
def prove(write: bool) -> None:
    golden, worst = {}, 0.0
    print(f"{'publisher':<12} {'network':<34} {'size':>9} {'logits':>10} {'difference':>11} {'back':>5}")
    for row in layouts():
        other = theirs(row.publisher, row.network, row.options)
        tensors = {name: weight(name, tuple(t.shape)) for name, t in other.state_dict().items() if COUNTER not in name}
        other.load_state_dict(tensors, strict=False)
        other.eval()
        ours = ours_with(tensors, row).eval()
        back = to_state_dict(ours, row.publisher)
        other.load_state_dict(back, strict=True)
        key = f"{row.publisher} {row.network}" + "".join(f" {option}" for option in row.options)
        for size in sizes(row.publisher, row.network):
            x = picture(*size)
            a, b = ours(x)[0], other(x)[0]
            spread = b.std().item()
            difference = (a - b).abs().max().item() / spread
            worst = max(worst, difference)
            assert torch.isfinite(b).all() and spread > 0
            print(
                f"{row.publisher:<12} {key.partition(' ')[2]:<34} {'×'.join(map(str, size)):>9} {spread:>10.3g} {difference:>11.2g} {'yes':>5}",
                flush=True,
            )
            if key not in golden:
                golden[key] = {"size": size, "logits": [float(f"{v:.7g}") for v in b[:16]], "mean": b.mean().item(), "norm": b.norm().item()}
        del other, ours, tensors, back
    print(f"largest difference, in standard deviations of the logits: {worst:.2g}")
    if write:
        rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items())
        (ROOT / "tests" / "golden" / "published.json").write_text("{\n" + rows + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="print the table for the data that is there")
    check = parser.parse_args().check
    if not check:
        write_layouts()
        write_records()
    prove(write=not check)
