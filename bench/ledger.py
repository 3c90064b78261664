"""From a name to a finished ledger: striate beside building torchvision's network and calling torchinfo's summary.

Both build the network, run through it and sum it up; striate's ledger holds the receptive fields as well. Striate
builds on the meta device, because it needs no weights; the peer builds as its users do. Their parameters must agree.
A network that torchvision has not is built by striate, with weights, for torchinfo.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.turns import Contestant, race
from striate.nets.zoo import zoo

# striate's name -> torchvision's, for every network that both have in the same form
NETWORKS = {
    "alexnet_torchvision": "alexnet",
    **{name: name for name in ("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn")},
    "googlenet_torchvision": "googlenet",
    **{f"resnet{depth}": f"resnet{depth}" for depth in (18, 34, 50, 101, 152)},
    "mobilenet_v2": "mobilenet_v2",
    **{f"efficientnet_b{number}": f"efficientnet_b{number}" for number in range(8)},
    "convnext_tiny": "convnext_tiny",
}


def striate(name: str) -> Callable[[], list[int]]:
    """Striate's ledger: rows, totals and notes."""
    import striate as st

    def run() -> list[int]:
        ledger = st.shapes(name)
        totals = ledger.totals
        assert ledger.table.rows
        return [totals.parameters, totals.macs]

    return run


def torchinfo(name: str) -> Callable[[], list[int]]:
    """torchvision's network, or striate's own where torchvision has none, and torchinfo's summary of it."""
    import striate as st
    from bench.peers import torchvision

    models = torchvision().models
    from torchinfo import summary

    theirs = NETWORKS.get(name)
    options = {"aux_logits": False, "init_weights": True} if theirs == "googlenet" else {}
    height, width, channels = (int(side) for side in zoo()[name].input.split("x"))

    def run() -> list[int]:
        network = getattr(models, theirs)(weights=None, **options) if theirs else st.net(name)
        told = summary(network, input_size=(1, channels, height, width), depth=20, verbose=0)
        return [told.total_params, told.total_mult_adds]

    return run


MEMORY = """
import resource, torch
import striate as st
{imports}
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{work}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024)
"""


def extra_memory() -> float:
    """MiB by which VGG-16's ledger raises a process' largest memory, after a ledger of LeNet-5 has loaded the code."""
    code = MEMORY.format(imports="str(st.shapes('lenet5'))", work="str(st.shapes('vgg16'))")
    root = Path(__file__).parents[1]
    return float(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=root).stdout
    )


def main(turns: int = 5) -> None:
    """Print the table."""
    print(f"{'network':22} {'striate':>32} {'peer':>36} {'ratio':>7}")
    slower = []
    for ours in zoo():
        with (
            Contestant("striate", "bench.ledger:striate", ours) as first,
            Contestant("torchinfo", "bench.ledger:torchinfo", ours) as second,
        ):
            race([first, second], turns)
        if first.work[0] != second.work[0]:
            raise SystemExit(f"{ours}: striate counts {first.work[0]:,} parameters, torchinfo {second.work[0]:,}")
        ratio = median(second.seconds) / median(first.seconds)
        peer = "torchvision + torchinfo" if ours in NETWORKS else "striate's, torchinfo"
        print(f"{ours:22} {first.result:>32} {second.result:>36} {ratio:6.1f}×  {peer}", flush=True)
        slower += [ours] if ratio < 1 else []
    print("\nslower than the peer:", ", ".join(slower) or "none")
    print(f"extra memory for VGG-16's ledger: {extra_memory():.1f} MiB (its weights would take 528 MiB)")
