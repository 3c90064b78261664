"""What a dream is painted on: waves in colours as photos have them, seen a little turned and moved each time.

Each wave of a picture is a number of its own, as strong as waves of its length are in photos: 1 over its frequency
(Olah et al., 2017). Pixels that are changed one by one give noise that no person can read.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from striate.data.randomness import Purpose, normals, uniforms
from striate.preprocess import Preprocess

FIRST = 0.01  # standard deviation of the first numbers
SOFT = 4.0  # divides the waves: what is strong from the start is white or black before it has a shape
# light, orange against blue, green against purple: how photos' colours vary, each by itself, and how much
AXES = np.array([(1, 1, 1), (1, 0, -1), (-1, 2, -1)]) / np.sqrt(np.array([(3,), (2,), (6,)]))
STRENGTHS = (1.0, 0.28, 0.13)
SHIFT, TURN, ZOOM = 1 / 14, 8.0, 0.08  # the most that views are moved (of a side), turned (degrees), zoomed


@dataclass(frozen=True, eq=False)
class Canvas:
    """Pictures as numbers that can be changed step by step.

    Parameters
    ----------
    size
        height and width
    preprocess
        how a picture becomes the network's input
    seed
        another one draws other first numbers and views
    device
        where it is computed
    """

    size: tuple[int, int]
    preprocess: Preprocess
    seed: int
    device: torch.device

    def begin(self, places: list[int]) -> Tensor:
        """The first numbers, (n, colours, height, width // 2 + 1, 2): a place's own, whatever else is painted."""
        height, width = self.size
        shape = (1 if self.preprocess.channels == "L" else 3, height, width // 2 + 1, 2)
        drawn = [normals(uniforms(self.seed, 0, place, Purpose.DREAM, int(np.prod(shape)))) for place in places]
        numbers = torch.from_numpy(np.stack(drawn)).float().reshape(-1, *shape)
        return (FIRST * numbers).to(self.device)

    def picture(self, numbers: Tensor) -> Tensor:
        """Numbers -> pictures (n, colours, height, width), red, green and blue from 0 to 1."""
        height, width = self.size
        down, across = torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
        frequency = torch.hypot(down[:, None], across).clamp(min=1 / max(self.size)).to(numbers.device)
        waves = torch.view_as_complex(numbers) / frequency
        return coloured(torch.fft.irfft2(waves, s=self.size, norm="ortho") / SOFT).sigmoid()

    def other_phases(self, numbers: Tensor, places: list[int]) -> Tensor:
        """Noise with the same waves, each as strong, that begin anywhere: what a picture owes to its shapes is gone."""
        strength = torch.view_as_complex(numbers).abs()  # (n, colours, height, width // 2 + 1)
        count = strength[0, 0].numel()
        drawn = np.stack([uniforms(self.seed, 1, place, Purpose.DREAM, count) for place in places])
        phases = 2 * np.pi * torch.from_numpy(drawn).float().reshape(-1, 1, *strength.shape[2:]).to(self.device)
        noise = torch.polar(strength, phases.expand_as(strength).contiguous())
        noise[..., 0, 0] = torch.view_as_complex(numbers)[..., 0, 0]  # its mean colours stay
        return torch.view_as_real(noise)

    def view(self, pictures: Tensor, places: list[int], step: int) -> Tensor:
        """Pictures a little moved, turned and zoomed, each by itself, beyond the border mirrored."""
        drawn = np.stack([uniforms(self.seed, step, place, Purpose.DREAM, 4) for place in places]) * 2 - 1
        x, y = 2 * SHIFT * drawn[:, 0], 2 * SHIFT * drawn[:, 1]  # the side counts from −1 to 1
        angle, zoom = np.radians(TURN * drawn[:, 2]), np.exp(ZOOM * drawn[:, 3])
        cos, sin, shape = zoom * np.cos(angle), zoom * np.sin(angle), self.size[0] / self.size[1]
        maps = np.stack([np.stack([cos, -sin * shape, x], 1), np.stack([sin / shape, cos, y], 1)], 1)  # (n, 2, 3)
        grid = F.affine_grid(torch.from_numpy(maps).float(), list(pictures.shape), align_corners=False)
        return F.grid_sample(pictures, grid.to(self.device), padding_mode="reflection", align_corners=False)

    def input(self, pictures: Tensor) -> Tensor:
        """Pictures as the network takes them."""
        factor, shift = (torch.from_numpy(each).to(self.device)[:, None, None] for each in self.preprocess.factors)
        ordered = pictures.flip(1) if self.preprocess.channels == "BGR" else pictures
        return ordered * (255 * factor) + shift


def coloured(waves: Tensor) -> Tensor:
    """Light and two pairs of colours, (n, 3, height, width), as red, green and blue; light alone stays gray."""
    if waves.shape[1] == 1:
        return waves
    matrix = torch.from_numpy(AXES.T * STRENGTHS * np.sqrt(3)).float().to(waves.device)  # light 1 is 1 in each colour
    return torch.einsum("rc, nchw -> nrhw", matrix, waves)
