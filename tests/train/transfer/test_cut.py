"""A cut network is the same network, and only its rest learns."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from striate.errors import StriateError, UnknownName
from striate.nets.build import net
from striate.nets.net import Net
from striate.preprocess import Preprocess
from striate.train.transfer.cut import Pooled, cut, stage_rates, thawing

FAMILIES = {  # each with the smallest input that is not too small for it
    "lenet5": "32x32x3",
    "alexnet": "67x67x3",
    "nin": "67x67x3",
    "vgg11_bn": "32x32x3",
    "googlenet": "64x64x3",
    "googlenet_torchvision(auxiliary)": "64x64x3",
    "resnet18": "32x32x3",
    "resnet20": "32x32x3",
    "mobilenet_v1": "32x32x3",
    "mobilenet_v2": "32x32x3",
    "efficientnet_b0": "32x32x3",
    "convnext_tiny": "32x32x3",
}
SMALL = "conv 3x3x4 p1 nobias, bn, relu, maxpool 2, conv 3x3x8 p1, bn, relu, maxpool 2, dropout 0.5, fc 5"


@pytest.fixture(scope="module", params=FAMILIES)
def network(request) -> Net:
    """A network of each family, whose batch normalisation has statistics of its own."""
    built = net(request.param, input=FAMILIES[request.param], classes=5)
    generator = torch.Generator().manual_seed(1)
    for name, buffer in built.named_buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5 * name.endswith("var"))
    return built


def pictures(built: Net, batch: int = 2) -> torch.Tensor:
    height, width, channels = built.input or (0, 0, 0)
    return torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(0))


def depths(network: Net) -> list[str]:
    """All that can be frozen."""
    names = list(network._modules)
    last = max(place for place, name in enumerate(names) if any(True for _ in network[name].parameters()))
    return ["all", *names[:last]]


def test_front_and_rest_are_the_network(network):
    x = pictures(network)
    with torch.no_grad():
        expected = network.eval()(x)
        for depth in depths(network):
            halves = cut(network, depth)
            assert torch.equal(halves.rest(halves.front(x)), expected), depth
            held = {id(p) for part in (halves.front, halves.rest) for p in part.parameters()}
            side = {id(p) for head in network.side_heads for p in head.parameters()}
            assert held | side == {id(p) for p in network.parameters()}
            assert not {id(p) for p in halves.front.parameters()} & {id(p) for p in halves.rest.parameters()}
    network.freeze(None)


def test_stages_are_pooled_beside_the_features(network):
    x = pictures(network)
    halves = cut(network, "all")
    with torch.no_grad(), network.eval().tap(*halves.stages) as seen:
        network(x)
        both = Pooled(halves)
        features, *pooled = both(x)
    assert torch.equal(features, halves.front(x))
    assert both.stages == halves.stages
    for name, mean in zip(both.stages, pooled, strict=True):
        torch.testing.assert_close(mean, seen[name].flatten(2).mean(2) if seen[name].dim() == 4 else seen[name])
    network.freeze(None)


@pytest.mark.parametrize(
    ("name", "front", "rest", "linear"),
    [
        ("resnet18", "head", ["head.2"], True),  # flatten belongs to the front
        ("googlenet", "head", ["head.2", "head.3"], True),  # dropout does not
        ("convnext_tiny", "head", ["head.3"], True),  # the normalisation before the last layer is frozen, too
        ("vgg11", "head", ["head.2", "head.3", "head.4", "head.5", "head.6", "head.7", "head.8"], False),
        ("nin", "stage4", ["stage4.4", "stage4.5", "head.0", "head.1"], False),
    ],
)
def test_all_is_everything_that_names_no_classes(name, front, rest, linear):
    with torch.device("meta"):
        halves = cut(net(name), "all")
    assert list(halves.front._modules)[-1] == front
    assert [path for path, module in halves.rest.named_modules() if path.count(".") == 1] == rest
    assert (halves.linear is not None) == linear


def test_a_pool_that_follows_joins_the_front():
    halves = cut(net("googlenet", input="64x64x3"), "stage3")
    assert halves.front(torch.zeros(1, 3, 64, 64)).shape == (1, 480, 4, 4)  # 8×8 before the pool of stage4
    assert halves.stages == ("stem", "stage2", "stage3")
    with torch.device("meta"):
        assert list(dict(cut(net("resnet18"), "stage4").front.named_children())["head"]._modules) == ["0", "1"]


class Noise(nn.Module):
    """A module that nobody here knows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x) * self.training


@pytest.mark.parametrize("random", ["dropout 0.5", Noise()])
def test_what_is_random_or_unknown_learns_with_the_rest(random):
    halves = cut(net(["conv 3x3x4, maxpool 2", random, "globalpool, flatten, fc 2"], input="8x8x3"), "stage1")
    assert halves.front(torch.zeros(1, 3, 8, 8)).shape == (1, 4, 3, 3)
    assert any(isinstance(module, nn.Dropout | Noise) for module in halves.rest.modules())


