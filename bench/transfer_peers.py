"""What users write where a frozen network gets a new head, each as a whole process: in PyTorch, and with fastai.

    python -m bench.transfer_peers pytorch '{"pictures": …, "weights": …, "answers": …, "epochs": 10, "seed": 0}'

Both take the GoogLeNet of `striate.net` with its weights as a plain module, batches of 32 and two loading processes,
and validate after each epoch. The loop in PyTorch has the settings of PyTorch's tutorial on transfer learning, SGD with
rate 0.001 and momentum 0.9; on these features they are also the best of five that were tried (the others: Adam at
0.001, 0.003 and 0.01, SGD at 0.01). Its frozen part runs without gradients. Fastai's lines are those of its
documentation (`RandomResizedCrop`, `aug_transforms`, `vision_learner`, whose own head and one-cycle schedule learn),
but for `fine_tune`: after its frozen epochs that would train the whole network, which is another work.
"""

import json
import sys
import zlib
from pathlib import Path
from typing import Any

BATCH, WORKERS = 32, 2


def sum_of(module: Any) -> int:
    """A sum of all weights of a module, to see whether they have moved."""
    total = 0
    for parameter in module.parameters():
        total = zlib.crc32(parameter.detach().numpy().tobytes(), total)
    return total


def keep(asked: dict, files: list, labels: Any, probabilities: Any, frozen: Any, learned: int) -> None:
    """Write down the answers to the validation pictures, and what shows that the work was the same."""
    import numpy as np

    names = [str(Path(file).relative_to(asked["pictures"])) for file in files]
    more = {"frozen": sum_of(frozen), "learned": learned}
    np.savez(asked["answers"], names=names, labels=labels, probabilities=probabilities, **more)


def pytorch(asked: dict) -> None:
    """After PyTorch's tutorial: a loop over a DataLoader."""
    from bench.peers import torchvision as load

    load()
    import torch
    from torch import nn
    from torch.utils.data import DataLoader
    from torchvision import datasets
    from torchvision import transforms as t

    import striate

    torch.manual_seed(asked["seed"])
    network = striate.net("googlenet", weights=asked["weights"])
    mean = torch.tensor(network.preprocess.mean)[:, None, None]  # of blue, green, red, as these weights want them
    as_input = [t.ToTensor(), t.Lambda(lambda x: 255 * x.flip(0) - mean)]
    chains = {
        "train": t.Compose([t.RandomResizedCrop(224), t.RandomHorizontalFlip(), *as_input]),
        "val": t.Compose([t.Resize(256), t.CenterCrop(224), *as_input]),
    }
    sets = {name: datasets.ImageFolder(f"{asked['pictures']}/{name}", chain) for name, chain in chains.items()}
    loaders = {
        name: DataLoader(data, BATCH, shuffle=name == "train", num_workers=WORKERS, persistent_workers=True)
        for name, data in sets.items()
    }
    backbone = nn.Sequential(*list(network.children())[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone.eval().requires_grad_(False)
    head = nn.Linear(1024, len(sets["train"].classes))
    optimiser = torch.optim.SGD(head.parameters(), lr=0.001, momentum=0.9)
    scores = []
    for _ in range(asked["epochs"]):
        for pixels, labels in loaders["train"]:
            with torch.no_grad():
                features = backbone(pixels)  # (batch, 1024)
            optimiser.zero_grad()
            nn.functional.cross_entropy(head(features), labels).backward()
            optimiser.step()
        with torch.no_grad():
            scores = [head(backbone(pixels)) for pixels, _ in loaders["val"]]
    files = [file for file, _ in sets["val"].samples]
    keep(asked, files, sets["val"].targets, torch.cat(scores).softmax(1).numpy(), backbone, len(sets["train"]))


def fastai(asked: dict) -> None:
    """After fastai's documentation: a learner with a frozen body."""
    from bench.peers import torchvision as load

    load()
    from fastai.vision.all import (
        ImageDataLoaders,
        Normalize,
        RandomResizedCrop,
        accuracy,
        aug_transforms,
        set_seed,
        vision_learner,
    )
    from torch import nn

    import striate

    class Flipped(nn.Module):
        """Red, green, blue -> blue, green, red."""

        def forward(self, x):
            return x.flip(1)

    set_seed(asked["seed"])
    network = striate.net("googlenet", weights=asked["weights"])
    mean = [level / 255 for level in reversed(network.preprocess.mean)]  # fastai's pixels are 0 to 1
    loaders = ImageDataLoaders.from_folder(
        asked["pictures"],
        train="train",
        valid="val",
        item_tfms=RandomResizedCrop(224, min_scale=0.5),
        batch_tfms=[*aug_transforms(), Normalize.from_stats(mean, [1 / 255] * 3)],
        bs=BATCH,
        num_workers=WORKERS,
    )

    def googlenet(pretrained: bool) -> nn.Module:
        return nn.Sequential(Flipped(), *network.children())

    learner = vision_learner(loaders, googlenet, normalize=False, metrics=accuracy)
    learner.fit_one_cycle(asked["epochs"])
    probabilities, labels = learner.get_preds()
    keep(asked, loaders.valid_ds.items, labels.numpy(), probabilities.numpy(), learner.model[0], len(loaders.train_ds))


if __name__ == "__main__":
    {"pytorch": pytorch, "fastai": fastai}[sys.argv[1]](json.loads(sys.argv[2]))
