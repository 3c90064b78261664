"""Gradients and Jacobians against closed forms: linear networks, the identity, finite differences."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from striate.cli import main
from striate.data.batches import Batches
from striate.data.dataset import Dataset
from striate.data.normalise import normalised
from striate.errors import DataError, StriateError
from striate.look.flow import blocks, flow
from striate.look.gradients import gradients
from striate.look.jacobian import stretch
from striate.look.subject import Subject
from striate.nets.build import net
from striate.preprocess import Preprocess

TINY = Preprocess(size=(4, 4), resize=None, channels="L", mean=(0.5,), std=(0.5,))


def digits_of(network: nn.Module, title: str = "the network", preprocess: Preprocess = TINY) -> Subject:
    return Subject(network, preprocess, tuple("0123456789"), title)


def linear() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 14, bias=False), nn.Linear(14, 12), nn.Linear(12, 10))


@pytest.mark.parametrize("most", [2**20, 0])
def test_stretches_of_a_matrix(most):
    """Whole or iterated, tall or wide: NumPy's singular values."""
    for shape in ((6, 9), (9, 6), (7, 7)):
        matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        values = np.linalg.svd(matrix.numpy(), compute_uv=False)
        found = stretch(lambda x, matrix=matrix: x @ matrix.T, torch.zeros(1, shape[1], dtype=torch.float64), most)
        assert found.exact == bool(most)
        assert found.largest == pytest.approx(values[0], rel=1e-2 if not most else 1e-9)
        assert found.mean == pytest.approx((values**2).mean() ** 0.5, rel=0.2 if not most else 1e-9)
        if most:
            np.testing.assert_allclose(found.values, values)
        else:
            assert values[-1] * (1 - 1e-9) <= found.smallest <= values[-1] + 0.15 * values[0]


def test_iterated_and_whole_agree_on_a_convolution_that_is_not_linear():
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 2, 3, padding=1)).double()
    at = torch.randn(1, 2, 5, 5, dtype=torch.float64)
    whole, iterated = stretch(block, at), stretch(block, at, most=0)
    assert iterated.largest == pytest.approx(whole.largest, rel=2e-2)
    assert iterated.mean == pytest.approx(whole.mean, rel=0.15)
    assert iterated.smallest >= whole.smallest * (1 - 1e-9)


@pytest.mark.parametrize("most", [2**20, 0])
def test_a_residual_block_without_weights_is_the_identity(most):
    """After its ReLU, too, where what arrives is above 0: all singular values are 1."""
    network = net("resnet20", classes=10).double().eval()
    block = network.get_submodule("stage1.1")
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    at = torch.rand(1, 16, 6, 6, dtype=torch.float64) + 0.1
    found = stretch(block, at, most)
    assert (found.largest, found.mean, found.smallest) == pytest.approx((1, 1, 1), abs=1e-12)
    # a plain block without weights lets nothing pass
    plain = net("plain20", classes=10).double().eval().get_submodule("stage1.1")
    for parameter in plain.parameters():
        nn.init.zeros_(parameter)
    assert stretch(plain, at, most).largest == 0


def test_a_residual_block_stretches_by_the_identity_and_what_its_body_adds():
    network = net("resnet20", classes=10).double().eval()
    residual = network.get_submodule("stage1.1.0")
    at = torch.rand(1, 16, 4, 4, dtype=torch.float64)
    body = torch.func.jacrev(residual.body)(at).reshape(256, 256)
    values = torch.linalg.svdvals(body + torch.eye(256, dtype=torch.float64))
    np.testing.assert_allclose(stretch(residual, at).values, values.tolist(), atol=1e-9)


def test_stretches_of_a_linear_network_are_those_of_its_matrices_and_of_their_product():
    network = linear()
    (found,) = gradients(digits_of(network), batch_size=8).flows
    matrices = [layer.weight.detach().double().numpy() for layer in network[1:]]
    for path, matrix in zip(("1", "2", "3"), matrices, strict=True):
        np.testing.assert_allclose(found.blocks[path].values, np.linalg.svd(matrix, compute_uv=False))
    product = matrices[2] @ matrices[1] @ matrices[0]
    np.testing.assert_allclose(found.whole.values, np.linalg.svd(product, compute_uv=False))
    np.testing.assert_allclose(found.blocks["0"].values, 1)


