"""Runs of any network without training: their weights are drawn, and made so that they are undecided about noise."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from made import encoded
from torch import nn

from striate.data.normalise import normalised
from striate.nets.build import net
from striate.nets.net import Net
from striate.train.keep.sealed import save_sealed
from striate.train.run import CONFIG, MODEL, Run, open_run


def noise(number: int, height: int = 24, width: int = 30) -> np.ndarray:
    """A picture of its own without smooth parts: (height, width, 3)."""
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


def noisy(folder: Path, classes: tuple[str, ...], each: int = 4) -> Path:
    """A folder of pictures of noise, of several sizes."""
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = noise(10 * place + number, 20 + number, 31 - 3 * number)
            (folder / name / f"{number}.png").write_bytes(encoded(pixels))
    return folder


def untrained(like: Run, text: str, folder: Path, size: tuple[int, int] = (16, 16), name: str = "") -> Run:
    """A run of another network with the classes and the preprocess of one that is there.

    Parameters
    ----------
    like
        the run that is there
    text
        of the network
    folder
        for the run
    size
        height and width of the input
    name
        of the network
    """
    shutil.copytree(like.folder, folder, ignore=shutil.ignore_patterns("last", "lock"))
    made = net(text, input=(*size, 3), classes=like.classes, seed=0)
    notation = made.notation
    undecided(made, like, size)
    network = {**like.config["network"], "name": name or text, "text": notation, "input": [*size, 3]}
    (folder / CONFIG).write_text(json.dumps({**like.config, "network": network}))
    preprocess = {**like.preprocess.to_dict(), "size": size}
    (folder / "preprocess.json").write_text(json.dumps(preprocess))
    save_sealed(folder / MODEL, made.state_dict(), {})
    return open_run(folder)


def undecided(network: Net, like: Run, size: tuple[int, int]) -> None:
    """Statistics of batch norm as of noise, and scores that differ from picture to picture, about as much as 2."""
    pixels = np.stack([noise(number, *size) for number in range(24)])  # (n, rows, columns, 3)
    batch = normalised(torch.from_numpy(pixels).permute(0, 3, 1, 2), like.preprocess)
    generator = torch.Generator().manual_seed(1)
    last = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if name.endswith("bias") or tensor.ndim == 1:  # none stays at 0 or 1, where mistakes would not be seen
                tensor.add_(0.2 * torch.rand(tensor.shape, generator=generator))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None  # the mean over all, of one batch
                # mostly above 0: where half is cut off, 110 layers without shortcuts blow roundings up to other answers
                module.bias.add_(1.0)
        network.train()
        network(batch)
        scores = network.eval()(batch)
        spread = 2 / scores.std(0).mean()
        assert last.bias is not None
        last.weight.mul_(spread)
        last.bias.copy_((last.bias - scores.mean(0)) * spread)
