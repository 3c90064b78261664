"""Every published network answers as its publisher's: the logits that torchvision and timm gave.

`bench/equal_logits.py` made the vectors, with weights that follow from their names. They are made here again, under the
publisher's names and in its shapes, so a layout that swaps two tensors changes the logits; so does a stride, a padding,
a rounding or an epsilon in another place.
"""

import json
from pathlib import Path

import pytest
import torch
from pattern import picture, weight
from torch import Tensor, nn

from striate.nets.build import assemble
from striate.nets.naming import to_state_dict
from striate.nets.net import Net
from striate.nets.placing import own_tensors, place, set_epsilon
from striate.nets.published import Layout, layouts, published
from striate.nets.weight_files import Stored
from striate.nets.weights import settle

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "published.json").read_text(encoding="utf-8"))
HEAVY = ("vgg13", "vgg19", "vgg11_bn", "timm vgg", "vgg16_bn")  # half a gigabyte each
LAYOUTS = {f"{row.publisher} {row.network}" + "".join(f" {option}" for option in row.options): row for row in layouts()}


def publisher_tensors(layout: Layout, built: Net) -> dict[str, Tensor]:
    """What the publisher's file would hold."""
    state = built.state_dict()
    shapes = zip(layout.tensors.items(), own_tensors(state), strict=True)
    return {
        name: weight(name, tuple(state[mine].shape) if rest is None else (state[mine].shape[0], *rest))
        for (name, rest), mine in shapes
    }


def loaded(layout: Layout) -> Net:
    built = assemble(layout.network, None, None, layout.options)
    stored = Stored(Path("file"), "file", publisher_tensors(layout, built), None)
    place(built, stored, list(layout.tensors), "", torch.device("cpu"))
    settle(built, layout, stored, None)
    return built.eval()


@torch.no_grad()
def distance(built: Net, golden: dict) -> float:
    """Largest difference from the golden logits, in their standard deviations."""
    logits = built(picture(*golden["size"]))[0]
    sample = torch.tensor(golden["logits"])
    spread = sample.std().item()
    overall = (
        abs(logits.mean().item() - golden["mean"]),
        abs(logits.norm().item() - golden["norm"]) / len(logits) ** 0.5,
    )
    return max((logits[:16] - sample).abs().max().item(), *overall) / spread


@pytest.mark.parametrize(
    "key",
    [pytest.param(key, marks=[pytest.mark.slow] if any(word in key for word in HEAVY) else []) for key in LAYOUTS],
)
def test_logits_equal_the_publishers(key):
    layout = LAYOUTS[key]
    built = loaded(layout)
    assert distance(built, GOLDEN[key]) < 1e-3
    if "vgg" not in key:  # half a gigabyte, twice
        back = to_state_dict(built, layout.publisher)
        wanted = publisher_tensors(layout, built)
        assert all(torch.equal(back[name], wanted[name]) for name in wanted)
        counters = {name for name in back if name.endswith("num_batches_tracked")}
        assert back.keys() - counters == wanted.keys()
        assert len(counters) == sum(name.endswith("running_mean") for name in wanted)


def move_stride(built: Net) -> None:
    body = built.get_submodule("stage2.0.0.body")
    body[0].stride, body[3].stride = (2, 2), (1, 1)


def round_down(built: Net) -> None:
    next(m for m in built.modules() if isinstance(m, nn.MaxPool2d) and m.ceil_mode).ceil_mode = False


def change_epsilon(built: Net) -> None:
    set_epsilon(built, 1e-3 if next(m.eps for m in built.modules() if isinstance(m, nn.BatchNorm2d)) == 1e-5 else 1e-5)


def move_padding(built: Net) -> None:
    pool = next(m for m in built.modules() if isinstance(m, nn.MaxPool2d | nn.Conv2d) and m.stride in (2, (2, 2)))
    pool.padding = 0 if isinstance(pool, nn.MaxPool2d) else (0, 0)


def change_lrn(built: Net) -> None:
    for module in built.modules():
        if isinstance(module, nn.LocalResponseNorm):
            module.k = 2


@pytest.mark.parametrize(
    ("key", "mutate"),
    [
        ("torchvision resnet50", move_stride),
        ("torchvision resnet50", change_epsilon),
        ("torchvision resnet18", change_epsilon),
        ("torchvision resnet18", move_padding),
        ("torchvision googlenet_torchvision", round_down),
        ("torchvision googlenet_torchvision", change_epsilon),
        ("bvlc googlenet", round_down),
        ("bvlc googlenet", change_lrn),
        ("torchvision efficientnet_b5", change_epsilon),
        ("timm efficientnet_b5", change_epsilon),
        ("torchvision mobilenet_v2", move_padding),
    ],
)
def test_a_setting_that_no_shape_shows_changes_the_logits(key, mutate):
    built = loaded(LAYOUTS[key])
    mutate(built)
    assert distance(built, GOLDEN[key]) > 1e-2


def test_swapping_two_tensors_of_one_shape_changes_the_logits():
    layout = LAYOUTS["torchvision resnet18"]
    built = loaded(layout)
    first, second = (built.get_submodule(f"stage1.{block}.0.body.0") for block in (0, 1))
    first.weight, second.weight = second.weight, first.weight
    assert distance(built, GOLDEN["torchvision resnet18"]) > 1e-2


@pytest.mark.parametrize("record", published(), ids=lambda record: record.name)
def test_a_record_states_what_the_network_has(record):
    layout = next(la for la in layouts() if (la.publisher, la.network) == (record.publisher, record.network))
    built = assemble(record.network, None, None, {})
    set_epsilon(built, layout.settings.get("batch_norm_eps"))
    epsilons = {m.eps for m in built.modules() if isinstance(m, nn.BatchNorm2d)}
    assert epsilons == ({record.settings["batch_norm_eps"]} if "batch_norm_eps" in record.settings else set())
    epsilons = {m.eps for m in built.modules() if isinstance(m, nn.LayerNorm)}
    assert epsilons == ({record.settings["layer_norm_eps"]} if "layer_norm_eps" in record.settings else set())
    ceil = any(m.ceil_mode for m in built.modules() if isinstance(m, nn.MaxPool2d))
    assert ceil == record.settings.get("ceil_mode", False)
    assert len(record.preprocess.mean) == len(record.preprocess.std) == 3
    assert record.top1 is None or 50 < record.top1 < 90


def test_torchvision_googlenet_gets_the_input_that_transform_input_makes():
    (record,) = published("googlenet_torchvision")
    assert record.preprocess.mean == record.preprocess.std == (0.5, 0.5, 0.5)
