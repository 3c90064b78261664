"""Prove that striate's networks answer as torchvision's, timm's and BVLC's do, with the same weights and statistics.

Prints how far the logits differ, in their standard deviations, for every layout of `striate/nets/published/`, and that
each publisher's network loads what striate writes back, strictly.

    python -m bench.equal_logits            print the table
    python -m bench.equal_logits --write    and write the vectors of tests/golden/published.json
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import Tensor

from bench.publishers import theirs
from striate.nets.build import assemble
from striate.nets.naming import to_state_dict
from striate.nets.net import Net
from striate.nets.placing import own_tensors, place, set_epsilon
from striate.nets.published import Layout, layouts
from striate.nets.weight_files import Stored

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "nets"))
from pattern import picture, weight  # noqa: E402


def sizes(publisher: str, network: str) -> list[tuple[int, int]]:
    """Heights and widths to compare at: odd and unequal, so that padding and rows left over show."""
    if network.startswith("vgg"):  # timm's form slides its fully connected layers over larger pictures
        return [(224, 224)] if publisher == "timm" else [(97, 129), (224, 224)]
    if network == "googlenet":
        return [(224, 224), (239, 231)]
    return [(75, 107), (131, 97)] if network != "convnext_tiny" else [(75, 107), (128, 96)]


def ours_with(tensors: dict[str, Tensor], row: Layout) -> Net:
    """Our network with a publisher's tensors, placed by the layout's names."""
    built = assemble(row.network, None, None, row.options)
    place(built, Stored(Path(), "", tensors, None), list(row.tensors), "", torch.device("cpu"))
    set_epsilon(built, row.settings.get("batch_norm_eps"))
    return built.eval()


@torch.no_grad()
def prove(write: bool) -> None:
    golden, worst = {}, 0.0
    print(f"{'publisher':<12} {'network':<34} {'size':>9} {'logits':>10} {'difference':>11} {'back':>5}")
    for row in layouts():
        other = theirs(row.publisher, row.network, row.options).eval()
        tensors = {
            name: weight(name, tuple(other.state_dict()[name].shape)) for name in own_tensors(other.state_dict())
        }
        ours = ours_with(tensors, row)
        other.load_state_dict(to_state_dict(ours, row.publisher), strict=True)  # the way back, names and shapes
        other.load_state_dict(tensors, strict=False)  # their own weights again; the counters do not matter
        title = row.network + "".join(f" {option}" for option in row.options)
        for size in sizes(row.publisher, row.network):
            a, b = ours(picture(*size))[0], other(picture(*size))[0]
            spread = b.std().item()
            difference = (a - b).abs().max().item() / spread
            worst = max(worst, difference)
            shown = "×".join(map(str, size))
            differs = f"{difference:>11.2g} {'yes':>5}"
            print(f"{row.publisher:<12} {title:<34} {shown:>9} {spread:>10.3g} {differs}", flush=True)
            golden.setdefault(f"{row.publisher} {title}", vector(size, b))
    print(f"largest difference, in standard deviations of the logits: {worst:.2g}")
    if write:
        rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items())
        (ROOT / "tests" / "golden" / "published.json").write_text("{\n" + rows + "\n}\n", encoding="utf-8")


def vector(size: tuple[int, int], logits: Tensor) -> dict:
    """What is kept of 1,000 logits."""
    first = [float(f"{value:.7g}") for value in logits[:16]]
    return {"size": size, "logits": first, "mean": logits.mean().item(), "norm": logits.norm().item()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the golden vectors")
    prove(parser.parse_args().write)
