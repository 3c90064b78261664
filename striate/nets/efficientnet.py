"""EfficientNet (Tan and Le, 2019): one small network, B0, scaled in depth, width and resolution together.

The paper's rule is depth 1.2^φ, width 1.1^φ, resolution 1.15^φ. The published networks round it: the multipliers below
are theirs.
"""

import math
from functools import partial

from striate.nets.mobilenet import scaled
from striate.nets.zoo import Entry

B0 = [  # expansion, window, filters, blocks, first stride: table 1
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
]
SCALE = [  # width, depth, resolution, dropout, for φ = 0 … 7
    (1.0, 1.0, 224, 0.2),
    (1.0, 1.1, 240, 0.2),
    (1.1, 1.2, 260, 0.3),
    (1.2, 1.4, 300, 0.3),
    (1.4, 1.8, 380, 0.4),
    (1.6, 2.2, 456, 0.4),
    (1.8, 2.6, 528, 0.5),
    (2.0, 3.1, 600, 0.5),
]


def efficientnet(phi: int, classes: int, width: float | None = None, depth: float | None = None) -> str:
    """MobileNet v2's block with a squeeze-and-excite gate, scaled; by φ where `width` and `depth` are not given."""
    phi_width, phi_depth, _, dropout = SCALE[phi]
    width, depth = phi_width if width is None else width, phi_depth if depth is None else depth
    bn = "bn eps 1e-3 momentum 0.01" if phi >= 5 else "bn"
    rows = [(e, f, scaled(filters, width), math.ceil(blocks * depth), stride) for e, f, filters, blocks, stride in B0]
    total, done = sum(row[3] for row in rows), 0

    def block(expand: int, window: int, before: int, filters: int, stride: int) -> str:
        middle, squeezed = expand * before, max(1, before // 4)
        grow = f"conv 1x1x{middle} nobias, {bn}, silu, " if expand > 1 else ""
        gate = f"(globalpool, conv 1x1x{squeezed}, silu, conv 1x1x{middle}, sigmoid)*"
        spread = f"depthwise {window}x{window} s{stride} same nobias, {bn}, silu"
        body = f"{grow}{spread}, {gate}, conv 1x1x{filters} nobias, {bn}"
        # the deeper the block, the more often it is left out in training
        return f"({body}, droppath {0.2 * done / total:.4f})+" if stride == 1 and before == filters else f"({body})"

    before = scaled(32, width)
    lines = [f"stem: conv 3x3x{before} s2 p1 nobias, {bn}, silu"]
    for n, (expand, window, filters, blocks, stride) in enumerate(rows):
        stage = []
        for place in range(blocks):
            stage.append(block(expand, window, before, filters, stride if place == 0 else 1))
            before, done = filters, done + 1
        lines.append(f"stage{n + 1}: {' '.join(stage)}")
    return "\n".join(
        [
            *lines,
            f"stage8: conv 1x1x{4 * before} nobias, {bn}, silu",
            f"head: globalpool, flatten, dropout {dropout}, fc {classes}",
        ]
    )


NETWORKS = [
    Entry(
        f"efficientnet_b{phi}",
        partial(efficientnet, phi),
        f"{size}x{size}x3",
        2019,
        "depth, width and resolution scaled together",
        options={"width": width, "depth": depth},
    )
    for phi, (width, depth, size, _) in enumerate(SCALE)
]
