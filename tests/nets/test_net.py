"""Net: freezing, new heads, parts, taps, and that first weights have an address."""

import copy

import pytest
import torch
from torch import nn

from striate.errors import StriateError, UnknownName
from striate.nets.build import net

TEXT = "stem: conv 3x3x4, bn, relu; stage1: conv 3x3x4, bn, relu, dropout 0.5; head: globalpool, flatten, fc 3"


@pytest.fixture
def small():
    return net(TEXT, input="9x9x3")


def test_frozen_stages_keep_weights_and_statistics_still(small):
    small.freeze("stem").train()
    before = copy.deepcopy(small.state_dict())
    small(torch.randn(8, 3, 9, 9)).square().sum().backward()
    with torch.no_grad():
        for p in small.parameters():
            if p.grad is not None:
                p -= p.grad
    changed = {name for name, value in small.state_dict().items() if not torch.equal(value, before[name])}
    assert not any(name.startswith("stem") for name in changed)
    assert {"stage1.1.running_mean", "stage1.0.weight", "head.2.weight"} <= changed


def test_thawing_lets_everything_move_again(small):
    small.freeze("stage1").train()
    assert [p.requires_grad for p in small.parameters()] == [False] * 8 + [True] * 2
    assert not small["stage1"].training
    small.freeze(None)
    assert all(p.requires_grad for p in small.parameters())
    assert small["stage1"].training
    with pytest.raises(UnknownName, match="no stage is called 'stage2'; did you mean stage1"):
        small.freeze("stage2")


def test_freezing_survives_a_copy(small):
    other = copy.deepcopy(small.freeze("stem")).train()
    assert not other["stem"].training
    assert other["stage1"].training


def test_a_new_head_leaves_the_old_network_alone(small):
    before = copy.deepcopy(small.state_dict())
    other = small.with_head(7)
    assert other(torch.zeros(2, 3, 9, 9)).shape == (2, 7)
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    same = {name for name, value in other.state_dict().items() if name in before and value.shape == before[name].shape}
    assert set(before) - same == {"head.2.weight", "head.2.bias"}
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), small.with_head(7).parameters(), strict=True))
    with pytest.raises(StriateError, match="at least 1 class, but 0"):
        small.with_head(0)


def test_new_heads_of_every_form():
    with torch.device("meta"):
        for name in ("nin", "googlenet(auxiliary)", "vgg11", "mobilenet_v2"):
            other = net(name).with_head(6)
            assert sum(p.shape[0] == 6 for p in other.parameters()) in (2, 6)
            assert not any(p.shape[0] == 1000 for p in other.parameters())


def test_only_the_layer_that_names_classes_is_resized():
    side = net("googlenet(auxiliary)", input="224x224x3").with_head(5)
    early, late = (head.body[-1].weight for head in side.side_heads)
    assert not torch.equal(early, late)
    same = net("googlenet(auxiliary)", input="224x224x3", classes=5)
    assert torch.equal(early, same.side_heads[0].body[-1].weight)
    for text in (
        "[conv 1x1x4 | conv 1x1x6], globalpool, flatten",
        "(conv 3x3x8 p1 | conv 1x1x8)+, globalpool, flatten",
        "conv 3x3x10, bn, relu, globalpool, flatten",
        "conv 3x3x9 g3, globalpool, flatten",
    ):
        with pytest.raises(StriateError, match=r"classes are the outputs of fc, .* end it with globalpool and fc"):
            net(text, input="32x32x3", classes=5)


def test_a_part_leaves_the_whole_as_it_is(small):
    small.freeze("stem").train()
    part = small[:-1]
    assert [stage.training for stage in small] == [False, True, True]
    assert part.training
    assert part.frozen == "stem"
    assert not part.train()["stem"].training


def test_side_heads_keep_nothing_between_passes():
    text = "stem: conv 3x3x4, relu, aux (globalpool, fc 3); head: globalpool, fc 3"
    built = net(text, input="9x9x3").train()
    built["stem"](torch.zeros(2, 3, 9, 9))  # a stage alone: nobody collects
    assert isinstance(copy.deepcopy(built)(torch.zeros(2, 3, 9, 9)), tuple)
    with pytest.raises(RuntimeError):
        built(torch.zeros(2, 5, 9, 9))
    assert built.side_heads[0].collected is None
    assert isinstance(built.freeze("stem")(torch.zeros(7, 3, 9, 9)), torch.Tensor)


def test_a_dropped_path_may_be_a_vector():
    built = net("fc 8, relu, (fc 8, droppath 0.5)+, fc 3", input="2x2x1")
    assert built.train()(torch.zeros(5, 1, 2, 2)).shape == (5, 3)


def test_a_part_of_a_network_is_a_network(small):
    small.eval()
    backbone = small[:-1]
    x = torch.randn(2, 3, 9, 9)
    assert backbone.input == small.input
    assert torch.equal(small["head"](backbone(x)), small(x))
    assert small[1:].input is None
    assert [name for name, _ in small[1:].named_children()] == ["stage1", "head"]


def test_taps_see_what_passes_and_leave_nothing_behind(small):
    small.eval()
    x = torch.randn(2, 3, 9, 9)
    with small.tap("stem", "stage1.0") as seen:
        small(x)
    assert torch.equal(seen["stem"], small["stem"](x))
    assert torch.equal(seen["stage1.0"], small["stage1"][0](small["stem"](x)))
    with pytest.raises(RuntimeError), small.tap("stem"):
        small(torch.randn(2, 5, 9, 9))
    with pytest.raises(UnknownName, match=r"'stage1\.9'; did you mean stage1"):
        small.tap("stage1.9").__enter__()
    assert not any(m._forward_hooks for m in small.modules())


def test_no_activation_overwrites_what_a_tap_keeps():
    for name in ("resnet18", "vgg11_bn", "mobilenet_v2", "efficientnet_b0", "convnext_tiny", "googlenet"):
        with torch.device("meta"):
            assert not any(getattr(m, "inplace", False) for m in net(name).modules())


def test_first_weights_depend_on_seed_and_path_alone(small):
    again = net(TEXT, input="9x9x3")
    assert all(torch.equal(a, b) for a, b in zip(small.parameters(), again.parameters(), strict=True))
    other = net(TEXT, input="9x9x3", seed=1)
    assert not torch.equal(small["stem"][0].weight, other["stem"][0].weight)
    # another head or a longer network changes no layer before it
    longer = net(TEXT.replace("; head", ", conv 1x1x5; head"), input="9x9x3", classes=6)
    assert torch.equal(small["stage1"][0].weight, longer["stage1"][0].weight)


def test_first_weights_keep_the_size_of_signals():
    torch.manual_seed(0)
    deep = net("conv 3x3x32 p1, relu, " * 12 + "globalpool, flatten, fc 9", input="16x16x3").eval()
    with torch.no_grad(), deep.tap("stage1") as seen:
        deep(torch.randn(4, 3, 16, 16))
    assert 0.02 < seen["stage1"].square().mean() < 10


def test_building_touches_no_global_random_state():
    state = torch.get_rng_state()
    net("lenet5")
    assert torch.equal(torch.get_rng_state(), state)


def test_class_names_are_kept(small):
    named = net("lenet5", classes=["cat", "dog"])
    assert named.classes == ("cat", "dog")
    assert named(torch.zeros(1, 3, 32, 32)).shape == (1, 2)


def test_meta_and_other_devices_are_respected():
    with torch.device("meta"):
        assert all(p.is_meta for p in net("vgg16").parameters())
    assert not any(p.is_meta for p in net("lenet5").parameters())
    assert isinstance(net("lenet5"), nn.Sequential)
