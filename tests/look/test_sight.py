"""What positions see and what excites them, against slow direct ways."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from striate.cli import app, main
from striate.data.dataset import Dataset
from striate.errors import DataError, StriateError
from striate.look.exciting import exciting
from striate.look.photo import Photo
from striate.look.seeing import field, gradient_heat, holding
from striate.look.sight import Box, box, is_global, traces
from striate.look.subject import Subject
from striate.nets.build import net
from striate.preprocess import Preprocess
from striate.train.parts import Parts
from striate.train.run import Run

SMALL = Preprocess(size=(16, 16), resize=None)


def convolving() -> Subject:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, padding=1),
        nn.Dropout(), nn.Flatten(), nn.Linear(320, 3),
    )  # fmt: skip
    return Subject(network, SMALL, ("a", "b", "c"))


@pytest.fixture
def pictures(tmp_path):
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            height, width = random.integers(12, 40, 2)
            pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        ("vgg16", "stage5", 212),
        ("resnet50", "stage4", 427),
        ("resnet18", "stage4", 435),
        ("googlenet", "stage5", 715),
        ("mobilenet_v2", "stage7", 491),
    ],
)
def test_fields_of_the_papers(name, layer, size):
    with torch.device("meta"):
        network = net(name)
    found = traces(network, (3, 224, 224))
    paths = [path for path, trace in found.items() if trace.sights and all(sight.field for sight in trace.sights)]
    path = layer if layer in found else paths[-1]
    assert box(found[path], (3, 3), (3, 224, 224), path).size == (size, size)


def test_squeeze_and_excite_sees_the_whole_picture():
    with torch.device("meta"):
        found = traces(net("efficientnet_b0"), (3, 224, 224))
    assert is_global(found["stage1"].sights)
    assert not is_global(found["stem"].sights)


def test_layers_without_operations_of_their_own_see_what_came_before():
    who = convolving()
    found = traces(who.network, who.input)
    assert found["4"].sights == found["3"].sights
    assert not any(module._forward_hooks for module in who.network.modules())


def test_a_box_holds_all_pixels_that_matter_and_no_more():
    """Every single pixel is changed, for every position: the box's edges are where something happens."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.AvgPool2d(2), nn.Conv2d(2, 2, 3, padding=1)).double()
    trace = traces(network, (3, 12, 12))["2"]
    still = torch.zeros(1, 3, 12, 12, dtype=torch.float64)
    changed = still.expand(144, -1, -1, -1).clone()
    changed[range(144), :, [n // 12 for n in range(144)], [n % 12 for n in range(144)]] = 1
    with torch.no_grad():
        moved = (network(changed) != network(still)).any(1).reshape(12, 12, 6, 6).numpy()
    for row, column in ((0, 0), (2, 3), (5, 5)):
        there = box(trace, (row, column), (3, 12, 12), "2").clipped(12, 12)
        rows, columns = moved[:, :, row, column].nonzero()
        assert there == Box(rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)


def test_heat_is_the_gradient_of_a_single_channel():
    torch.manual_seed(0)
    who = Subject(nn.Sequential(nn.Conv2d(3, 1, 5, padding=2), nn.Flatten(), nn.Linear(256, 2)), SMALL, ("a", "b"))
    heat = gradient_heat(who, "0", (7, 8), None)
    expected = np.zeros((16, 16))
    expected[5:10, 6:11] = who.network[0].weight.detach().abs().sum((0, 1)).numpy()
    np.testing.assert_allclose(heat, expected / expected.sum(), atol=1e-7)


def test_heat_is_the_length_of_all_channels_gradients():
    """Thirty-two mixtures are near to what a pass for each channel gives, colour by colour."""
    who = convolving()
    leaf = torch.zeros(1, 3, 16, 16, requires_grad=True)
    who.network.eval()
    out = who.network[:4](leaf)[0, :, 4, 4]
    each = torch.stack(
        [torch.autograd.grad(one, leaf, retain_graph=True)[0][0] for one in out]
    )  # (channels, 3, 16, 16)
    expected = each.square().sum(0).sqrt().sum(0).numpy()
    shown = Photo("a", np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8), leaf.detach(), (0, 1, 0, 1))
    heat = gradient_heat(who, "3", (4, 4), shown)
    assert not heat[expected == 0].any()
    assert np.abs(heat - expected / expected.sum()).sum() < 0.2


def test_the_smallest_square():
    heat = np.full((21, 21), 1 / 441)
    for share in (0.1, 0.5, 0.95, 1.0):
        there, side = holding(heat, (10.5, 10.5), share)
        inside = heat[there.top : there.bottom, there.left : there.right].sum()
        assert inside >= share - 1e-9
        assert there.size == (side, side)
        smaller = heat[there.top + 1 : there.bottom - 1, there.left + 1 : there.right - 1].sum()
        assert smaller < share
    point = np.zeros((8, 8))
    point[0, 7] = 1
    assert holding(point, (4.0, 4.0))[0] == Box(0, 8, 0, 8)
    point[:] = 0
    point[3, 4] = 1
    assert holding(point, (3.5, 4.5)) == (Box(3, 4, 4, 5), 1)


def test_field_as_a_sheet_on_a_picture_and_on_noise(tmp_path, pictures):
    who = convolving()
    for number, picture in enumerate((pictures / "cat" / "0.png", None)):
        found = field(who, picture, layer="3", at=(0, 7), output=tmp_path / f"{number}.png")
        assert found.theoretical.size == (8, 8)
        assert found.theoretical == Box(-3, 5, 11, 19)
        assert 0 < found.side <= 16
        assert found.heat.sum() == pytest.approx(1)
        assert (tmp_path / f"{number}.png").exists()


def slow_strongest(who: Subject, data: Dataset, layer: int, channel: int) -> list[tuple[float, str, int, int]]:
    found = []
    who.network.eval()
    for place, name in enumerate(data.names):
        pixels = who.preprocess.pixels(data.picture(place).pixels)
        with torch.no_grad():
            maps = who.network[: layer + 1](torch.from_numpy(who.preprocess.normalised(pixels))[None])[0, channel]
        row, column = np.unravel_index(int(maps.argmax()), maps.shape)
        found.append((float(maps.max()), name, int(row), int(column)))
    return sorted(found, key=lambda one: -one[0])


def test_the_strongest_are_those_of_a_slow_search(pictures, tmp_path):
    who, data = convolving(), Dataset.open(pictures)
    found = exciting(who, pictures, layer="3", channels=[4, 0], number=5, output=tmp_path / "sheet.png")
    assert list(found.found) == [4, 0]
    for channel, tops in found.found.items():
        expected = slow_strongest(who, data, 3, channel)[:5]
        assert [(one.name, *one.position) for one in tops] == [tuple(one[1:]) for one in expected]
        np.testing.assert_allclose([one.value for one in tops], [one[0] for one in expected], rtol=1e-5)
    first = found.found[4][0]
    top, bottom, left, right = first.part
    whole = data.picture(first.place).pixels
    np.testing.assert_array_equal(first.patch, whole[top:bottom, left:right])
    assert (tmp_path / "sheet.png").exists()


def test_patches_lie_where_the_pixels_are(tmp_path):
    """One bright spot on a wide picture: the patch that excites holds it."""
    (tmp_path / "a").mkdir()
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[4:8, 40:44] = 255
    Image.fromarray(pixels).save(tmp_path / "a" / "spot.png")
    Image.fromarray(pixels * 0).save(tmp_path / "a" / "dark.png")
    network = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1), nn.Flatten(), nn.Linear(256, 1))
    nn.init.constant_(network[0].weight, 1.0)
    found = exciting(Subject(network, SMALL, ("a",)), Dataset.open(tmp_path), channels=[0], layer="0", number=1)
    (one,) = found.found[0]
    assert one.name == "a/spot.png"
    top, bottom, left, right = one.part
    assert top <= 4 < 8 <= bottom and left <= 40 < 44 <= right
    assert bottom - top <= 6 and right - left <= 6  # three of the input's pixels, each two of the picture's


