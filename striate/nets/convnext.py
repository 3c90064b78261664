"""ConvNeXt (Liu et al., 2022): a residual network with what vision transformers taught."""

from striate.nets.zoo import Entry

STAGES = ((96, 3), (192, 3), (384, 9), (768, 3))  # filters, blocks


def convnext_tiny(classes: int) -> str:
    """7×7 depthwise, layer normalisation, a pixel's own network of two 1×1 convolutions, a learned small scale."""
    total, done, lines = sum(blocks for _, blocks in STAGES), 0, ["stem: conv 4x4x96 s4, layernorm"]
    for n, (width, blocks) in enumerate(STAGES):
        stage = [] if n == 0 else [f"layernorm, conv 2x2x{width} s2"]
        for _ in range(blocks):
            body = f"depthwise 7x7 p3, layernorm, conv 1x1x{4 * width}, gelu, conv 1x1x{width}, scale 1e-6"
            stage.append(f"({body}, droppath {0.1 * done / (total - 1):.4f})+")
            done += 1
        lines.append(f"stage{n + 1}: {', '.join(stage)}")
    return "\n".join([*lines, f"head: globalpool, layernorm, flatten, fc {classes}"])


NETWORKS = [
    Entry("convnext_tiny", convnext_tiny, "224x224x3", 2022, "a residual network with the lessons of transformers")
]
