"""Weights become whole numbers so that a layer's outputs change least, by what it sees of pictures.

Each weight in turn goes to one of its two neighbours; what that changes in the outputs is made up for, as well as can
be, by the weights that are still to come. (The idea is that of GPTQ, by Frantar and others, 2023.)
"""

import numpy as np
import onnx_ir as ir

PLACES = 50  # of a picture that are looked at
AT_ONCE = 16  # pictures
LARGEST = 5_000  # inputs of an output; the products of more would fill hundreds of megabytes
DAMPING = 0.01  # of the mean square of the inputs: what they never were is not ruled out
TOGETHER = 128  # weights of an output for which what was lost before is summed up at once


class Products:
    """The inputs of a layer's outputs, multiplied by each other, on average over places of pictures.

    Parameters
    ----------
    node
        of a layer, Conv or Gemm
    weights
        (outputs, …)
    """

    def __init__(self, node: ir.Node, weights: np.ndarray):
        (read, *_) = node.inputs
        assert read
        self.activation = read.name or ""
        self.kernel = weights.shape[2:]  # none of a fully connected layer
        self.strides, self.dilations = (node.attributes.get_ints(name, [1, 1]) for name in ("strides", "dilations"))
        self.pads = node.attributes.get_ints("pads", [0, 0, 0, 0])
        self.waiting: list[np.ndarray] = []  # (inputs, places), to be multiplied at once
        self.sum, self.places = np.zeros((0, 0), np.float32), 0

    @classmethod
    def of(cls, node: ir.Node, weights: np.ndarray) -> "Products | None":
        """The same; None where a layer's weights go to the nearest whole numbers."""
        in_groups = node.attributes.get_int("group", 1) > 1  # outputs of a few weights, each group with its own inputs
        return None if in_groups or weights[0].size > LARGEST else cls(node, weights)

    def add(self, activation: np.ndarray, draw: np.random.Generator) -> None:
        """Look at a picture.

        Parameters
        ----------
        activation
            what the layer reads: (1, channels, rows, columns), or (1, inputs) of a fully connected layer
        draw
            of the places
        """
        self.waiting.append(self._patches(activation[0], draw) if self.kernel else activation.T)
        if len(self.waiting) == AT_ONCE:
            self.mean()

    def mean(self) -> np.ndarray:
        """(inputs, inputs), of all pictures so far."""
        if self.waiting:
            seen = np.concatenate(self.waiting, 1)
            product, self.waiting = seen @ seen.T, []
            self.sum = self.sum + product if self.places else product
            self.places += seen.shape[1]
        return self.sum / self.places

    def _patches(self, activation: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        top, left, bottom, right = self.pads
        padded = np.pad(activation, ((0, 0), (top, bottom), (left, right)))
        reach = [step * (size - 1) + 1 for step, size in zip(self.dilations, self.kernel, strict=True)]
        windows = np.lib.stride_tricks.sliding_window_view(padded, reach, (1, 2))
        windows = windows[:, :: self.strides[0], :: self.strides[1], :: self.dilations[0], :: self.dilations[1]]
        rows, columns = (draw.integers(size, size=PLACES) for size in windows.shape[1:3])
        return windows[:, rows, columns].transpose(0, 2, 3, 1).reshape(-1, PLACES)


def rounded(weights: np.ndarray, steps: np.ndarray, seen: Products | None) -> np.ndarray:
    """Whole numbers of steps.

    Parameters
    ----------
    weights
        (outputs, inputs)
    steps
        (outputs,) of each output's
    seen
        of the inputs
    """
    exact = np.ascontiguousarray((weights / steps[:, None].astype(np.float64)).T)  # (inputs, outputs)
    if seen is None:
        return np.rint(exact).T
    whole, lost = np.empty_like(exact), np.empty_like(exact)
    shares = _shares(seen.mean())
    for start in range(0, len(exact), TOGETHER):
        end = min(start + TOGETHER, len(exact))
        missing = shares[start:end, :start] @ lost[:start]
        for place in range(start, end):
            wanted = exact[place] + missing[place - start] + shares[place, start:place] @ lost[start:place]
            whole[place] = np.rint(wanted).clip(np.floor(exact[place]), np.ceil(exact[place]))
            lost[place] = exact[place] - whole[place]
    return whole.T


def _shares(products: np.ndarray) -> np.ndarray:
    """How much of what each input's weight lost the weights of later inputs make up for: (inputs, inputs), in rows.

    Changes d of an output's weights change the output by d·products·d in the mean square. With products = R·Rᵀ, R upper
    triangular, that is a sum of squares, of which the one of an input has no changes but its own and earlier ones.
    """
    damping = DAMPING * products.diagonal().mean() + np.finfo(np.float32).tiny
    damped = products[::-1, ::-1] + damping * np.eye(len(products))
    lower = np.linalg.cholesky(damped)[::-1, ::-1].T  # Rᵀ
    return lower / lower.diagonal()[:, None]
