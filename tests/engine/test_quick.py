"""A network arranged for speed gives the same numbers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from striate.engine.quick import BandedNorm, quick
from striate.nets.build import net


@given(size=st.integers(1, 9), channels=st.integers(1, 12), beta=st.sampled_from([0.5, 0.75, 1.0]))
def test_a_band_normalises_as_pooling_over_channels_does(size, channels, beta):
    input = torch.randn(2, channels, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(size))
    settings = size, 0.1, beta, 1.5
    one, other = input.clone().requires_grad_(), input.clone().requires_grad_()
    mine, theirs = BandedNorm(*settings)(one), nn.LocalResponseNorm(*settings)(other)
    assert torch.allclose(mine, theirs, atol=1e-12)
    for output, leaf in ((mine, one), (theirs, other)):
        (output**2).sum().backward()
        assert leaf.grad is not None
    assert torch.allclose(one.grad, other.grad, atol=1e-11)


@pytest.mark.parametrize("text", ["conv 3x3x8, lrn, relu, maxpool 2, fc 3", "conv 3x3x8, bn, relu, globalpool, fc 3"])
def test_the_same_network(text):
    network, pictures = net(text, input="12x12x3").eval(), torch.randn(2, 3, 12, 12)
    before = network(pictures)
    arranged = quick(network)
    assert arranged is network
    assert torch.allclose(arranged(pictures), before, atol=1e-5)
    assert [name for name, _ in arranged.named_modules()] == [
        name for name, _ in net(text, input="12x12x3").named_modules()
    ]