def test_a_1x1_convolution_may_be_the_linear_rest():
    halves = cut(net("conv 3x3x4, relu, globalpool, dropout 0.1, conv 1x1x5, flatten", input="8x8x3"), "all")
    assert halves.linear is not None
    assert tuple(halves.linear.weight.shape) == (5, 4, 1, 1)


@pytest.mark.parametrize("depth", ["all", "stage1"])
def test_statistics_and_weights_of_the_front_do_not_move(depth):
    built = net(SMALL, input="16x16x3").train()
    halves = cut(built, depth)
    before = {name: value.clone() for name, value in halves.front.state_dict().items()}
    learning = [p for p in built.parameters() if p.requires_grad]
    assert {id(p) for p in learning} == {id(p) for p in halves.rest.parameters()}
    optimiser = torch.optim.SGD(learning, 0.1)
    halves.front.train()
    halves.rest.train()
    built.train()  # a part that is frozen stays as it is, whatever is called
    weights = [p.clone() for p in learning]
    halves.rest(halves.front(pictures(built, 4))).square().sum().backward()
    optimiser.step()
    for name, value in halves.front.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(torch.equal(p, was) for p, was in zip(learning, weights, strict=True) if p.grad.any())
    joined = halves.joined().eval()
    assert all(p.requires_grad for p in joined.parameters())
    halves.rest.eval()
    assert torch.equal(joined(pictures(built)), halves.rest(halves.front(pictures(built))))


def test_names_of_the_rest_are_those_of_the_network():
    built = net("googlenet_torchvision", input="64x64x3")
    rest = cut(built, "stage4").rest.state_dict()
    assert {name: value.data_ptr() for name, value in rest.items()}.items() <= {
        name: value.data_ptr() for name, value in built.state_dict().items()
    }.items()


def test_parts_know_what_they_take_and_give():
    built = net("lenet5", classes=["one", "two"])
    built.preprocess = Preprocess(size=(32, 32), resize=None)
    halves = cut(built, "stage2")
    assert (halves.front.input, halves.front.preprocess) == ((32, 32, 3), built.preprocess)
    assert halves.rest.classes == ("one", "two")


def test_side_heads_are_dropped_from_the_front_and_kept_in_the_rest():
    built = net("googlenet(auxiliary)", input="96x96x3", classes=5)
    halves = cut(built, "stage4")
    assert halves.front.side_heads == []
    assert halves.notes == ("side heads do not learn where what they hang on is frozen: stage4.2, stage4.6",)
    halves = cut(built, "stage3")
    assert halves.notes == ()
    halves.rest.train()
    assert len(halves.rest(halves.front(pictures(built)))) == 3


@pytest.mark.parametrize(
    ("depth", "kind", "words"),
    [
        ("none", StriateError, "all, or stage1, stage2 would do"),
        ("stage9", UnknownName, "did you mean stage2"),
        ("head", StriateError, "behind head are no weights; all, or stage1, stage2 would do"),
    ],
)
def test_what_cannot_be_frozen_is_told(depth, kind, words):
    with pytest.raises(kind, match=words):
        cut(net("lenet5"), depth)


def test_a_network_of_one_layer_has_no_front():
    with pytest.raises(StriateError, match="nothing comes before"):
        cut(net("conv 8x8x5", input="8x8x3"), "all")


def test_earlier_stages_have_smaller_rates():
    with torch.device("meta"):
        built = net("resnet18")
    rates = stage_rates(built, 0.4, 0.5)
    assert rates == {"stem": 0.0125, "stage1": 0.025, "stage2": 0.05, "stage3": 0.1, "stage4": 0.2, "head": 0.4}
    assert stage_rates(built.freeze("stage3"), 0.4) == {"stage4": 0.2, "head": 0.4}
    with pytest.raises(StriateError, match="share"):
        stage_rates(built, 0.4, 2)


@given(epochs=st.integers(1, 40), name=st.sampled_from(["lenet5", "nin", "resnet18"]))
def test_stages_thaw_one_after_the_other(epochs, name):
    with torch.device("meta"):
        built = net(name)
    order = [*built._modules, None]
    told = thawing(built, epochs)
    places = [order.index(None) - order.index(upto) if upto else order.index(None) for upto in told]
    assert len(told) == epochs
    assert places == sorted(places)
    learning = [stage for stage, part in built.named_children() if any(True for _ in part.parameters())]
    assert told[0] == learning[-2]
    assert epochs == 1 or told[-1] is None
    if epochs >= len(learning):
        assert set(told) == {*learning[:-1], None}
        counts = [told.count(upto) for upto in set(told)]
        assert max(counts) - min(counts) <= 1
