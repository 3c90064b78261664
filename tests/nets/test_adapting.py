"""Weights for colour and for gray: what a network answers does not change where the formula says that it does not."""

import pytest
import torch
from torch import Tensor

from striate.errors import WeightsError
from striate.nets.adapting import adapted
from striate.nets.build import net
from striate.nets.net import Net
from striate.preprocess import Preprocess

TAIL = "relu, conv 3x3x5 p1, relu, globalpool, flatten, fc 4"
UNEQUAL = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.25)}
EQUAL = {"mean": (0.45, 0.45, 0.45), "std": (0.2, 0.3, 0.25)}


def made(first: str, channels: int, preprocess: Preprocess | None) -> Net:
    """A network whose batch normalisation has seen something."""
    network = net(f"{first}, {TAIL}", input=(12, 13, channels), seed=3).double().eval()
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean = torch.randn(6, dtype=torch.float64, generator=generator)
            module.running_var = torch.rand(6, dtype=torch.float64, generator=generator) + 0.5
    network.preprocess = preprocess
    return network


def prepared(channels: str, scale: int = 1, **values) -> Preprocess:
    values = {name: tuple(scale * value for value in each) for name, each in values.items()}
    return Preprocess((12, 13), None, "squash", channels=channels, scale=scale, **values)  # type: ignore[arg-type]


def seen(network: Net, gray: Tensor) -> Tensor:
    """(1, channels, height, width): what a network gets of a gray picture with levels from 0 to 1, by definition."""
    preprocess = network.preprocess
    assert preprocess and network.input
    mean, std = (
        torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (preprocess.mean, preprocess.std)
    )
    return (preprocess.scale * gray.expand(1, network.input[2], -1, -1) - mean) / std


GRAY = torch.rand(1, 1, 12, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def answers(network: Net) -> tuple[Tensor, Tensor]:
    """The maps behind the first relu, and the logits."""
    with torch.no_grad(), network.tap("stage1.1" if "bn" not in network.name else "stage1.2") as maps:
        logits = network(seen(network, GRAY))
    return next(iter(maps.values())), logits


FIRST = ["conv 3x3x6 same", "conv 3x3x6 same nobias, bn", "conv 5x3x6 s2 p2", "conv 3x3x6 same, bn"]


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("scale", [1, 255])
def test_gray_for_colour_is_exact_where_the_means_are_equal(first, scale):
    colour = made(first, 3, prepared("RGB", scale, **EQUAL))
    gray, told = adapted(colour, 1)
    assert (gray.input, gray.preprocess and gray.preprocess.channels) == ((12, 13, 1), "L")
    assert gray.preprocess and gray.preprocess.mean == pytest.approx((0.45 * scale,), rel=1e-15)
    for before, now in zip(answers(colour), answers(gray), strict=True):
        torch.testing.assert_close(now, before, rtol=0, atol=1e-12)
    assert "nearly" not in told
    assert colour.input == (12, 13, 3)  # the given one stays as it was


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_gray_for_colour_is_exact_inside_where_the_means_differ(first, channels):
    colour = made(first, 3, prepared(channels, **UNEQUAL))
    gray, told = adapted(colour, 1)
    before, now = answers(colour)[0], answers(gray)[0]
    torch.testing.assert_close(now[..., 1:-1, 1:-1], before[..., 1:-1, 1:-1], rtol=0, atol=1e-12)
    assert (now - before).abs().max() > 1e-4
    assert "nearly at borders, where padding" in told


@pytest.mark.parametrize("first", ["conv 3x3x6 same replicate", "conv 3x3x6 nobias, bn", "conv 3x3x6"])
def test_without_zeros_around_it_is_exact_everywhere(first):
    colour = made(first, 3, prepared("BGR", 255, **UNEQUAL))
    gray, told = adapted(colour, 1)
    for before, now in zip(answers(colour), answers(gray), strict=True):
        torch.testing.assert_close(now, before, rtol=0, atol=1e-12)
    assert "nearly" not in told


def test_each_channel_keeps_its_own_mean_and_std_whatever_their_order():
    network = made("conv 3x3x6 same", 3, prepared("RGB", **UNEQUAL))
    turned = made("conv 3x3x6 same", 3, prepared("BGR", **{name: value[::-1] for name, value in UNEQUAL.items()}))
    with torch.no_grad():
        turned.stage1[0].weight.copy_(network.stage1[0].weight.flip(1))  # type: ignore[index, union-attr]
    one, other = adapted(network, 1)[0], adapted(turned, 1)[0]
    for mine, theirs in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-14)


def test_what_cannot_be_exact_says_so():
    _, told = adapted(made("conv 3x3x6 nobias", 3, prepared("RGB", **UNEQUAL)), 1)
    assert "nearly, as neither a bias nor a batch normalisation takes up" in told


def test_without_a_preprocess_filters_are_plain_sums():
    colour = made("conv 3x3x6 same nobias, bn", 3, None)
    gray, _ = adapted(colour, 1)
    with torch.no_grad():
        torch.testing.assert_close(gray(GRAY), colour(GRAY.expand(1, 3, -1, -1)), rtol=0, atol=1e-12)
    assert gray.preprocess is None


@pytest.mark.parametrize("first", FIRST)
def test_colour_for_gray_is_exact_for_gray_pictures_and_sees_the_mean_of_others(first):
    gray = made(first, 1, prepared("L", 255, mean=(0.4,), std=(0.2,)))
    colour, told = adapted(gray, 3)
    for before, now in zip(answers(gray), answers(colour), strict=True):
        torch.testing.assert_close(now, before, rtol=0, atol=1e-12)
    picture = torch.rand(1, 3, 12, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(colour(picture), gray(picture.mean(1, keepdim=True)), rtol=0, atol=1e-12)
    assert colour.preprocess and colour.preprocess.mean == (102.0,) * 3
    assert "the mean of the channels" in told


@pytest.mark.parametrize(
    ("first", "have", "channels", "told"),
    [
        ("depthwise 3x3, conv 1x1x6", 3, 1, "the first layer is a convolution that sees all channels, but .* Conv2d"),
        ("bn, conv 3x3x6", 3, 1, "but .* is BatchNorm2d at stage1.0"),
        ("conv 3x3x6", 4, 1, "from 3 channels to 1, or from 1 to 3, but .* is for 4 and 1 are asked for"),
    ],
)
def test_what_is_refused(first, have, channels, told):
    with pytest.raises(WeightsError, match=told):
        adapted(net(f"{first}, {TAIL}", input=(12, 13, have)), channels)
