"""The optimiser: what decays, the rates of its groups, and that a saved one goes on bit by bit."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import cross_entropy

from striate.errors import StriateError, UnknownName, WeightsError
from striate.nets.build import net
from striate.nets.modules import ChannelNorm, Scale
from striate.train.learn.optimiser import load_optimiser_tensors, optimiser, optimiser_tensors, set_rate

BOTH = pytest.mark.parametrize("name", ["sgd", "adamw"])
TEXT = "conv 3x3x4 p1, bn, relu, conv 3x3x8 g4 nobias, relu, globalpool, flatten, fc 5"


def made(name="sgd", seed=0, layout=torch.channels_last, **more):
    network = net(TEXT, input="9x9x3", seed=seed).to(memory_format=layout)
    return network, optimiser(network, name, **{"rate": 0.1, "weight_decay": 0.01} | more)


def train(network, optimiser, steps: range) -> None:
    for step in steps:
        random = torch.manual_seed(step)
        pixels = torch.randn(6, 3, 9, 9, generator=random).to(memory_format=torch.channels_last)
        set_rate(optimiser, 1 / (step + 1))
        optimiser.zero_grad()
        cross_entropy(network(pixels), torch.randint(5, (6,), generator=random)).backward()
        optimiser.step()


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    assert ours.keys() == theirs.keys()
    return all(torch.equal(ours[name], theirs[name]) and ours[name].dtype == theirs[name].dtype for name in ours)


def names(network, group) -> set[str]:
    of = {parameter: name for name, parameter in network.named_parameters()}
    return {of[parameter] for parameter in group["params"]}


@BOTH
def test_weights_decay_while_biases_and_factors_of_normalisation_do_not(name):
    network, adam = made(name)
    weights, others = adam.param_groups
    assert (weights["weight_decay"], others["weight_decay"]) == (0.01, 0)
    assert all(parameter.ndim > 1 for parameter in weights["params"])
    assert len(weights["params"]) == 3
    assert names(network, weights) | names(network, others) == {name for name, _ in network.named_parameters()}
    assert all(group["fused"] for group in adam.param_groups)


def test_layers_without_decay_whatever_their_shape():
    network = nn.Sequential(
        ChannelNorm(3), Scale(3, 1.0), nn.LayerNorm([3, 4, 5]), nn.RMSNorm([4, 5]), nn.Conv2d(3, 2, 1)
    )
    weights, others = optimiser(network, "adamw", 1.0, 0.1).param_groups
    assert names(network, weights) == {"4.weight"}
    assert len(others["params"]) == 7


def test_frozen_parameters_are_left_out_and_shared_ones_come_once():
    network = net("stem: conv 3x3x4 nobias, relu head: globalpool, flatten, fc 5", input="9x9x3").freeze("stem")
    groups = optimiser(network, "sgd", 0.1, 0.01).param_groups
    assert [names(network, group) for group in groups] == [{"head.2.weight"}, {"head.2.bias"}]
    layer = nn.Linear(3, 3, bias=False)
    (group,) = optimiser(nn.Sequential(layer, layer), "sgd", 0.1, 0.01).param_groups
    assert len(group["params"]) == 1
    with pytest.raises(StriateError, match="all of this one's are frozen; thaw a stage"):
        optimiser(network.freeze("head"), "sgd", 0.1, 0.01)
    with pytest.raises(UnknownName, match="no optimizer is called 'sdg'; did you mean sgd"):
        optimiser(layer, "sdg", 0.1, 0.01)  # type: ignore


def test_a_rate_is_a_share_of_each_groups_peak():
    _, sgd = made()
    sgd.param_groups[1]["peak"] = 0.02
    for _ in range(2):  # it does not pile up
        set_rate(sgd, 0.5)
        assert [group["lr"] for group in sgd.param_groups] == [0.05, 0.01]


def test_steps_follow_the_formulas():
    for name in ("sgd", "adamw"):
        layer = nn.Linear(2, 1, bias=False, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(start := torch.tensor([[1.0, -2.0]], dtype=torch.float64))
        made = optimiser(layer, name, 0.1, 0.5)  # type: ignore
        set_rate(made, 0.5)
        slope = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
        layer.weight.grad = slope.clone()
        made.step()
        if name == "sgd":  # Nesterov: the gradient and 0.9 of the momentum, which is the gradient at first
            expected = start - 0.05 * 1.9 * (slope + 0.5 * start)
        else:  # a first step of size 1 along each sign, and decay apart from it
            expected = start * (1 - 0.05 * 0.5) - 0.05 * slope.sign()
        torch.testing.assert_close(layer.weight.detach(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("before", [0, 1, 3])
@BOTH
def test_a_saved_optimiser_goes_on_bit_by_bit(name, before, layout, tmp_path):
    network, whole = made(name, layout=layout)
    train(network, whole, range(before))
    state = {place: tensor.clone() for place, tensor in network.state_dict().items()}
    save_file(optimiser_tensors(whole), tmp_path / "optimiser.safetensors")
    train(network, whole, range(before, 6))

    other, resumed = made(name, seed=1, layout=layout)
    train(other, resumed, range(2))  # whatever it remembers is forgotten
    other.load_state_dict(state)
    stored = load_file(tmp_path / "optimiser.safetensors")
    load_optimiser_tensors(resumed, stored | {"average.0.weight": torch.ones(1)})  # others in the file are no matter
    assert same(optimiser_tensors(resumed), stored)
    train(other, resumed, range(before, 6))
    assert same(network.state_dict(), other.state_dict())
    assert same(optimiser_tensors(whole), optimiser_tensors(resumed))


def test_names_in_the_file():
    network, adam = made("adamw")
    assert optimiser_tensors(adam) == {}
    train(network, adam, range(2))
    tensors = optimiser_tensors(adam)
    count = len(list(network.parameters()))
    assert set(tensors) == {f"optimiser.{n}.{kind}" for n in range(count) for kind in ("exp_avg", "exp_avg_sq", "step")}
    assert tensors["optimiser.0.step"].item() == 2
    assert set(optimiser_tensors(made("sgd")[1])) == {f"optimiser.{n}.momentum_buffer" for n in range(count)}
    assert optimiser_tensors(made("sgd", momentum=0)[1]) == {}


def test_a_first_step_that_overflows_leaves_no_trace():
    """Fused SGD leaves its momentum unset when a gradient scaler has it skip the very first step."""
    network, sgd = made()
    train(network, sgd, range(3))
    other, skipping = made()
    filled = [torch.full_like(parameter, 1e30) for parameter in other.parameters() for _ in range(8)]
    del filled  # memory that was used before
    scaler = torch.amp.GradScaler("cpu")
    for parameter in other.parameters():
        parameter.grad = torch.full_like(parameter, float("inf"))
    scaler.scale(torch.ones(()))  # as before a backward pass
    scaler.step(skipping)
    train(other, skipping, range(3))
    assert same(dict(network.named_parameters()), dict(other.named_parameters()))


def test_another_optimisers_state_is_refused():
    network, adam = made("adamw")
    train(network, adam, range(1))
    tensors = optimiser_tensors(adam)
    cases = {
        "keeps exp_avg, exp_avg_sq, step of each, but has no use for optimiser.0.momentum_buffer": optimiser_tensors(
            made("sgd")[1]
        ),
        "optimiser.2.step is missing": {name: t for name, t in tensors.items() if name != "optimiser.2.step"},
        "has no use for optimiser.0.max": tensors | {"optimiser.0.max": torch.ones(1)},
        "has no use for optimiser.99.exp_avg;": tensors
        | {f"optimiser.99.{k}": torch.ones(1) for k in ("exp_avg", "exp_avg_sq", "step")},
        r"exp_avg has to be torch.float32 of shape \(4, 3, 3, 3\), but is torch.float32 of shape \(3,\)": tensors
        | {"optimiser.0.exp_avg": torch.ones(3)},
        "step has to be torch.float32": tensors | {"optimiser.0.step": torch.tensor(1)},
    }
    for sentence, wrong in cases.items():
        with pytest.raises(WeightsError, match=sentence):
            load_optimiser_tensors(adam, wrong)
        assert same(optimiser_tensors(adam), tensors)  # refused as a whole
