"""VGG (Simonyan and Zisserman, 2014): nothing but 3×3 convolutions and 2×2 pools, deeper and deeper."""

from functools import partial

from striate.nets.zoo import Entry

FILTERS = (64, 128, 256, 512, 512)
DEPTHS = {  # convolutions in each stage: columns A, B, D and E of the paper's table 1
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def vgg(depth: int, norm: bool, classes: int) -> str:
    """conv 3×3, ReLU as often as the table says, then a pool; other pictures than 224×224 end in 7×7 all the same."""
    layers = {f: f"conv 3x3x{f} p1, {'bn, ' if norm else ''}relu, " for f in FILTERS}
    stages = [f"stage{n + 1}: {layers[f] * DEPTHS[depth][n]}maxpool 2" for n, f in enumerate(FILTERS)]
    return "\n".join(
        [*stages, f"head: adaptpool 7x7, flatten, fc 4096, relu, dropout 0.5, fc 4096, relu, dropout 0.5, fc {classes}"]
    )


NETWORKS = [
    Entry(f"vgg{depth}{'_bn' * norm}", partial(vgg, depth, norm), "224x224x3", 2014 + norm, idea)
    for norm, idea in ((False, "only 3×3 convolutions, deeper"), (True, "the same with batch normalisation"))
    for depth in DEPTHS
]
