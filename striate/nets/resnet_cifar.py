"""The residual paper's networks for 32×32 pictures, and their plain twins: the experiment on depth.

6n + 2 layers: three stages of n blocks with 16, 32 and 64 filters. Shortcut A pads with zeros and has no parameters, so
that a plain twin has exactly as many; B projects where the shape changes; C projects everywhere.
"""

from functools import partial

from striate.errors import StriateError
from striate.nets.resnet import basic
from striate.nets.zoo import Entry

DEPTHS = (20, 32, 44, 56, 110)


def resnet_cifar(depth: int, plain: bool, classes: int, shortcut: str = "A") -> str:
    """`shortcut` is A, B or C."""
    if shortcut not in ("A", "B", "C"):
        raise StriateError(
            "a shortcut is A (padding), B (projection where the shape changes) or C (projection everywhere), "
            f"but is {shortcut}"
        )

    def block(width: int, stride: int) -> str:
        body = basic(width, stride)
        if plain:
            return f"({body}, relu)"
        if shortcut == "C" or (shortcut == "B" and stride > 1):
            return f"(({body} | conv 1x1x{width} s{stride} nobias, bn)+ relu)"
        return f"(({body} | widen {width} s{stride})+ relu)" if stride > 1 else f"(({body})+ relu)"

    blocks = (depth - 2) // 6
    stages = [
        f"stage{n + 1}: {block(16 * 2**n, 1 if n == 0 else 2)} {block(16 * 2**n, 1)}x{blocks - 1}" for n in range(3)
    ]
    return "\n".join(["stem: conv 3x3x16 p1 nobias, bn, relu", *stages, f"head: globalpool, flatten, fc {classes}"])


NETWORKS = [
    Entry(f"{kind}{depth}", partial(resnet_cifar, depth, kind == "plain"), "32x32x3", 2015, idea, 10, options)
    for kind, idea, options in (
        ("resnet", "residual, for small pictures", {"shortcut": "A"}),
        ("plain", "its twin without shortcuts: deeper trains worse", {}),
    )
    for depth in DEPTHS
]
