"""The few modules that PyTorch has not: ways to join branches, and layers of single papers.

Order is a contract: published weights are placed by walking two networks' tensors in order (see `weights.py`), so a
block declares its body before its shortcut, and a network's text lists expansion, depthwise convolution,
squeeze-and-excite and projection in this order. No activation works in place: that would overwrite what a tap keeps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    """body(x) + shortcut(x): the body learns what to add to its input (He et al., 2015)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class Gate(nn.Module):
    """x · body(x): the body tells how much of each channel passes (squeeze-and-excite: Hu et al., 2017)."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return x * self.body(x)  # (batch, channels, height, width) · (batch, channels, 1, 1)


class Branches(nn.ModuleList):
    """Every branch sees the same input; their channels are stacked (inception: Szegedy et al., 2014)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)


class Auxiliary(nn.Module):
    """A side head for training: passes its input on, and gives its own logits to `Net.forward`, which collects them."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body
        self.collected: list[Tensor] | None = None  # while a network's forward pass runs

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.collected is not None:
            self.collected.append(self.body(x))  # (batch, classes)
        return x


class Widen(nn.Module):
    """Shortcut A of the residual paper: keep every s-th pixel, fill up the channels with zeros; no parameters."""

    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.before, self.after, self.stride = before, after, stride

    def forward(self, x: Tensor) -> Tensor:
        extra = self.after - self.before
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, extra // 2, extra - extra // 2))

    def extra_repr(self) -> str:
        return f"{self.before}, {self.after}, stride={self.stride}"


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel (ConvNeXt: Liu et al., 2022)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Scale(nn.Module):
    """One learned factor per channel, small at first, so that a deep residual network begins near the identity."""

    def __init__(self, channels: int, initial: float, device=None):
        super().__init__()
        self.initial = initial
        self.weight = nn.Parameter(torch.empty(channels, device=device))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight[:, None, None]


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., 2016): in training, leaves the branch out for a random part of the pictures."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(1 - self.p)
        return x * (kept / (1 - self.p))

    def extra_repr(self) -> str:
        return f"p={self.p}"
