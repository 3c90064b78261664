"""What is handed on: the answers of a network, and the words and code of a card."""

import re
from copy import deepcopy
from pathlib import Path

import torch
from torch import nn

from striate.train.run import Run


def changed(run: Run, **parts) -> Run:
    """The same folder, but with another configuration: network={"origin": …}."""
    config = deepcopy(run.config)
    for part, values in parts.items():
        config[part].update(values)
    return Run(run.folder, config, run.classes, run.preprocess)


def logits(network: nn.Module, run: Run, batch: int = 2) -> torch.Tensor:
    height, width, channels = run.config["network"]["input"]
    with torch.inference_mode():
        return network.eval()(torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(1)))


def script(page: Path) -> str:
    """The Python code of a card."""
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    return code


def said(run: Run, file: Path) -> str:
    """What the code on cards prints of a picture."""
    pixels = run.preprocess.read(file).pixels
    with torch.inference_mode():
        logits = run.net()(torch.from_numpy(run.preprocess.normalised(pixels)[None]))[0]
    probabilities = logits.sigmoid() if run.config["data"]["several"] else logits.softmax(0)
    order = probabilities.argsort(descending=True)[:5].tolist()
    return "".join(f"{probabilities[place]:.3f} {run.classes[place]}\n" for place in order)
