"""What a network looks for: the canvas by its properties, the way uphill by what it reaches."""

from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from striate.cli import main
from striate.errors import StriateError, UnknownName
from striate.look.ascent import leaking, until
from striate.look.canvas import Canvas, coloured
from striate.look.dream import dream
from striate.look.subject import Subject
from striate.nets.build import net
from striate.preprocess import Preprocess

PLAIN = Preprocess(size=(32, 32), resize=None, mean=(0.5,) * 3, std=(0.25,) * 3)
CPU = torch.device("cpu")


def canvas(size: tuple[int, int] = (32, 32), preprocess: Preprocess = PLAIN, seed: int = 0) -> Canvas:
    return Canvas(size, preprocess, seed, CPU)


@pytest.mark.parametrize("size", [(8, 8), (15, 20), (20, 15), (9, 9)])
def test_each_number_is_a_wave(size):
    """A single number makes a single wave, whose strength falls as 1 over its frequency."""
    paper = canvas(size, Preprocess(size=size, resize=None, channels="L", mean=(0.5,), std=(0.5,)))
    numbers = torch.zeros_like(paper.begin([0]))
    numbers[0, 0, 2, 1, 0] = 3.0
    picture = torch.logit(paper.picture(numbers)[0, 0].double())
    found = np.fft.rfft2(picture.numpy(), norm="ortho")
    expected = 3.0 / np.hypot(2 / size[0], 1 / size[1]) / 4
    assert abs(found[2, 1]) == pytest.approx(expected, rel=1e-4)
    found[2, 1] = 0
    if size[1] > 2:
        assert np.abs(found).max() < 1e-4 * expected


def test_light_alone_is_gray():
    waves = torch.zeros(2, 3, 8, 8)
    waves[:, 0] = torch.randn(2, 8, 8)
    red, green, blue = coloured(waves).unbind(1)
    torch.testing.assert_close(red, waves[:, 0])
    torch.testing.assert_close(red, green)
    torch.testing.assert_close(red, blue)


def test_colours_vary_by_themselves():
    """Independent waves give colours that go along with each other as in photos: bright ones alike, hues little."""
    torch.manual_seed(0)
    colours = coloured(torch.randn(1, 3, 200, 200))[0].flatten(1)
    strengths = torch.linalg.eigvalsh(torch.cov(colours)).sqrt().flip(0)
    torch.testing.assert_close(strengths / strengths[0], torch.tensor([1.0, 0.28, 0.13]), rtol=0.05, atol=0)
    assert torch.corrcoef(colours)[0, 2] > 0.75


@pytest.mark.parametrize("channels", ["RGB", "BGR", "L"])
def test_the_input_is_that_of_the_preprocess(channels: Literal["RGB", "BGR", "L"]):
    numbers = (0.4,) if channels == "L" else (0.1, 0.2, 0.3)
    preprocess = Preprocess((8, 8), None, channels=channels, scale=255, mean=numbers, std=tuple(2 * n for n in numbers))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, len(numbers)), np.uint8)
    picture = torch.from_numpy(np.moveaxis(pixels, 2, 0)).float()[None] / 255
    found = canvas((8, 8), preprocess).input(picture)[0].numpy()
    np.testing.assert_allclose(found, preprocess.normalised(pixels), rtol=1e-4, atol=1e-3)


def test_noise_has_the_same_waves_and_the_same_mean():
    paper = canvas()
    numbers = paper.begin([4]) * 5
    noise = paper.other_phases(numbers, [4])
    torch.testing.assert_close(torch.view_as_complex(noise).abs(), torch.view_as_complex(numbers).abs())
    assert torch.equal(noise[..., 0, 0, :], numbers[..., 0, 0, :])
    assert not torch.allclose(paper.picture(noise), paper.picture(numbers), atol=1e-2)


