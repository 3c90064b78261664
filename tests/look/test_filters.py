"""Filters and features: the weights themselves, compositions of linear layers, maps as the layer puts them out."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from striate.cli import main
from striate.errors import StriateError, UnknownName
from striate.look.features import features
from striate.look.filters import effects, filters
from striate.look.subject import Subject
from striate.nets.build import net
from striate.preprocess import Preprocess

SMALL = Preprocess(size=(16, 16), resize=None)


def linear() -> Subject:
    """Three linear layers, one of them a mean pool."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.AvgPool2d(2), nn.Conv2d(4, 5, 3), nn.Flatten(), nn.Linear(180, 2)
    )
    return Subject(network, SMALL, ("a", "b"))


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
    return path


def test_the_first_filters_are_the_weights_in_red_green_blue():
    who = linear()
    found = filters(who)
    weight = who.network[0].weight.detach().numpy()
    assert found.weights and found.channels == [0, 1, 2, 3]
    np.testing.assert_array_equal(found.maps, weight)
    bgr = Subject(who.network, Preprocess(size=(16, 16), resize=None, channels="BGR"), who.classes)
    np.testing.assert_array_equal(filters(bgr, channels=[2, 0]).maps, weight[[2, 0], ::-1])


def test_filters_of_linear_layers_are_composed():
    """A unit weight through the transposed layers, step by step, is what it sums up of the picture."""
    who = linear()
    first, _, second, *_ = who.network
    maps = filters(who, layer="2").maps
    expected = []
    for channel in range(5):
        back = F.conv_transpose2d(F.one_hot(torch.tensor(channel), 5).float().view(1, 5, 1, 1), second.weight)
        back = F.interpolate(back, scale_factor=2) / 4  # a mean of 2×2 spreads evenly
        expected.append(F.conv_transpose2d(back, first.weight)[0])
    assert maps.shape == (5, 3, 8, 8)
    np.testing.assert_allclose(maps, torch.stack(expected).detach().numpy(), atol=1e-6)


def test_effects_of_a_first_convolution_are_its_weights():
    who = linear()
    np.testing.assert_allclose(effects(who, "0", [1, 3]), filters(who, channels=[1, 3]).maps, atol=1e-6)


