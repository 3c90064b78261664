"""`striate demo`: a network learns handwritten digits before your eyes."""

FIRST = """LeNet-5 learns 1,797 handwritten digits, which come with scikit-learn: 8×8 pixels, enlarged to LeNet's 32×32.
"""
NEXT = """
What to try next:
  striate shapes lenet5 --explain            every layer of this network, with its numbers worked out
  striate op edges photo.jpg -o edges.png    what the filters of a convolution do to a picture of yours
  striate train photos/                      the same with your own pictures: a folder for each class
  striate export {run} -o digits.onnx
                                             one file for production, and the proof that it answers alike"""


def demo(*, seed: int = 0) -> None:
    """Train LeNet-5 on handwritten digits: half a minute, no network needed.

    Parameters
    ----------
    seed
        of everything random
    """
    from striate.train.train import train

    print(FIRST)
    run = train("digits", "lenet5", epochs=30, distortion="digits", seed=seed)
    assert run  # there is one process
    print(run, NEXT.format(run=run.folder), sep="\n")


if __name__ == "__main__":
    demo()