def test_gradients_of_a_linear_network_in_closed_form():
    """Softmax's gradient is p − y; it travels back through the transposed matrices."""
    network, pictures, labels = linear(), torch.randn(6, 1, 4, 4), torch.arange(6)
    loss, found = flow(network, pictures, labels)
    with torch.no_grad():
        values = [pictures.flatten(1)]
        for layer in network[1:]:
            values.append(layer(values[-1]))
        back = (values[-1].softmax(1) - F.one_hot(labels, 10)) / 6
        assert loss == pytest.approx(float(F.cross_entropy(values[-1], labels)))
        for passed, layer, given in zip(found[::-1], [*network[1:]][::-1], values[:-1][::-1], strict=True):
            assert passed.output == pytest.approx(float(back.norm()), rel=1e-5)
            assert passed.gradient == pytest.approx(float((back.T @ given).norm()), rel=1e-5)
            assert passed.weight == pytest.approx(float(layer.weight.norm()))
            back = back @ layer.weight


def test_dead_units_are_counted_also_where_a_relu_writes_in_place_or_is_used_twice():
    relu = nn.ReLU(inplace=True)
    network = nn.Sequential(nn.Conv2d(1, 6, 3), relu, nn.Conv2d(6, 4, 2), relu, nn.Flatten(), nn.Linear(4, 10))
    nn.init.constant_(network[0].bias[:2], -1000.0)
    nn.init.constant_(network[2].bias[3:], -1000.0)
    nn.init.constant_(network[2].bias[:3], 1000.0)
    _, found = flow(network, torch.rand(5, 1, 4, 4), torch.arange(5))
    assert [(one.path, one.dead, one.units) for one in found] == [("0", 2, 6), ("2", 1, 4), ("5", 0, 0)]


def test_blocks():
    assert blocks(net("resnet20"))[:4] == ["stem", "stage1.0", "stage1.1", "stage1.2"]
    assert blocks(net("lenet5")) == ["stage1", "stage2", "head"]


def test_the_network_stays_as_it_was():
    network = net("resnet20", classes=10, input="8x8x1").train()
    before, grads = copy.deepcopy(network.state_dict()), [p.requires_grad for p in network.parameters()]
    state = torch.get_rng_state()
    found = gradients(network, batch_size=4, steps=2, lr=0.01)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training and [p.requires_grad for p in network.parameters()] == grads
    assert all(p.grad is None for p in network.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert torch.equal(state, torch.get_rng_state())
    assert len(found.flows[0].steps) == 2


def test_hooks_are_gone_after_an_exception():
    network = linear()
    with pytest.raises(RuntimeError):
        flow(network, torch.rand(2, 1, 5, 5), torch.arange(2))
    assert not any(module._forward_hooks for module in network.modules())


def test_steps_are_those_of_a_training_loop():
    """The second step's gradients come from weights that one step of plain SGD made."""
    who = digits_of(linear())
    (found,) = gradients(who, batch_size=2000, steps=1, lr=0.1).flows  # one batch holds all
    again = copy.deepcopy(who.network)
    digits = Dataset.open("digits")
    (batch,) = Batches(replace(digits, splits=np.full(len(digits), "test")), TINY, batch_size=2000, cache="off")
    pictures = normalised(batch.pixels, TINY)
    loss = F.cross_entropy(again(pictures), batch.labels)
    assert found.loss == pytest.approx(loss.item(), rel=1e-4)
    loss.backward()
    with torch.no_grad():
        for parameter in again.parameters():
            assert parameter.grad is not None
            parameter -= 0.1 * parameter.grad
    after = F.cross_entropy(again(pictures), batch.labels)
    first, last = torch.autograd.grad(after, [again[1].weight, again[3].weight])
    np.testing.assert_allclose(found.steps[0], (after.item(), float(first.norm()), float(last.norm())), rtol=1e-3)


def test_written_down_and_on_the_command_line(tmp_path, capsys):
    words = ["look", "gradients", "lenet5", "lenet5", "--batch-size", "4", "--steps", "1", "-o", str(tmp_path / "out")]
    main([*words, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in told["networks"]] == ["lenet5", "lenet5, 2"]
    assert [row["block"] for row in told["rows"][:3]] == ["stage1", "stage2", "head"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"weights.svg", "outputs.svg", "stretch.svg", "steps-loss.svg", "gradients.json", "blocks.csv"} <= names


def test_mistakes(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StriateError, match="name one or more networks"):
        gradients()
    with pytest.raises(StriateError, match="2 pictures or more"):
        gradients("lenet5", batch_size=1)
    with pytest.raises(StriateError, match="a folder of its own"):
        gradients("lenet5", output=tmp_path / "file")
    with pytest.raises(StriateError, match="belong to one network"):
        gradients("lenet5", "resnet20", weights="a.pth")
    with pytest.raises(DataError, match="too few for the 10 classes"):
        gradients(net("lenet5", classes=3))
    with pytest.raises(StriateError, match="a smaller --lr would do"):
        gradients(digits_of(linear()), steps=30, lr=1e30)