def test_effects_are_means_of_gradients_which_are_reverse_correlations():
    """Stein's lemma: the mean gradient over normal noise is the mean of noise weighted by the answers."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(2, 2))
    level = Preprocess(size=(3, 3), resize=None, scale=255, mean=(127.5,) * 3, std=(64.0,) * 3)  # noise of variance 1
    who = Subject(network, level, ("a", "b"))
    weights = torch.randn(400_000, 3, 3, 3, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        answers = network[:2](weights).flatten(1)
    expected = torch.einsum("nc,nijk->cijk", answers, weights) / len(weights)
    np.testing.assert_allclose(effects(who, "1", [0, 1], noises=4000), expected.numpy(), atol=0.02)


def test_a_template_of_a_linear_classifier_is_its_row_of_weights():
    torch.manual_seed(0)
    who = Subject(nn.Sequential(nn.Flatten(), nn.Linear(768, 4)), SMALL, tuple("abcd"))
    found = filters(who, layer="1")
    np.testing.assert_allclose(found.maps, who.network[1].weight.detach().numpy().reshape(4, 3, 16, 16), atol=1e-6)


def test_features_are_what_the_layer_puts_out_strongest_first(picture):
    who = linear()
    found = features(who, picture, layer="2", number=3)
    pixels = who.preprocess.normalised(who.preprocess.read(picture).pixels)
    with torch.no_grad():
        expected = who.network[:3](torch.from_numpy(pixels)[None])[0].numpy()
    np.testing.assert_allclose(found.maps, expected, atol=1e-6)
    assert found.channels == np.argsort(-np.abs(expected).mean((1, 2)))[:3].tolist()
    assert not found.dead
    assert features(who, picture, layer="2", channels=[4, 1]).channels == [4, 1]


def test_dead_channels_are_counted(picture):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(784, 2))
    with torch.no_grad():
        network[0].bias[:] = torch.tensor([-1000.0, 0, -1000, 0])
    found = features(Subject(network, SMALL, ("a", "b")), picture, layer="1")
    assert found.dead == [0, 2]
    assert "2 of 4 channels" in str(found)
    before = features(Subject(network, SMALL, ("a", "b")), picture, layer="0")
    assert before.maps.min() < -900  # the ReLU that writes in place did not reach what is kept


def test_numbers_of_the_last_layer_have_the_names_of_classes(picture, tmp_path):
    found = features(linear(), picture, layer="4", output=tmp_path / "a.png")
    assert {row["class"] for row in found.table.rows} == {"a", "b"}
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.width > 600


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16"])
def test_pictures_of_any_kind_and_size(mode, tmp_path):
    Image.new(mode, (1, 1)).save(tmp_path / "tiny.png")
    assert features(linear(), tmp_path / "tiny.png", output=tmp_path / "a.webp").maps.shape == (4, 16, 16)


def test_sheets_of_all_kinds(picture, tmp_path):
    gray = Subject(
        nn.Sequential(nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(432, 2)),
        Preprocess(size=(16, 16), resize=None, channels="L", mean=(0.5,), std=(0.5,)),
        ("a", "b"),
    )
    filters(gray, output=tmp_path / "gray.png", scale="common")
    filters(linear(), layer="2", output=tmp_path / "deep.png")
    features(gray, picture, output=tmp_path / "maps.jpg")
    for name in ("gray.png", "deep.png", "maps.jpg"):
        with Image.open(tmp_path / name) as sheet:
            assert sheet.mode == "RGB"


def test_mistakes(picture, tmp_path):
    who = linear()
    with pytest.raises(UnknownName, match="no layer of this network is called 'stage9'"):
        filters(net("lenet5"), layer="stage9")
    with pytest.raises(StriateError, match="0 has the channels 0 to 3, but 4 is asked for"):
        filters(who, channels=[1, 4])
    with pytest.raises(StriateError, match="the channels 0 to 4, but -1 is asked for"):
        features(who, picture, layer="2", channels=[-1])
    with pytest.raises(UnknownName, match="scale"):
        filters(who, scale="both")
    with pytest.raises(StriateError, match="filters belong to a convolution"):
        filters(Subject(nn.Sequential(nn.Flatten(), nn.Linear(768, 4)), SMALL, tuple("abcd")))
    with pytest.raises(StriateError, match="1 to 99 maps, but 0"):
        features(who, picture, number=0)
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(StriateError, match=r"no\.png"):
        features(who, tmp_path / "no.png", output=tmp_path / "a.png")
    with pytest.raises(StriateError, match=r"must end in \.png"):
        features(who, picture, output=tmp_path / "a.tiff")
    with pytest.raises(StriateError, match="must not be the file that is read"):
        features(who, picture, output=picture)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["no.png", "noise.png"]


def test_nothing_stays_behind(picture):
    who = linear()
    who.network.train()
    before = {name: value.clone() for name, value in who.network.state_dict().items()}
    filters(who, layer="2")
    features(who, picture)
    assert all(module.training for module in who.network.modules())
    assert not any(module._forward_hooks for module in who.network.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in who.network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in who.network.state_dict().items())


def test_on_the_command_line(picture, tmp_path, capsys):
    main(["look", "filters", "lenet5", "--channels", "3", "5", "--output", str(tmp_path / "a.png"), "--json"])
    assert {row["channel"] for row in json.loads(capsys.readouterr().out)["rows"]} == {3, 5}
    main(["look", "features", "lenet5", str(picture), "--layer", "stage2", "--number", "2", "--csv"])
    assert len(capsys.readouterr().out.splitlines()) == 3
    with pytest.raises(SystemExit) as stop:
        main(["look", "features", "lenet5", str(picture), "--layer", "stage22"])
    assert stop.value.code == 2
    assert "did you mean stage2" in capsys.readouterr().err
