"""The vocabulary of the layer notation: layers, their options, and the many ways in which notes spell them."""

import re

# what a word may be called, the name that is printed back first
LAYERS = {
    "conv": ("convolution", "conv2d"),
    "depthwise": ("dwconv",),
    "pointwise": (),  # a conv of 1x1
    "maxpool": (),
    "avgpool": ("averagepool", "meanpool"),
    "globalpool": ("globalavgpool", "gap"),
    "globalmaxpool": (),
    "adaptpool": (),
    "lrn": ("norm", "localresponsenorm"),
    "bn": ("batchnorm",),
    "layernorm": (),
    "relu": (),
    "relu6": (),
    "leakyrelu": (),
    "tanh": (),
    "sigmoid": (),
    "silu": ("swish",),
    "gelu": (),
    "hardswish": (),
    "dropout": (),
    "droppath": (),
    "flatten": (),
    "fc": ("dense", "linear", "fullyconnected"),
    "softmax": (),
    "widen": (),
    "scale": (),
    "identity": (),
}
OPTIONS = {
    "s": ("stride", "strides"),
    "p": ("pad", "padding"),
    "g": ("group", "groups"),
    "d": ("dilation",),
    "f": ("filtersize",),
    "n": (),
    "eps": (),
    "momentum": (),
    "alpha": (),
    "beta": (),
    "k": (),
}
FLAGS = {
    "same": (),
    "valid": (),
    "ceil": (),
    "nobias": (),
    "zero": ("zeros",),
    "reflect": ("mirror",),
    "replicate": ("extend",),
    "circular": ("wrap",),
}
KEYWORDS = ("aux", "input")
# words of running text in lecture notes that carry no number of their own
NOISE = {
    "filter",
    "filters",
    "kernel",
    "kernels",
    "neurons",
    "units",
    "at",
    "of",
    "with",
    "and",
    "layer",
    "window",
    "normalization",
}


def spellings(table: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {spelling: name for name, others in table.items() for spelling in (name, *others)}


LAYER, OPTION, FLAG = spellings(LAYERS), spellings(OPTIONS), spellings(FLAGS)


def normalise(text: str) -> str:
    """One spelling for the many ways in which sizes and layer names are printed."""
    text = re.sub(r"#.*", "", text).lower().replace("×", "x").replace("pooling", "pool")
    text = re.sub(r"(?<=\d)\s*x\s*(?=-?\d)", "x", text)
    text = re.sub(
        r"\b(max|avg|average|mean|global|globalavg|globalmax)[\s\-_]+(?=(avg|average|max)?[\s\-_]*pool)", r"\1", text
    )
    text = re.sub(r"\bglobal(average|mean)", "globalavg", text)
    text = re.sub(
        r"\b(batch|local\s*response|layer)[\s\-_]*norm(ali[sz]ation)?\b",
        lambda m: re.sub(r"\s", "", m[1]) + "norm",
        text,
    )
    text = re.sub(r"(?<=neurons)\s*\([^()]*\)", "", text)  # 1000 neurons (class scores)
    return re.sub(r"\b(fully)[\s\-_]+(connected)\b", r"\1\2", text)
