"""Make the peers in the folder .peers importable."""

import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".peers"


def torchvision():
    """torchvision; its wheel needs two operators that a PyTorch for CPUs lacks, so they are declared first."""
    import torch

    if torch.version.cuda:  # the wheel finds all that it needs
        import torchvision

        return torchvision

    sys.path.append(str(FOLDER))
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

    torchvision.kept = library  # the declarations last as long as this does
    return torchvision
