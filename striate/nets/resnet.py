"""ResNet (He et al., 2015): a block learns what to add to its input, so that depth no longer hurts."""

from functools import partial

from striate.nets.zoo import Entry

DEPTHS = {  # blocks in each stage: table 1 of the paper
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def basic(width: int, stride: int) -> str:
    """3×3, 3×3."""
    return f"conv 3x3x{width} s{stride} p1 nobias, bn, relu, conv 3x3x{width} p1 nobias, bn"


def bottleneck(width: int, stride: int) -> str:
    """1×1 down, 3×3, 1×1 up to four times the width; the stride is in the 3×3, as in all published weights since."""
    return f"""conv 1x1x{width} nobias, bn, relu, conv 3x3x{width} s{stride} p1 nobias, bn, relu,
               conv 1x1x{4 * width} nobias, bn"""


def resnet(depth: int, classes: int, stride_first: bool = False) -> str:
    """`stride_first` puts the stride of a bottleneck into its first 1×1, as the paper did."""
    body, widening = (basic, 1) if depth < 50 else (bottleneck, 4)
    stages, before = [], 64
    for n, blocks in enumerate(DEPTHS[depth]):
        width, stride = 64 * 2**n, 1 if n == 0 else 2
        first = body(width, stride)
        if stride_first and depth >= 50:
            first = first.replace(f"1x1x{width} nobias", f"1x1x{width} s{stride} nobias", 1).replace(
                f"3x3x{width} s{stride}", f"3x3x{width}"
            )
        # the first block of a stage changes the shape, so its shortcut is a projection
        shortcut = (
            f" | conv 1x1x{widening * width} s{stride} nobias, bn" if before != widening * width or stride > 1 else ""
        )
        stages.append(f"stage{n + 1}: (({first}{shortcut})+ relu) (({body(width, 1)})+ relu)x{blocks - 1}")
        before = widening * width
    return "\n".join(
        [
            "stem: conv 7x7x64 s2 p3 nobias, bn, relu, maxpool 3 s2 p1",
            *stages,
            f"head: globalpool, flatten, fc {classes}",
        ]
    )


NETWORKS = [
    Entry(
        f"resnet{depth}",
        partial(resnet, depth),
        "224x224x3",
        2015,
        "a block adds to its input" + ("; 1×1 bottlenecks" if depth >= 50 else ""),
        options={"stride_first": False} if depth >= 50 else {},
    )
    for depth in DEPTHS
]
