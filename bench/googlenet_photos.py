"""How many photos BVLC's GoogLeNet names right, as striate loads it: top-1 and top-5, each with a 95 % interval.

    python -m bench.googlenet_photos FOLDER

FOLDER holds googlenet_bvlc.safetensors, imagenet_classes.txt (a WordNet id per output, in order) and
imagenet-sample/<WordNet id>_<name>.JPEG.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch

import striate.nets.build
from bench.googlenet_bvlc import GoogLeNet
from striate.nets.published import published


def interval(right: int, total: int) -> str:
    """Wilson's: '78.0 % (69.0 … 85.0)'."""
    z, p = 1.96, right / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return f"{100 * p:.1f} % ({100 * (middle - half):.1f} … {100 * (middle + half):.1f})"


@torch.no_grad()
def main(folder: Path) -> None:
    file = folder / "googlenet_bvlc.safetensors"
    network = striate.nets.build.net("googlenet", weights=file).eval()
    (record,) = published("googlenet")
    assert network.preprocess == record.preprocess
    ids = [line.split()[0] for line in (folder / "imagenet_classes.txt").read_text(encoding="utf-8").splitlines()]
    photos = sorted((folder / "imagenet-sample").glob("*.JPEG"))
    truth = torch.tensor([ids.index(photo.name.partition("_")[0]) for photo in photos])
    how = record.preprocess
    x = torch.from_numpy(np.stack([how.normalised(how.read(photo).pixels) for photo in photos]))
    logits = torch.cat([network(part) for part in x.split(20)])
    right = logits.topk(5).indices == truth[:, None]
    print(f"{len(photos)} photos")
    print(f"top-1  {interval(int(right[:, 0].sum()), len(photos))}; BVLC claims {record.top1} % of the validation set")
    print(f"top-5  {interval(int(right.any(1).sum()), len(photos))}")

    from safetensors.torch import load_file

    oracle = GoogLeNet().eval()
    oracle.load_state_dict(load_file(file))
    difference = (torch.cat([oracle(part) for part in x.split(20)]) - logits).abs().max()
    print(f"largest difference from a transcription's logits: {difference:.2g}; they reach {logits.abs().max():.3g}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the folder with the weights, the classes and the photos")
    main(parser.parse_args().folder)
