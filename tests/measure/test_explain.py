"""A shape error is explained with the rule, the numbers, and what would fit."""

import pytest
import torch
from torch import nn

from striate.errors import ShapeError
from striate.measure.shapes import measure

ALEXNET_TAIL = (nn.Conv2d(3, 16, 11, 4), nn.MaxPool2d(3, 2), nn.Conv2d(16, 256, 5, padding=2), nn.MaxPool2d(3, 2))


class Pair(nn.Module):
    """Two branches that do not have one size."""

    def __init__(self, function):
        super().__init__()
        self.left, self.right, self.function = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3, padding=1), function

    def forward(self, x):
        return self.function(self.left(x), self.right(x))


class Whatever(nn.Module):
    """A module whose forward pass is a function."""

    def __init__(self, function):
        super().__init__()
        self.function, self.nothing = function, nn.Identity()

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    ("network", "parts"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 6, 5), nn.Flatten(), nn.Linear(400, 10)),
            ["2: flatten gives 28×28×6 = 4,704, but fc expects 400 values", "Linear(4704, 10) would fit"],
        ),
        (
            nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2400, 10)),
            ["flatten gives 14×14×6 = 1,176, but fc expects 2,400", "or an input of 44×44×3"],
        ),
        (
            nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(600, 10)),
            ["fc expects 600 values", "or an input of 25×25×3"],
        ),
        (
            nn.Sequential(nn.Conv2d(3, 6, 5), nn.Linear(4704, 10)),
            ["a map of 28×28×6 that is not flattened", "a flatten before it would fit"],
        ),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(3072, 20), nn.Linear(10, 10)),
            ["1 gives 20, but fc expects 10 values; Linear(20, 10) would fit"],
        ),
        (
            nn.Sequential(nn.Conv2d(3, 32, 3), nn.Conv2d(64, 8, 3)),
            ["1: the convolution expects 64 channels, but 0 gives 32 (30×30×32); Conv2d(32, 8, …) would fit"],
        ),
        (nn.Sequential(nn.Conv2d(1, 8, 3)), ["expects 1 channels, but the picture gives 3"]),
        (nn.Sequential(nn.Conv2d(3, 4, 3, 8), nn.MaxPool2d(5)), ["1: a window must not be larger", "5 on 4"]),
        (nn.Sequential(nn.Conv2d(3, 4, 33)), ["33 on 32 leaves no output"]),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(8)), ["expects 8 channels, but gets 4"]),
        (nn.Sequential(nn.Flatten(), nn.Conv2d(3, 4, 3)), ["1: Conv2d takes a map", "3072 values in a row"]),
        (Pair(lambda a, b: a + b), ["add needs equal sizes, but left gives 30×30×4 and right gives 32×32×4"]),
        (Pair(lambda a, b: torch.cat([a, b], 1)), ["concat needs equal height and width", "right gives 32×32×4"]),
        (Pair(lambda a, b: a.view(1, 17)), ["a reshape to (1, 17) takes 17 values", "30×30×4 = 3,600"]),
        (Pair(lambda a, b: a.flatten(2) @ b.flatten(2)), ["matrix product"]),
    ],
)
def test_shape_errors(network, parts):
    with pytest.raises(ShapeError) as caught:
        measure(network, (32, 32, 3))
    message = str(caught.value)
    for part in parts:
        assert part in message
    assert "shapes up to there" in message and "32×32×3" in message
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("layer", "parts"),
    [
        (nn.GroupNorm(2, 8), ["1: GroupNorm gets 30×28×4", "weight of shape [8]"]),
        (nn.PReLU(8), ["1: PReLU gets 30×28×4", "parameter numbers = 8"]),
        (nn.LayerNorm(5), ["1: LayerNorm gets 30×28×4", "normalized_shape"]),
        (nn.ReflectionPad2d(40), ["1: ReflectionPad2d gets 30×28×4", "less than the corresponding"]),
        (nn.PixelShuffle(3), ["1: PixelShuffle gets 30×28×4", "upscale_factor = 3"]),
        (nn.InstanceNorm2d(8, affine=True), ["1: InstanceNorm2d gets 30×28×4", "num_features (8), but got: 4"]),
        (nn.Unflatten(1, (3, 3)), ["1: Unflatten gets 30×28×4", "multiply up to the size of dim 1"]),
        (Whatever(lambda x: x.mean(dim=7)), ["mean gets 30×28×4", "but got 7"]),
        (Whatever(lambda x: torch.cat([x, x], 7)), ["cat gets 30×28×4", "but got 7"]),
        (Whatever(lambda x: x.sum((1, 1))), ["sum gets 30×28×4", "duplicate value"]),
    ],
)
def test_what_no_rule_explains_is_said_in_torchs_words(layer, parts):
    with pytest.raises(ShapeError) as caught:
        measure(nn.Sequential(nn.Conv2d(3, 4, 3), layer), (32, 30, 3))
    message = str(caught.value)
    for part in [*parts, "PyTorch says: ", "shapes up to there", "conv 3×3"]:
        assert part in message


def test_an_input_that_fits_does_fit():
    layers = [*ALEXNET_TAIL, nn.Flatten(), nn.Linear(9216, 4096)]
    with pytest.raises(ShapeError, match="Linear\\(6400, 4096\\) would fit") as caught:
        measure(nn.Sequential(*layers, nn.Linear(4096, 10)), (111, 111, 3))
    size = str(caught.value).partition("an input of ")[2].partition("\n")[0]
    height, width, channels = map(int, size.split("×"))
    assert measure(nn.Sequential(*layers), (height, width, channels)).rows[-1].output == (4096,)
    with pytest.raises(ShapeError):
        measure(nn.Sequential(*layers), (height - 1, width - 1, channels))
