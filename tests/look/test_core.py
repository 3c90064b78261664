"""What all ways of looking share: a network that stays as it was, layers by name, maps that line up."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from striate.errors import StriateError, UnknownName
from striate.look.layers import layer_with_maps, layers, leaf_at
from striate.look.photo import Photo, photo
from striate.look.subject import Subject, still, subject
from striate.nets.build import net
from striate.preprocess import Preprocess

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def branching() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Flatten(),
        nn.Linear(4 * 8 * 8, 3),
    )  # fmt: skip


def test_a_network_is_as_it_was_also_after_an_exception():
    network = branching().train()
    network[1].eval()
    network[5].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    with pytest.raises(ZeroDivisionError), still(network):
        assert not any(module.training for module in network.modules())
        assert not any(parameter.requires_grad for parameter in network.parameters())
        network(torch.rand(2, 3, 8, 8))
        raise ZeroDivisionError
    assert [module.training for module in network.modules()] == modes
    assert [p.requires_grad for p in network.parameters()] == [True, True, True, True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_gradients_are_there_where_the_caller_switched_them_off():
    with torch.no_grad(), still(net("lenet5")):
        assert torch.is_grad_enabled()


def test_layers_in_the_order_in_which_they_end():
    found = layers(net("lenet5"), (3, 32, 32))
    assert found["stage1"] == (8, 14, 14)
    assert list(found).index("stage1") < list(found).index("stage2") < list(found).index("head")


def test_the_last_layer_with_maps():
    assert layer_with_maps(net("lenet5"), (3, 32, 32)) == "stage2"
    assert layer_with_maps(net("resnet18"), (3, 224, 224)) == "stage4"


def test_layers_that_cannot_have_maps_are_refused():
    network = net("lenet5")
    with pytest.raises(UnknownName, match="did you mean stage1"):
        layer_with_maps(network, (3, 32, 32), "stag1")
    with pytest.raises(StriateError, match="but head puts out 10 numbers; the last one that has some is stage2"):
        layer_with_maps(network, (3, 32, 32), "head")
    with pytest.raises(StriateError, match="no layer of this network has one"):
        layer_with_maps(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (3, 2, 2))


def test_gradients_begin_at_a_leaf_and_hooks_are_gone():
    network = branching()
    pictures = torch.rand(1, 3, 8, 8)
    expected = network.eval()(pictures)
    with still(network):
        with pytest.raises(ZeroDivisionError), leaf_at(network, "1") as leaves:
            logits = network(pictures)
            assert torch.equal(logits, expected)
            (gradient,) = torch.autograd.grad(logits[0, 0], leaves)
            assert gradient.shape == (1, 4, 8, 8)
            assert leaves[0].min() < 0  # the ReLU that writes in place did not reach it
            raise ZeroDivisionError
        assert not network(pictures).requires_grad
    assert not any(module._forward_hooks for module in network.modules())


def test_subjects():
    assert subject(net("lenet5", classes=["a", "b"])).classes == ("a", "b")
    named = subject("lenet5")
    assert named.notes == ["its weights are the first ones: it has learned nothing yet"]
    assert named.input == (3, 32, 32) and len(named.classes) == 10
    own = Subject(branching(), Preprocess(size=(8, 8), resize=None), ("a", "b", "c"))
    assert subject(own) is own
    with pytest.raises(UnknownName, match="no class is called 'd'"):
        own.place("d")
    with pytest.raises(StriateError, match="needs words: Subject"):
        subject(branching())
    with pytest.raises(UnknownName, match="did you mean"):
        subject("resnet19")


def test_a_folder_that_is_no_run_is_no_network_either(tmp_path):
    with pytest.raises(StriateError, match=r"a run is a folder with a config\.json"):
        subject(tmp_path)


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (31, 97)])
def test_the_part_that_is_seen_is_where_the_pixels_come_from(fit, shape):
    """A gradient over the picture tells where each pixel of the input was."""
    preprocess = Preprocess(size=(32, 32), resize=40 if fit == "crop" else None, fit=fit)
    down, across = np.mgrid[: shape[0], : shape[1]]
    top, bottom, left, right = preprocess.seen(shape)
    for axis, (places, first, last) in enumerate(((down, top, bottom), (across, left, right))):
        levels = np.rint(places / (shape[axis] - 1) * 255).astype(np.uint8)
        line = np.take(preprocess.pixels(levels[..., None].repeat(3, 2))[..., 0], 16, axis=1 - axis) / 255
        expected = first + (np.arange(32) + 0.5) / 32 * (last - first)
        inside = (expected > 0.05) & (expected < 0.95)
        assert np.abs(line - expected)[inside].max() < 0.03


def test_maps_lie_where_the_network_looks(tmp_path):
    """A map with one bright cell colours that part of the crop and no other."""
    Image.fromarray(np.full((40, 80, 3), 100, np.uint8)).save(tmp_path / "wide.png")
    whose = Subject(branching(), Preprocess(size=(8, 8), resize=None, **PLAIN), ("a", "b", "c"))
    seen = photo(tmp_path / "wide.png", whose)
    assert seen.input.shape == (1, 3, 8, 8) and seen.seen == (0, 1, 0.25, 0.75)
    values = np.zeros((4, 4))
    values[0, 3] = 1
    drawn = np.asarray(seen.overlaid(values, 1, side=80), int)
    assert drawn.shape == (40, 80, 3)
    assert (drawn[:, :20] == 45).all() and (drawn[:, 60:] == 45).all()  # not seen, so darker
    assert (
        drawn[0:6, 54:60].sum(2).min() > drawn[14:, 20:60].sum(2).max()
    )  # row 0, column 3 of the square in the middle


def test_a_drawing_is_upright_and_never_larger(tmp_path):
    pixels = np.zeros((10, 30, 3), np.uint8)
    shown = Photo("a", pixels, pixels, torch.zeros(1, 3, 10, 30), (0, 1, 0, 1))
    assert shown.drawn().size == (30, 10) and shown.drawn(15).size == (15, 5)
    assert shown.overlaid(np.zeros((2, 2)), 0).size == (480, 160)
