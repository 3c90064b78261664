"""A tour of what striate does, on a network and a picture of its own. `make demo` runs it and fills `demo/`."""

import shlex
from pathlib import Path

from striate.cli import main

FOLDER = Path("demo")
STEPS = [
    (
        "What a convolution does to a picture: eleven filters, with their signs.",
        ["op", "edges", "-o", str(FOLDER / "edges.png")],
    ),
    ("One output pixel, worked out by hand.", ["op", "conv", "--kernel", "sobel-x", "--show-work", "116,181"]),
    ("What happens at the border of a picture.", ["op", "pad", "-o", str(FOLDER / "borders.png")]),
    ("Why 7×7 with a 3×3 window and stride 3 does not fit.", ["op", "size", "7x7", "f3", "s3"]),
    ("LeNet-5, layer by layer, with every number worked out.", ["shapes", "lenet5", "--explain"]),
    (
        "A network of your own, in the words of the notes.",
        ["shapes", "conv 5x5x6, relu, maxpool 2, [conv 1x1x8 | conv 3x3x8 same], relu, fc 10", "--input", "32x32x3"],
    ),
    (
        "Ten years of networks, side by side.",
        ["shapes", "alexnet", "vgg16", "googlenet", "resnet50", "mobilenet_v2", "efficientnet_b0", "convnext_tiny"],
    ),
    ("ResNet-18 as a text, to copy and change.", ["text", "resnet18"]),
    (
        "What would harm learning from 1,797 handwritten digits, also as a page.",
        ["check", "digits", "--page", str(FOLDER / "check.html")],
    ),
    (
        "What training would make of a picture: eleven views, each drawn anew.",
        ["distort", "--preset", "photo", "-o", str(FOLDER / "views.png")],
    ),
]


def demo() -> None:
    """Run every step and say where the pictures are."""
    FOLDER.mkdir(exist_ok=True)
    for sentence, words in STEPS:
        print(f"\n── {sentence}\n\n$ striate {shlex.join(words)}\n")
        main(words)
    written = ", ".join(str(path) for path in sorted(FOLDER.glob("*.*")))
    print(f"\nTo look at: {written}\nNext: .venv/bin/striate --help, and the tour in README.md")


if __name__ == "__main__":
    demo()
