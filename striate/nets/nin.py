"""Network in Network (Lin et al., 2013): 1×1 convolutions are a small network at every pixel.

A mean over the picture replaces the big fully connected layers.
"""

from striate.nets.zoo import Entry


def nin(classes: int) -> str:
    """Four blocks of one convolution and two 1×1 convolutions; the last block has one map per class."""

    def block(window: str, filters: int, last: int | None = None) -> str:
        return f"conv {window}, relu, conv 1x1x{filters}, relu, conv 1x1x{last or filters}, relu"

    return f"""
        stage1: {block("11x11x96 s4", 96)}, maxpool 3 s2
        stage2: {block("5x5x256 p2", 256)}, maxpool 3 s2
        stage3: {block("3x3x384 p1", 384)}, maxpool 3 s2, dropout 0.5
        stage4: {block("3x3x1024 p1", 1024, classes)}
        head: globalpool, flatten"""


NETWORKS = [Entry("nin", nin, "227x227x3", 2013, "1×1 convolutions; a global mean instead of fully connected layers")]
