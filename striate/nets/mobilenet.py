"""MobileNet v1 (Howard et al., 2017) and v2 (Sandler et al., 2018): depthwise, then pointwise convolutions.

The width multiplier scales every number of filters; the resolution multiplier is the input size.
"""

from striate.errors import StriateError
from striate.nets.zoo import Entry

V1 = [  # filters and stride of each pointwise convolution and the depthwise one before it: table 1
    [(64, 1)],
    [(128, 2), (128, 1)],
    [(256, 2), (256, 1)],
    [(512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)],
    [(1024, 2), (1024, 1)],
]
V2 = [  # expansion, filters, blocks, first stride: table 2
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]


def scaled(filters: int, width: float) -> int:
    """Filters times the width multiplier, to the nearest multiple of 8, never more than a tenth below."""
    if width <= 0:
        raise StriateError(f"a width multiplier must be above 0, but is {width}")
    near = max(8, int(filters * width + 4) // 8 * 8)
    return near + 8 if near < 0.9 * filters * width else near


def mobilenet_v1(classes: int, width: float = 1.0) -> str:
    """Depthwise 3×3, pointwise 1×1, thirteen times."""

    def separable(filters: int, stride: int) -> str:
        return f"(depthwise 3x3 s{stride} p1 nobias, bn, relu, conv 1x1x{scaled(filters, width)} nobias, bn, relu)"

    stages = [f"stage{n + 1}: " + " ".join(separable(*row) for row in rows) for n, rows in enumerate(V1)]
    stem = f"stem: conv 3x3x{scaled(32, width)} s2 p1 nobias, bn, relu"
    return "\n".join([stem, *stages, f"head: globalpool, flatten, dropout 0.001, fc {classes}"])


def mobilenet_v2(classes: int, width: float = 1.0) -> str:
    """Inverted residual: expand, filter each channel, project linearly; the shortcut joins the narrow ends."""

    def block(expand: int, before: int, filters: int, stride: int) -> str:
        grow = f"conv 1x1x{expand * before} nobias, bn, relu6, " if expand > 1 else ""
        body = f"{grow}depthwise 3x3 s{stride} p1 nobias, bn, relu6, conv 1x1x{filters} nobias, bn"
        return f"({body})" + "+" * (stride == 1 and before == filters)

    before = scaled(32, width)
    lines = [f"stem: conv 3x3x{before} s2 p1 nobias, bn, relu6"]
    for n, (expand, filters, blocks, stride) in enumerate(V2):
        filters = scaled(filters, width)
        lines.append(
            f"stage{n + 1}: {block(expand, before, filters, stride)}"
            + f" {block(expand, filters, filters, 1)}" * (blocks - 1)
        )
        before = filters
    last = scaled(1280, max(1.0, width))  # the paper narrows the last layer never
    return "\n".join(
        [*lines, f"stage8: conv 1x1x{last} nobias, bn, relu6", f"head: globalpool, flatten, dropout 0.2, fc {classes}"]
    )


NETWORKS = [
    Entry(
        "mobilenet_v1",
        mobilenet_v1,
        "224x224x3",
        2017,
        "depthwise and pointwise instead of full convolutions",
        options={"width": 1.0},
    ),
    Entry(
        "mobilenet_v2",
        mobilenet_v2,
        "224x224x3",
        2018,
        "expand, filter depthwise, project linearly",
        options={"width": 1.0},
    ),
]
