"""BVLC's GoogLeNet, transcribed layer by layer from the Caffe definition, with its names: an independent oracle."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INCEPTION = {  # 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5, pool_proj
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}


class GoogLeNet(nn.Module):
    """The deploy network: no side heads, no dropout."""

    def __init__(self):
        super().__init__()
        self.conv("conv1/7x7_s2", 3, 64, 7)
        self.conv("conv2/3x3_reduce", 64, 64, 1)
        self.conv("conv2/3x3", 64, 192, 3)
        for block, (n, one, reduce3, three, reduce5, five, pool) in INCEPTION.items():
            self.conv(f"inception_{block}/1x1", n, one, 1)
            self.conv(f"inception_{block}/3x3_reduce", n, reduce3, 1)
            self.conv(f"inception_{block}/3x3", reduce3, three, 3)
            self.conv(f"inception_{block}/5x5_reduce", n, reduce5, 1)
            self.conv(f"inception_{block}/5x5", reduce5, five, 5)
            self.conv(f"inception_{block}/pool_proj", n, pool, 1)
        self.add_module("loss3/classifier", nn.Linear(1024, 1000))

    def conv(self, name: str, channels: int, filters: int, window: int) -> None:
        stride = 2 if window == 7 else 1
        self.add_module(name, nn.Conv2d(channels, filters, window, stride, window // 2))

    def run(self, name: str, x: Tensor) -> Tensor:
        return F.relu(self._modules[name](x))

    def inception(self, block: str, x: Tensor) -> Tensor:
        def run(name: str, x: Tensor) -> Tensor:
            return self.run(f"inception_{block}/{name}", x)

        one = run("1x1", x)
        three = run("3x3", run("3x3_reduce", x))
        five = run("5x5", run("5x5_reduce", x))
        pool = run("pool_proj", F.max_pool2d(x, 3, 1, 1))
        return torch.cat([one, three, five, pool], 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width), BGR -> (batch, 1000)"""
        x = self.run("conv1/7x7_s2", x)
        x = normalise(pool(x))
        x = self.run("conv2/3x3", self.run("conv2/3x3_reduce", x))
        x = pool(normalise(x))
        for block in INCEPTION:
            x = self.inception(block, x)
            if block in ("3b", "4e"):
                x = pool(x)
        return self._modules["loss3/classifier"](x.mean((2, 3)))


def pool(x: Tensor) -> Tensor:
    """Caffe's pools round up."""
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def normalise(x: Tensor) -> Tensor:
    """Caffe's LRN, by its definition: x / (1 + alpha/5 · sum of squares over 5 neighbouring channels) ** 0.75."""
    squares = F.pad(x * x, (0, 0, 0, 0, 2, 2))
    total = sum(squares[:, n : n + x.shape[1]] for n in range(5))
    return x / (1 + 1e-4 / 5 * total) ** 0.75