def test_views_are_a_little_moved_and_never_the_same():
    paper = canvas((64, 64))
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, :, 31:33, 31:33] = 1
    places = []
    for step in range(40):
        view = paper.view(picture, [3], step)[0, 0]
        where = (torch.stack(torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")) * view).sum((1, 2))
        places.append(where / view.sum() - 31.5)
    away = torch.stack(places).abs()
    assert away.max() < 64 / 14 * 1.1 + 0.1 and away.max() > 3  # a fourteenth of the side
    assert torch.equal(paper.view(picture, [3], 5), paper.view(picture, [3], 5))
    both = paper.view(picture.repeat(2, 1, 1, 1), [3, 9], 5)
    torch.testing.assert_close(both[:1], paper.view(picture, [3], 5))  # whatever else is painted
    assert not torch.allclose(both[0], both[1])


def test_nothing_behind_the_layer_is_computed():
    network = net("lenet5").eval()
    ran = []
    for name in ("stage1", "stage2", "head"):
        network.get_submodule(name).register_forward_hook(lambda _module, _input, _output, name=name: ran.append(name))
    with pytest.raises(ZeroDivisionError), until(network, "stage1.0") as run:
        assert run(torch.zeros(1, 3, 32, 32)).shape == (1, 6, 28, 28) or ran == []
        raise ZeroDivisionError
    assert "stage2" not in ran and "head" not in ran
    network(torch.zeros(1, 3, 32, 32))
    assert "head" in ran  # the way is free again


def test_what_is_off_can_be_switched_on():
    """ReLU gives the same, and a gradient where it gives 0."""
    network = nn.Sequential(nn.Identity(), nn.ReLU())
    x = torch.tensor([[-2.0], [3.0]], requires_grad=True)
    with leaking(network):
        output = network(x)
    (slope,) = torch.autograd.grad(output.sum(), x)
    assert output.flatten().tolist() == [0, 3] and slope[0] > 0
    (slope,) = torch.autograd.grad(network(x).sum(), x)
    assert slope.flatten().tolist() == [0, 1]  # afterwards it is as before


@pytest.mark.parametrize(
    "asked",
    [{"layer": "stage2", "channels": [1, 5]}, {"layer": "stage1", "channels": [2], "at": "middle"},
     {"layer": "head", "channels": [3]}, {"classes": ["class 7", "class 2"]}],
)  # fmt: skip
def test_a_dream_excites_more_than_noise(asked):
    found = dream(net("lenet5"), steps=24, **asked)
    assert found.pictures.shape == (len(found.reached), 32, 32, 3) and found.pictures.dtype == np.uint8
    assert (found.reached > found.noise).all()


def test_a_neuron_of_one_colour_dreams_of_it():
    """An oracle: what counts red and not blue gets red, whatever the order of the network's channels."""
    both: dict[Literal["RGB", "BGR"], tuple[float, ...]] = {"RGB": (1.0, 0.0, -1.0), "BGR": (-1.0, 0.0, 1.0)}
    for channels, weights in both.items():
        module = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        module[0].weight.data = torch.tensor(weights).reshape(1, 3, 1, 1)
        preprocess = Preprocess((16, 16), None, channels=channels, mean=(0.5,) * 3, std=(0.5,) * 3)
        picture = dream(Subject(module, preprocess, ("red",)), steps=40).pictures[0].reshape(-1, 3).mean(0)
        assert picture[0] > picture[2] + 20


def test_gray_networks_get_gray_pictures():
    found = dream(net("lenet5", input=(28, 28, 1)), classes=["class 0"], steps=4)
    assert found.pictures.shape == (1, 28, 28, 3)
    assert (found.pictures[..., 0] == found.pictures[..., 2]).all()


def test_a_seed_decides():
    first, again, other = (dream(net("lenet5"), classes=["class 1"], steps=6, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.pictures, again.pictures) and np.array_equal(first.reached, again.reached)
    assert not np.array_equal(first.pictures, other.pictures)


def test_the_network_is_as_it_was_also_after_an_exception():
    network = net("lenet5").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    dream(network, classes=["class 1"], steps=2)
    with pytest.raises(StriateError):
        dream(network, size=8, steps=2)
    assert network.training and all(parameter.requires_grad for parameter in network.parameters())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_another_size_where_the_layer_takes_it():
    assert dream(net("lenet5"), layer="stage1", channels=[0], steps=2, size=48).pictures.shape == (1, 48, 48, 3)
    with pytest.raises(
        StriateError, match="pictures of 48×48 do not go through lenet5; its own size, 32×32, would fit"
    ):
        dream(net("lenet5"), steps=2, size=48)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"layer": "stag1"}, "did you mean stage1"),
        ({"classes": ["class 99"]}, "no class is called 'class 99'"),
        ({"layer": "stage1", "channels": [8]}, "stage1 has the channels 0 to 7, but 8 is asked for"),
        ({"channels": [1]}, "channels belong to a layer"),
        ({"layer": "stage1", "classes": ["class 1"]}, "a dream is of classes or of a layer"),
        ({"at": "middle"}, "the middle is that of a layer's maps"),
        ({"at": "edge"}, "no part of a channel is called 'edge'"),
        ({"size": 4}, "8 to 1,024 pixels a side, but 4"),
        ({"steps": 0}, "1 to 10,000 steps, but 0"),
    ],
)
def test_what_cannot_be_painted_is_told(asked, said):
    with pytest.raises((StriateError, UnknownName), match=said):
        dream(net("lenet5"), **asked)


def test_the_sheet(tmp_path, capsys):
    words = ["look", "dream", "lenet5", "--layer", "stage2", "--channel", "0", "3", "--steps", "3"]
    main([*words, "--output", str(tmp_path / "dream.png")])
    told = capsys.readouterr().out
    assert "channel 3" in told and "first ones" in told and "written:" in told
    with Image.open(tmp_path / "dream.png") as sheet:
        assert sheet.width > 900
    assert [path.name for path in tmp_path.iterdir()] == ["dream.png"]


def test_nothing_is_left_of_what_was_interrupted(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Canvas, "view", stop)
    network = net("lenet5")
    with pytest.raises(KeyboardInterrupt):
        dream(network, output=tmp_path / "dream.png", steps=3)
    assert not list(tmp_path.iterdir()) and not any(module._forward_hooks for module in network.modules())
