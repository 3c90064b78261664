"""Write what striate knows about published weights: `striate/nets/published/*.json`.

Runs torchvision's and timm's networks (and a plain transcription of BVLC's GoogLeNet) beside striate's and pairs their
tensors by the order in which a forward pass first uses them; then collects what the publishers state of their weights.
Prove the result with `equal_logits.py`.

    python -m bench.published
"""

import json
import math

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from bench.publishers import DEPTHS, TIMM, TORCHVISION, epsilons, model_name, theirs, timm, torchvision, variants
from striate.nets.build import assemble
from striate.nets.placing import COUNTER
from striate.nets.published import FOLDER, NORM
from striate.nets.zoo import zoo
from striate.preprocess import Preprocess


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
        transformed = (
            model == "googlenet"
        )  # its weights come with transform_input, which undoes mean and std for 0.5 and 0.5
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
    cfg = timm.models.get_pretrained_cfg(name)
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
    (FOLDER / "records.json").write_text(
        "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8"
    )


if __name__ == "__main__":
    write_layouts()
    write_records()
