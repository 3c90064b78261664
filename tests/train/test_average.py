"""The moving average by its closed form, and that a network comes back from it as it was."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from striate.errors import WeightsError
from striate.nets.build import net
from striate.train.learn.average import Average


class Number(nn.Module):
    """One parameter and one buffer in float64, and a whole number."""

    def __init__(self, value: float):
        super().__init__()
        self.weight = nn.Parameter(torch.full((2,), value, dtype=torch.float64))
        self.register_buffer("still", torch.full((3,), value, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(0))

    def become(self, value: float) -> None:
        with torch.no_grad():
            for tensor in self.state_dict().values():
                tensor.fill_(value)


def small(seed: int = 0, **more):
    network = net("conv 3x3x4, bn, relu, globalpool, flatten, fc 5", input="9x9x3", seed=seed, **more)
    return network.to(memory_format=torch.channels_last)


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_values_follow_the_closed_form():
    network = Number(1.0)
    average, expected = Average(network, decay=0.5), 1.0
    for step in range(12):
        network.become(value := float(step % 4 - 7))
        average.update(step)
        kept = min(0.5, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * value
        values = average.tensors()
        for name in ("weight", "still"):
            torch.testing.assert_close(values[name], torch.full_like(values[name], expected), rtol=1e-14, atol=0)
        assert values["count"] == int(value)  # not averaged


def test_a_constant_decay_forgets_as_a_power():
    network = Number(0.0)
    average = Average(network, decay=0.9)
    network.become(1.0)
    for step in range(100, 120):  # the decay is at its height: 101/110 > 0.9
        average.update(step)
    torch.testing.assert_close(average.tensors()["still"][0].item(), 1 - 0.9**20, rtol=1e-13, atol=0)


def test_a_network_without_whole_numbers():
    network = nn.Linear(1, 1)
    average = Average(network, 0.9)
    with torch.no_grad():
        network.weight.fill_(10)
    average.update(0)
    assert average.tensors()["weight"].item() > 8


def test_inside_the_network_has_the_averages_and_afterwards_its_own_values():
    network = small().train()
    average = Average(network, 0.9)
    for seed in range(3):
        network.load_state_dict(small(seed + 1).state_dict())
        network(torch.randn(4, 3, 9, 9, generator=torch.manual_seed(seed)))
        average.update(seed)
    own, averages = state(network), average.tensors()
    assert not same(own, averages)
    held = [parameter.data_ptr() for parameter in network.parameters()]
    with average.swapped(network):
        assert same(state(network), averages)
        assert held == [parameter.data_ptr() for parameter in network.parameters()]  # what an optimiser holds
    assert same(state(network), own)
    with pytest.raises(ZeroDivisionError), average.swapped(network):
        assert same(state(network), averages)
        raise ZeroDivisionError
    assert same(state(network), own)
    assert same(average.tensors(), averages)


def test_a_saved_average_goes_on_bit_by_bit(tmp_path):
    def follow(network, average, steps):
        for step in steps:
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.add_(torch.randn(parameter.shape, generator=torch.manual_seed(step)))
            average.update(step)

    network = small()
    average = Average(network, 0.7)
    follow(network, average, range(3))
    save_file(average.tensors(), tmp_path / "average.safetensors")
    other = small(seed=1)
    other.load_state_dict(network.state_dict())
    resumed = Average(other, 0.7)
    resumed.load(load_file(tmp_path / "average.safetensors"))
    assert same(resumed.tensors(), average.tensors())
    follow(network, average, range(3, 6))
    follow(other, resumed, range(3, 6))
    assert same(resumed.tensors(), average.tensors())


def test_another_networks_averages_are_refused():
    average = Average(small(), 0.9)
    tensors = average.tensors()
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    name = min(tensors)
    for sentence, wrong in {
        "is missing where it has to be": {other: tensors[other] for other in tensors if other != name},
        r"extra is \(1,\) where it has to be absent": tensors | {"extra": torch.ones(1)},
        r"is \(7,\) where it has to be": tensors | {name: torch.ones(7)},
    }.items():
        with pytest.raises(WeightsError, match=sentence):
            average.load(wrong)
    assert same(average.tensors(), before)
