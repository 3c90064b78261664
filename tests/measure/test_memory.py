"""Memory is what PyTorch really keeps."""

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from striate.measure.memory import measure_memory


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, groups=4), nn.GroupNorm(2, 8), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 10), nn.LogSoftmax(1),
    )  # fmt: skip


def really_saved(module, pictures):
    """Bytes that autograd keeps in a real forward pass, the module's own tensors not counted."""
    own = {t.untyped_storage().data_ptr() for t in [*module.parameters(), *module.buffers()]}
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        output = module(pictures)
    assert output.requires_grad
    return sum(size for address, size in kept.items() if address not in own)


@pytest.mark.parametrize("batch", [2, 5])
def test_saved_for_backward_is_what_autograd_saves(batch):
    module = network().train()
    told = measure_memory(module, (12, 12, 3), batch)
    assert told.saved == really_saved(module, torch.rand(batch, 3, 12, 12))
    assert told.gradients == told.parameters == told.masters == 4 * sum(p.numel() for p in module.parameters())
    assert told.training("AdamW") - told.training("SGD with momentum") == told.parameters


def test_peak_of_a_forward_pass():
    row = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))
    picture, wide, narrow = 64, 4 * 64, 2 * 64
    assert measure_memory(row, (8, 8, 1), 3).activations == 3 * 4 * (picture + 2 * wide)
    row[1] = nn.ReLU(inplace=True)
    assert measure_memory(row, (8, 8, 1), 3).activations == 3 * 4 * (picture + wide + narrow)


def test_frozen_weights_have_no_gradients():
    module = network()
    module[0].requires_grad_(False)
    told, before = measure_memory(module, (12, 12, 3)), measure_memory(network(), (12, 12, 3))
    assert before.gradients - told.gradients == 4 * (3 * 9 * 8 + 8)
    assert before.training("AdamW") - told.training("AdamW") >= 3 * 4 * (3 * 9 * 8 + 8)


def test_half_precision():
    full, half = (measure_memory(network(), (12, 12, 3), 4, precision) for precision in ("float32", "bfloat16"))
    assert half.parameters * 2 == full.parameters
    at_the_pool = 2 * 4 * (3 * 144 + 8 * 144 + 8 * 36) + 8 * 4 * 8 * 36  # its indices stay 8 bytes wide
    assert half.activations == at_the_pool
    assert full.activations == 4 * 4 * (3 * 144 + 2 * 8 * 144)  # picture, convolution and batch norm
    assert half.masters == full.masters + half.parameters
    assert half.gradients == full.gradients
    assert any("stay in float32" in sentence for sentence in half.sentences)


def test_attention_is_an_estimate_and_says_so():
    class Attention(nn.Module):
        def forward(self, x):
            return nn.functional.scaled_dot_product_attention(x, x, x)

    told = measure_memory(nn.Sequential(nn.Conv2d(3, 4, 1), Attention()), (12, 12, 3), 2)
    assert any("fused kernels hold less" in sentence for sentence in told.sentences)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), Attention())
    assert told.saved > really_saved(network, torch.rand(2, 3, 12, 12))
    assert not any("attention" in sentence for sentence in measure_memory(nn.Softmax(1), (12, 12, 3)).sentences)


def test_one_picture_is_half_of_two():
    """Batch norm in training refuses one value a channel, so a single picture is not measured by itself."""
    module = nn.Sequential(nn.Conv2d(3, 4, 8), nn.BatchNorm2d(4))
    one, two = (measure_memory(module, (8, 8, 3), batch) for batch in (1, 2))
    assert one.saved * 2 == two.saved
