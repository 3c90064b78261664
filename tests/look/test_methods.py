"""Each method beside a slow or closed form in float64; nothing of a method stays in the network."""

import numpy as np
import pytest
import torch
from torch import nn

from striate.data.randomness import Purpose, normals, uniforms
from striate.errors import StriateError, UnknownName
from striate.look.cam import cam
from striate.look.gradcam import gradcam, gradcam_plus
from striate.look.integrated import integrated, shortfall
from striate.look.methods import METHODS
from striate.look.saliency import saliency
from striate.look.smoothgrad import smoothgrad
from striate.nets.build import net

PICTURES = torch.randn(3, 3, 12, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
TARGETS = torch.tensor([[0, 3], [2, 1], [3, 3]])
MEAN = "conv 3x3x6 same, relu, maxpool 2, conv 3x3x8 same, relu, globalpool, dropout 0.5, fc 4"
DENSE = "conv 3x3x6 same, bn, relu, maxpool 2, conv 3x3x8 same, lrn, relu, fc 5, relu, fc 4"


def made(text: str = DENSE) -> nn.Module:
    return net(text, input=(12, 16, 3), seed=3).double()


def remembered(network: nn.Module, path: str, number: int, target: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The maps of a layer and the slopes of a logit, by a backward pass through the whole network."""
    kept = {}
    hook = network.get_submodule(path).register_forward_hook(lambda _m, _i, output: kept.update(maps=output))
    logits = network.eval()(PICTURES[number : number + 1])
    hook.remove()
    kept["maps"].retain_grad()
    logits[0, target].backward()
    network.zero_grad()
    return kept["maps"].detach()[0], kept["maps"].grad[0]


@pytest.mark.parametrize("path", ["stage2", "stage1.1", "stage1"])
def test_gradcam_is_what_a_whole_backward_pass_says(path):
    network = made()
    path = path if path in dict(network.named_modules()) else "stage1"
    found = gradcam(network, PICTURES, TARGETS, layer=path)
    plus = gradcam_plus(network, PICTURES, TARGETS, layer=path)
    for number, place in np.ndindex(3, 2):
        maps, slope = remembered(network, path, number, int(TARGETS[number, place]))
        expected = (slope.mean((1, 2))[:, None, None] * maps).sum(0).clamp(min=0)
        torch.testing.assert_close(found[number, place], expected)
        square, cube = slope**2, slope**3
        share = square / (2 * square + maps.sum((1, 2), keepdim=True) * cube)
        weights = (share.nan_to_num() * slope.clamp(min=0)).sum((1, 2))  # 0/0 where the slope is 0
        torch.testing.assert_close(plus[number, place], (weights[:, None, None] * maps).sum(0).clamp(min=0))


def test_the_last_layer_with_maps_is_looked_at_if_nothing_is_said():
    network = made(MEAN)
    assert torch.equal(gradcam(network, PICTURES, TARGETS), gradcam(network, PICTURES, TARGETS, layer="stage2"))


def test_a_layer_that_cannot_be_looked_at_is_told():
    with pytest.raises(UnknownName, match="no layer of this network is called 'stage9'"):
        gradcam(made(), PICTURES, TARGETS, layer="stage9")
    with pytest.raises(StriateError, match="head puts out 4 numbers"):
        gradcam(made(), PICTURES, TARGETS, layer="head")


@pytest.mark.parametrize("text", [MEAN, "conv 3x3x6 same, relu, conv 1x1x4, relu, globalpool, flatten"])
def test_the_mean_of_a_cam_and_the_bias_are_the_logit(text):
    network = made(text).eval()
    maps = cam(network, PICTURES, TARGETS)
    logits = network(PICTURES).detach().gather(1, TARGETS)
    last = list(network.modules())[-1]
    bias = last.bias.detach()[TARGETS] if isinstance(last, nn.Linear) else 0
    torch.testing.assert_close(maps.mean((2, 3)) + bias, logits)


def test_gradcam_is_the_positive_part_of_cam_where_the_network_ends_in_a_mean():
    network = made(MEAN)
    exact = cam(network, PICTURES, TARGETS)
    torch.testing.assert_close(gradcam(network, PICTURES, TARGETS), exact.relu() / exact[0, 0].numel())


def test_cam_knows_a_mean_by_its_numbers_not_by_its_name():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.maps, self.out = nn.Conv2d(3, 5, 3), nn.Linear(5, 4)

        def forward(self, x):
            return self.out(self.maps(x).mean((2, 3)))

    torch.manual_seed(0)
    network = Plain().double()
    maps = cam(network, PICTURES, TARGETS)
    logits = network(PICTURES).detach().gather(1, TARGETS)
    torch.testing.assert_close(maps.mean((2, 3)) + network.out.bias.detach()[TARGETS], logits)


def test_cam_is_refused_where_it_would_be_wrong():
    with pytest.raises(StriateError, match="cam needs a network that ends in a mean"):
        cam(made(), PICTURES, TARGETS)
    with pytest.raises(StriateError, match="cam needs a network that ends in a mean"):
        cam(made("conv 3x3x6 same, relu, globalmaxpool, fc 4"), PICTURES, TARGETS)


def test_saliency_is_what_finite_differences_say():
    network = made().eval()
    found = saliency(network, PICTURES[:1], TARGETS[:1])
    step = 1e-6
    with torch.no_grad():
        for row, column in ((0, 0), (5, 7), (11, 15), (3, 12)):
            rises = []
            for channel in range(3):
                moved = PICTURES[:1].repeat(2, 1, 1, 1)
                moved[0, channel, row, column] += step
                moved[1, channel, row, column] -= step
                above, below = network(moved)[:, TARGETS[0]]
                rises.append((above - below) / (2 * step))
            torch.testing.assert_close(found[0, :, row, column], torch.stack(rises).abs().amax(0), rtol=1e-5, atol=1e-8)


def test_smoothgrad_is_the_mean_of_saliencies_of_noisy_pictures():
    network = made()
    found = smoothgrad(network, PICTURES, TARGETS, copies=3, noise=0.1, seed=5)
    expected = torch.zeros_like(found)
    for copy in range(3):
        drawn = torch.from_numpy(normals(uniforms(5, copy, 0, Purpose.LOOK, 3 * 12 * 16))).reshape(3, 12, 16)
        for number, picture in enumerate(PICTURES):
            noisy = picture + 0.1 * (picture.max() - picture.min()) * drawn
            expected[number] += saliency(network, noisy[None], TARGETS[number : number + 1])[0] / 3
    torch.testing.assert_close(found, expected)
    assert not torch.equal(found, smoothgrad(network, PICTURES, TARGETS, copies=3, noise=0.1, seed=6))
    torch.testing.assert_close(smoothgrad(network, PICTURES, TARGETS, noise=0), saliency(network, PICTURES, TARGETS))


def test_integrated_gradients_add_up_and_tell_what_they_miss():
    network = made().eval()
    maps = integrated(network, PICTURES, TARGETS, steps=400)
    with torch.no_grad():
        rise = (network(PICTURES) - network(torch.zeros_like(PICTURES))).gather(1, TARGETS)
    off = shortfall(network, PICTURES, TARGETS, maps)
    torch.testing.assert_close(off, maps.sum((2, 3)) - rise)
    assert off.abs().max() < 0.01 * rise.abs().max()
    few = integrated(network, PICTURES, TARGETS, steps=2)
    assert shortfall(network, PICTURES, TARGETS, few).abs().max() > off.abs().max()


def test_integrated_gradients_of_a_straight_network_are_weights_times_pixels():
    network = made("fc 4")
    weights = network.get_parameter(next(iter(dict(network.named_parameters())))).detach()
    black = torch.full((1, 3, 1, 1), -2.0, dtype=torch.float64)
    maps = integrated(network, PICTURES, TARGETS, baseline=black, steps=1)
    expected = (weights.reshape(4, 3, 12, 16)[TARGETS] * (PICTURES - black)[:, None]).sum(2)
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(
        shortfall(network, PICTURES, TARGETS, maps, baseline=black), torch.zeros(3, 2, dtype=torch.float64)
    )


@pytest.mark.parametrize("name", METHODS)
def test_a_picture_alone_has_the_map_that_it_has_among_others(name):
    network = made(MEAN).float()
    together = METHODS[name].function(network, PICTURES.float(), TARGETS)
    alone = METHODS[name].function(network, PICTURES[1:2].float(), TARGETS[1:2])
    assert together.shape[:2] == (3, 2)
    torch.testing.assert_close(alone[0], together[1], rtol=1e-4, atol=1e-4 * float(together.abs().max()))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_stays_in_the_network(name, fails):
    """Also where the pass breaks in the middle, and where the caller switched gradients off."""
    network = made(MEAN).float().train()
    next(network.children()).eval()
    next(network.parameters()).requires_grad_(False)
    pictures = PICTURES.float()

    def state() -> tuple:
        weights = {name: value.clone() for name, value in network.state_dict().items()}
        return (
            [value.numpy().tobytes() for value in weights.values()],
            [module.training for module in network.modules()],
            [parameter.requires_grad for parameter in network.parameters()],
            [parameter.grad for parameter in network.parameters()],
            pictures.numpy().tobytes(),
            pictures.requires_grad,
        )

    before = state()
    if fails:

        class Broken(Exception):
            pass

        def fail(*_):
            raise Broken

        hook = list(network.modules())[-1].register_forward_hook(fail)
        with pytest.raises((Broken, StriateError)):  # measuring a network tells the layer, too
            METHODS[name].function(network, pictures, TARGETS)
        hook.remove()
    else:
        with torch.no_grad():
            maps = METHODS[name].function(network, pictures, TARGETS)
        assert not maps.requires_grad
    assert state() == before
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())


def test_a_network_that_writes_into_what_it_gets_is_explained():
    torch.manual_seed(0)
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten())
    network.append(nn.Linear(4 * 10 * 14, 4)).double()
    _, conv, _, _, last = network
    given = PICTURES.clone()
    found = gradcam(network, given, TARGETS, layer="1")
    for number, place in np.ndindex(3, 2):
        maps = conv(PICTURES[number : number + 1].relu()).detach().requires_grad_()
        last(maps.relu().flatten(1))[0, TARGETS[number, place]].backward()
        expected = (maps.grad.mean((2, 3), keepdim=True) * maps).sum(1).relu().detach()[0]
        torch.testing.assert_close(found[number, place], expected)
    saliency(network, given, TARGETS)


@pytest.mark.parametrize(("function", "option"), [(smoothgrad, {"copies": 0}), (integrated, {"steps": 0})])
def test_nothing_to_average_is_refused(function, option):
    with pytest.raises(StriateError, match="1 or more"):
        function(made(), PICTURES, TARGETS, **option)
