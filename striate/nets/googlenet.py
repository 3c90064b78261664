"""GoogLeNet (Szegedy et al., 2014): inception modules look with several window sizes at once.

1×1 convolutions before the large windows keep that cheap.
"""

from functools import partial

from striate.nets.zoo import Entry

TABLE = {  # table 1 of the paper: filters of 1×1, 3×3 after its reduction, 5×5 after its reduction, and after the pool
    "stage3": [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)],
    "stage4": [
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ],
    "stage5": [(256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)],
}


def googlenet(modern: bool, classes: int, naive: bool = False, auxiliary: bool = False) -> str:
    """The paper's form, or torchvision's: batch normalisation, 3×3 instead of 5×5, no local response normalisation.

    `naive` is the inception module before the 1×1 reductions; `auxiliary` adds the two side heads after 4a and 4d.
    """

    def conv(window: str) -> str:
        return f"conv {window} nobias, bn eps 1e-3, relu" if modern else f"conv {window}, relu"

    def inception(one: int, reduce3: int, three: int, reduce5: int, five: int, pool: int) -> str:
        large = f"3x3x{five} p1" if modern else f"5x5x{five} p2"
        if naive:
            return f"[{conv(f'1x1x{one}')} | {conv(f'3x3x{three} p1')} | {conv(large)} | maxpool 3 s1 p1]"
        return f"""[{conv(f"1x1x{one}")}
            | {conv(f"1x1x{reduce3}")}, {conv(f"3x3x{three} p1")}
            | {conv(f"1x1x{reduce5}")}, {conv(large)}
            | maxpool 3 s1 p1{" ceil" * modern}, {conv(f"1x1x{pool}")}]"""

    def stage(name: str) -> str:
        blocks = [inception(*row) for row in TABLE[name]]
        if auxiliary and name == "stage4":
            pool, drop = ("adaptpool 4x4", 0.7) if modern else ("avgpool 5 s3", 0.7)
            side = f"aux ({pool}, {conv('1x1x128')}, fc 1024, relu, dropout {drop}, fc {classes})"
            blocks = [blocks[0], side, *blocks[1:4], side, blocks[4]]
        return f"{name}: maxpool {2 if modern and name == 'stage5' else 3} s2 ceil, {', '.join(blocks)}"

    lrn = "" if modern else ", lrn 5 alpha 1e-4 beta 0.75 k 1"
    return f"""
        stem: {conv("7x7x64 s2 p3")}, maxpool 3 s2 ceil{lrn}
        stage2: {conv("1x1x64")}, {conv("3x3x192 p1")}{lrn}
        {" ".join(stage(name) for name in TABLE)}
        head: globalpool, flatten, dropout {0.2 if modern else 0.4}, fc {classes}"""


NETWORKS = [
    Entry(
        "googlenet",
        partial(googlenet, False),
        "224x224x3",
        2014,
        "inception: several window sizes at once, 1×1 bottlenecks",
        options={"naive": False, "auxiliary": False},
    ),
    Entry(
        "googlenet_torchvision",
        partial(googlenet, True),
        "224x224x3",
        2015,
        "the same with batch normalisation",
        options={"naive": False, "auxiliary": False},
    ),
]
