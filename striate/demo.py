"""`striate demo`: a network learns handwritten digits before your eyes, in less than a minute."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from striate.train.run import Run

NEXT = """
Three things to try next:
  striate shapes lenet5 --explain          every layer of this network, with its sums worked out
  striate train FOLDER                     the same with your own photos: a folder of them for each class
  striate runs {folder}                     what this run was, in a line; its report is {folder}/report.html
"""


def demo(output: Path = Path("demo"), *, seed: int = 0) -> "Run":
    """Train LeNet-5 on 1,797 handwritten digits, which come with the installation.

    The digits are 8×8 pixels, enlarged to the 32×32 that LeNet takes.

    Parameters
    ----------
    output
        the run's folder
    seed
        of everything random
    """
    from striate.train.train import train

    run = train("digits", "lenet5", epochs=40, seed=seed, output=output)
    assert run is not None
    return run
