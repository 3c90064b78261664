"""AlexNet (Krizhevsky et al., 2012): deep, ReLU, dropout, overlapping pools, two GPUs.

The paper says 224×224; (224 − 11)/4 + 1 = 54.25 does not give its 55, and 227 does. One tower is what notes teach:
every filter sees all channels. Two towers are what ran, one on each GPU, joined only in CONV3. The third form is the
one that weights are published for (Krizhevsky, 2014).
"""

from functools import partial

from striate.nets.zoo import Entry


def alexnet(groups: int, classes: int) -> str:
    """CONV1 … CONV5 with local response normalisation; `groups` is 2 where the towers do not see each other."""
    lrn = "lrn 5 alpha 1e-4 beta 0.75 k 2"
    return f"""
        stage1: conv 11x11x96 s4, relu, {lrn}, maxpool 3 s2
        stage2: conv 5x5x256 p2 g{groups}, relu, {lrn}, maxpool 3 s2
        stage3: conv 3x3x384 p1, relu, conv 3x3x384 p1 g{groups}, relu, conv 3x3x256 p1 g{groups}, relu, maxpool 3 s2
        head: fc 4096, relu, dropout 0.5, fc 4096, relu, dropout 0.5, fc {classes}"""


def alexnet_torchvision(classes: int) -> str:
    """64 filters first, no normalisation, padding that makes 224 fit."""
    return f"""
        stage1: conv 11x11x64 s4 p2, relu, maxpool 3 s2
        stage2: conv 5x5x192 p2, relu, maxpool 3 s2
        stage3: conv 3x3x384 p1, relu, conv 3x3x256 p1, relu, conv 3x3x256 p1, relu, maxpool 3 s2
        head: adaptpool 6x6, flatten, dropout 0.5, fc 4096, relu, dropout 0.5, fc 4096, relu, fc {classes}"""


NETWORKS = [
    Entry(
        "alexnet",
        partial(alexnet, 1),
        "227x227x3",
        2012,
        "deep, ReLU, dropout, overlapping pools; one tower, as notes teach it",
    ),
    Entry("alexnet_towers", partial(alexnet, 2), "227x227x3", 2012, "the same split over two GPUs, as it ran"),
    Entry("alexnet_torchvision", alexnet_torchvision, "224x224x3", 2014, "the form that weights are published for"),
]
