"""LeNet-5 (LeCun et al., 1998), in the form of lecture notes today and in the form of the paper."""

from striate.nets.zoo import Entry


def lenet5(classes: int) -> str:
    """ReLU and max pooling on colour pictures: 62,958 parameters."""
    return f"""
        stage1: conv 5x5x8, relu, maxpool 2
        stage2: conv 5x5x16, relu, maxpool 2
        head: fc 120, relu, fc 84, relu, fc {classes}"""


def lenet5_1998(classes: int) -> str:
    """Tanh and mean pooling on digits. CONV2 sees all six maps; in the paper some connections are missing."""
    return f"""
        stage1: conv 5x5x6, tanh, avgpool 2
        stage2: conv 5x5x16, tanh, avgpool 2
        head: fc 120, tanh, fc 84, tanh, fc {classes}"""


NETWORKS = [
    Entry("lenet5_1998", lenet5_1998, "32x32x1", 1998, "convolve, pool, repeat, then classify: digits on cheques", 10),
    Entry("lenet5", lenet5, "32x32x3", 1998, "the same with ReLU, max pooling and colour, as notes teach it", 10),
]