def test_mistakes(pictures, tmp_path):
    who = convolving()
    with pytest.raises(DataError, match="only a run has pictures of its own"):
        exciting(who)
    with pytest.raises(StriateError, match="3 has the channels 0 to 4, but 9 is asked for"):
        exciting(who, pictures, layer="3", channels=[9])
    with pytest.raises(StriateError, match="maps need a layer with several positions, but 6 puts out 3 numbers"):
        exciting(who, pictures, layer="6")
    with pytest.raises(StriateError, match="1 to 100 pictures"):
        exciting(who, pictures, number=0)
    with pytest.raises(StriateError, match="rows 0 to 7 and the columns 0 to 7, but 8,0 is asked for"):
        field(who, layer="3", at=(8, 0))
    with pytest.raises(StriateError, match="row,column counted from 0"):
        app(["look", "field", "lenet5", "--at", "3"])
    assert not any(module._forward_hooks for module in who.network.modules())
    assert all(parameter.requires_grad for parameter in who.network.parameters())


def test_a_run_shows_its_own_validation_or_asks_for_pictures(pictures, tmp_path, monkeypatch):
    data = Dataset.open(pictures)
    network = net("conv 3x3x4 p1, relu, maxpool 2, fc 2", input="16x16x3", classes=data.classes)
    run = Run(tmp_path / "some run", {"data": {"several": False}}, data.classes, SMALL)
    monkeypatch.setattr(Run, "net", lambda self: network)
    monkeypatch.setattr(Run, "parts", lambda self: Parts(data["train"], data["val"], None, 0))
    found = exciting(run, number=3)
    assert {one.name for tops in found.found.values() for one in tops} <= set(data["val"].names)
    monkeypatch.setattr(Run, "parts", lambda self: Parts(data["train"], None, None, 0))
    with pytest.raises(DataError, match="some run held out no validation pictures; name some: striate look exciting"):
        exciting(run)


def test_a_position_at_rest_is_told():
    who = convolving()
    nn.init.constant_(who.network[0].bias, -1000.0)
    with pytest.raises(StriateError, match="all of its channels are at rest"):
        field(who, layer="3")


def test_bad_pictures_are_skipped_or_told(pictures):
    (pictures / "cat" / "0.png").write_bytes(b"broken")
    with pytest.raises(StriateError, match=r"0\.png"):
        exciting(convolving(), Dataset.open(pictures, on_bad="skip"), layer="3")
    data = Dataset.open(pictures, on_bad="skip")
    found = exciting(convolving(), data, layer="3", on_bad="skip", number=2)
    assert all(one.name != "cat/0.png" for tops in found.found.values() for one in tops)


def test_on_the_command_line(pictures, tmp_path, capsys):
    words = ["look", "exciting", "lenet5", str(pictures), "--layer", "stage2", "--channel", "3", "--number", "2"]
    main([*words, "--json", "-o", str(tmp_path / "a.png")])
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["rank"] for row in rows] == [1, 2] and (tmp_path / "a.png").exists()
    main(["look", "field", "lenet5", "--layer", "stage2", "--at", "1,1", "--csv"])
    assert ",16," in capsys.readouterr().out
