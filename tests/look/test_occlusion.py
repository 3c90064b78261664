"""Occlusion against a loop that covers each patch and runs the whole network."""

import pytest
import torch
from torch import nn

from striate.errors import StriateError
from striate.look.occlusion import cut, occlusion
from striate.nets.build import net


def looped(network: nn.Module, pictures: torch.Tensor, targets: torch.Tensor, patch: int, step: int) -> torch.Tensor:
    """The definition: the mean fall of the logit over all patches that cover a pixel."""
    network.eval()
    height, width = pictures.shape[2:]
    falls, covers = torch.zeros(*targets.shape, height, width), torch.zeros(height, width)
    down = range(0, height + step, step)
    with torch.no_grad():
        before = network(pictures).gather(1, targets)
        for top in (at for at in down if at < height and (at == 0 or at - step + patch < height)):
            for left in (at for at in range(0, width, step) if at == 0 or at - step + patch < width):
                covered = pictures.clone()
                covered[:, :, top : top + patch, left : left + patch] = 0
                fall = before - network(covered).gather(1, targets)
                falls[:, :, top : top + patch, left : left + patch] += fall[..., None, None]
                covers[top : top + patch, left : left + patch] += 1
    return falls / covers


TEXTS = {
    "stride and padding": "conv 5x5x4 s2 p2, relu, maxpool 3 s2, conv 3x3x8 p1, relu",
    "ceil": "conv 3x3x4 p1, relu, maxpool 3 s2 ceil, conv 3x3x64 p1, relu, maxpool 3 s2 ceil, conv 3x3x8",
    "residual": "conv 3x3x8 s2 p1, relu, ( conv 3x3x8 p1, bn, relu, conv 3x3x8 p1 )+, relu, conv 3x3x9 s2",
    "branches": "conv 3x3x6 p1, relu, [ conv 1x1x4 | conv 3x3x4 p1 | maxpool 3 s1 p1 ], conv 3x3x8 s2",
    "average": "conv 3x3x4 p1, avgpool 2, conv 3x3x32 p1, relu, conv 3x3x8 s3",
    "gate": "conv 3x3x8 p1, relu, ( globalpool, conv 1x1x2, relu, conv 1x1x8, sigmoid )*, conv 3x3x8",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(("size", "patch", "step"), [((33, 46), 6, 4), ((40, 40), 5, 5), ((29, 37), 9, 2)])
def test_the_maps_are_those_of_a_loop(text, size, patch, step):
    torch.manual_seed(0)
    network = net(f"{text}, globalpool, fc 5", input=(*size, 3))
    pictures, targets = torch.randn(2, 3, *size), torch.tensor([[0, 3], [4, 1]])
    found = occlusion(network, pictures, targets, patch=patch, step=step)
    expected = looped(network, pictures, targets, patch, step)
    assert found.shape == (2, 2, *size)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max() + 1e-9) + 1e-6)


def test_early_layers_see_the_patch_alone():
    network = net("conv 3x3x32 p1, relu, conv 3x3x32 p1, relu, globalpool, fc 5", input=(64, 64, 3)).eval()
    starts = (list(range(0, 57, 8)),) * 2
    with torch.no_grad():
        first, second, last = cut(network, torch.randn(1, 3, 64, 64), starts, 8)
    # a layer of 3×3 gets one pixel more on each side than what it gives, of which a patch changes two more
    assert (first.sides, second.sides, last.sides) == ((12, 12), (14, 14), ())
    assert max(piece.last - piece.first for piece in first.pieces[0]) == 10
    assert first.strides == second.strides == (1, 1)


def test_a_layer_that_sees_everything_ends_the_pieces():
    text = "conv 3x3x8 p1, relu, ( globalpool, conv 1x1x2, relu, conv 1x1x8, sigmoid )*, conv 3x3x8, globalpool, fc 5"
    with torch.no_grad():
        parts = cut(net(text, input=(40, 40, 3)).eval(), torch.randn(1, 3, 40, 40), ([0, 8], [0, 8]), 8)
    assert len(parts) == 2 and len(parts[0].run) == 2


class Backwards(nn.Sequential):
    """A sequence whose parts do not run in their order."""

    def forward(self, input):
        return self[2](self[1](self[0](input.flip(2)))) * 2


def test_sequences_that_are_none_run_whole():
    torch.manual_seed(0)
    network = Backwards(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Sequential(nn.Flatten(), nn.Linear(8 * 12 * 12, 5)))
    pictures, targets = torch.randn(1, 3, 16, 16), torch.tensor([[2]])
    found = occlusion(network, pictures, targets, patch=3, step=3)
    torch.testing.assert_close(found, looped(network, pictures, targets, 3, 3), rtol=1e-4, atol=1e-6)


def test_by_default_seven_patches_stand_side_by_side():
    network, pictures = net("lenet5"), torch.randn(1, 3, 32, 32)
    targets = torch.tensor([[1]])
    torch.testing.assert_close(
        occlusion(network, pictures, targets), occlusion(network, pictures, targets, patch=5, step=2)
    )


def test_the_network_is_as_it_was():
    network = net("lenet5").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(IndexError):
        occlusion(network, torch.randn(1, 3, 32, 32), torch.tensor([[99]]))
    assert network.training and all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize(("patch", "step"), [(0, 1), (33, 4), (4, 5), (4, 0)])
def test_patches_that_do_not_fit_are_refused(patch, step):
    with pytest.raises(StriateError, match="a step is at most a patch"):
        occlusion(net("lenet5"), torch.randn(1, 3, 32, 32), torch.tensor([[0]]), patch=patch, step=step)
