"""Every engine gives the numbers of PyTorch, for every kind of layer, for each length of a batch, without a word."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from striate.engine.export import exported
from striate.engine.fastest import difference
from striate.engine.processor import has_bfloat16
from striate.engine.runners import Runner, has_openvino, onnx_runtime, openvino, pytorch
from striate.nets.build import net
from striate.nets.net import Net

CPU = torch.device("cpu")
LAYERS = {
    "plain": "conv 5x5x6, relu, maxpool 3 s2 ceil, lrn, conv 3x3x8 s2 p1, tanh, avgpool 3 s2 ceil, flatten, dropout, "
    "fc 7",
    "residual": "((conv 3x3x8 s2 p1 nobias, bn, relu, conv 3x3x8 p1 nobias, bn | conv 1x1x8 s2 nobias, bn)+, relu), "
    "((conv 3x3x16 s2 p1, bn | widen 16 s2)+, leakyrelu), globalpool, fc 7, softmax",
    "inception": "[conv 1x1x3, relu | conv 1x1x2, relu, conv 3x3x4 p1 | maxpool 3 s1 p1, conv 1x1x2], "
    "aux (globalpool, fc 7), globalmaxpool, fc 7",
    "mobile": "conv 3x3x8 s2 p1, bn, hardswish, (conv 1x1x16, silu, depthwise 3x3 same, bn, relu6, "
    "(globalpool, conv 1x1x4, silu, conv 1x1x16, sigmoid)*, conv 1x1x8, bn, droppath 0.1)+, globalpool, fc 7",
    "convnext": "conv 2x2x8 s2, layernorm, (depthwise 7x7 p3, layernorm, conv 1x1x16, gelu, conv 1x1x8, scale 0.5)+, "
    "globalpool, layernorm, fc 7",
    "borders": "conv 3x3x4 p1 reflect, conv 3x3x4 p2 replicate, conv 3x3x8 d2 g4, adaptpool 2x3, flatten, bn, fc 7",
}


def unlike_new(network: Net) -> Net:
    """A network whose batch norms have seen pictures, and whose side heads and dropout are off."""
    numbers = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.uniform_(-0.2, 0.2, generator=numbers)
            module.running_var.uniform_(0.5, 2, generator=numbers)
    return network.eval()


def engines(module: nn.Module, size: tuple[int, ...]) -> dict[str, Callable[[], Runner]]:
    model = exported(module, size)
    found: dict[str, Callable[[], Runner]] = {"ONNX Runtime": lambda: onnx_runtime(model, 1)}
    if has_openvino():
        found["OpenVINO"] = lambda: openvino(model, 1, "float32")
    return found


def equal(module: nn.Module, size: tuple[int, ...]) -> None:
    """All engines agree with the module for batches of several lengths, also if they come as channels-last."""
    pictures = torch.randn(5, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = module(pictures).numpy()
    for make in engines(module, size).values():
        run = make()
        for n in (2, 5, 1):
            for batch in (pictures[:n], pictures[:n].contiguous(memory_format=torch.channels_last)):
                (output,) = run(batch)
                assert output.dtype == np.float32
                assert output.shape == expected[:n].shape
                np.testing.assert_allclose(output, expected[:n], rtol=0, atol=1e-4 * expected.std())


@pytest.mark.parametrize("text", LAYERS.values(), ids=LAYERS)
def test_every_layer_is_the_same_in_every_engine(text, capfd):
    network = unlike_new(net(text, input="18x20x3"))
    equal(network, (3, 18, 20))
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("lenet5_1998", 32),
        ("alexnet", 67),
        ("vgg11", 32),
        ("nin", 67),
        ("googlenet", 64),
        ("resnet20", 32),
        ("resnet18", 64),
        ("mobilenet_v1", 64),
        ("mobilenet_v2", 64),
        ("efficientnet_b0", 64),
        ("convnext_tiny", 64),
    ],
)
def test_networks_of_the_papers_are_the_same_in_every_engine(name, side):
    channels = 1 if name == "lenet5_1998" else 3
    network = unlike_new(net(name, input=f"{side}x{side}x{channels}"))
    equal(network[:-1], (channels, side, side))


def test_an_export_says_nothing_to_a_user():
    code = (
        "from striate.engine.export import exported; from striate.nets.build import net; "
        "exported(net('conv 3x3x4, bn', input='8x8x3').eval(), (3, 8, 8))"
    )
    words = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_pytorch_runs_in_either_type():
    network = unlike_new(net(LAYERS["mobile"], input="18x20x3"))
    pictures = torch.randn(3, 3, 18, 20, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = network(pictures).numpy()
    (full,), (half,) = (pytorch(network, CPU, type)(pictures) for type in ("float32", "bfloat16"))
    assert full.dtype == half.dtype == np.float32
    np.testing.assert_allclose(full, expected, rtol=0, atol=1e-4 * expected.std())
    assert 1e-4 < difference((half,), (expected,)) < 0.2  # it is another type, and near


def test_a_circular_border_is_the_same_in_onnx_runtime():  # OpenVINO has none
    network = net("conv 3x3x4 p1 circular, relu", input="8x8x3").eval()
    pictures = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = (network(pictures).numpy(),)
    assert difference(onnx_runtime(exported(network, (3, 8, 8)), 1)(pictures), expected) < 2e-5


@pytest.mark.skipif(not has_openvino(), reason="OpenVINO is an extra")
def test_openvino_computes_in_the_type_that_is_said():
    network = unlike_new(net(LAYERS["mobile"], input="18x20x3"))
    pictures = torch.randn(3, 3, 18, 20, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = (network(pictures).numpy(),)
    model = exported(network, (3, 18, 20))
    assert difference(openvino(model, 1, "float32")(pictures), expected) < 2e-5
    if has_bfloat16(CPU):
        assert 1e-4 < difference(openvino(model, 1, "bfloat16")(pictures), expected) < 0.2


def test_outputs_are_kept_when_the_next_batch_is_run():
    network = net("conv 3x3x4, relu", input="8x8x3").eval()
    for make in engines(network, (3, 8, 8)).values():
        run = make()
        (first,) = run(torch.ones(2, 3, 8, 8))
        before = first.copy()
        run(torch.zeros(2, 3, 8, 8))
        np.testing.assert_array_equal(first, before)
