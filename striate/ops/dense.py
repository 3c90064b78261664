"""What stands between and after the convolutions: activations, fully connected, dropout, softmax with its loss."""

import numpy as np
from numpy.typing import ArrayLike

from striate.errors import GeometryError, StriateError


def fully_connected(x: ArrayLike, weights: ArrayLike, bias: ArrayLike) -> np.ndarray:
    """x Wᵀ + b.

    Parameters
    ----------
    x
        (batch, inputs)
    weights
        (outputs, inputs)
    bias
        a number per output
    """
    x, weights = np.asarray(x, float), np.asarray(weights, float)
    if x.ndim != 2 or weights.ndim != 2 or x.shape[1] != weights.shape[1]:
        raise GeometryError(
            "fully connected takes (batch, inputs) and weights (outputs, inputs), "
            f"but has {x.shape} and {weights.shape}"
        )
    return x @ weights.T + np.asarray(bias, float)


def fully_connected_backward(
    gradient: ArrayLike, x: ArrayLike, weights: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients with respect to the input, the weights and the bias."""
    gradient = np.asarray(gradient, float)  # (batch, outputs)
    return gradient @ np.asarray(weights, float), gradient.T @ np.asarray(x, float), gradient.sum(axis=0)


def relu(x: ArrayLike) -> np.ndarray:
    """max(x, 0)."""
    return np.maximum(np.asarray(x, float), 0)


def relu_backward(gradient: ArrayLike, x: ArrayLike) -> np.ndarray:
    """The derivative is 1 above 0 and 0 elsewhere; at 0 itself it is taken as 0."""
    return np.where(np.asarray(x) > 0, np.asarray(gradient, float), 0)


def tanh(x: ArrayLike) -> np.ndarray:
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)."""
    return np.tanh(np.asarray(x, float))


def tanh_backward(gradient: ArrayLike, x: ArrayLike) -> np.ndarray:
    """The derivative is 1 − tanh²."""
    return np.asarray(gradient, float) * (1 - tanh(x) ** 2)


def sigmoid(x: ArrayLike) -> np.ndarray:
    """1 / (1 + e⁻ˣ).

    >>> sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    return (1 + np.tanh(np.asarray(x, float) / 2)) / 2  # the same function, and it never overflows


def sigmoid_backward(gradient: ArrayLike, x: ArrayLike) -> np.ndarray:
    """The derivative is sigmoid · (1 − sigmoid)."""
    return np.asarray(gradient, float) * sigmoid(x) * (1 - sigmoid(x))


def softmax(logits: ArrayLike) -> np.ndarray:
    """Numbers (batch, classes) as probabilities: eˣ, divided by the sum over the classes."""
    return np.exp(_log_softmax(logits))


def cross_entropy(logits: ArrayLike, labels: ArrayLike) -> float:
    """Softmax and the mean of −log p(label).

    Parameters
    ----------
    logits
        (batch, classes), before softmax
    labels
        the number of the right class of each

    >>> round(cross_entropy([[0.0, 0.0]], [1]), 4)  # two classes, undecided: log 2
    0.6931
    """
    log_p = _log_softmax(logits)
    return float(-log_p[np.arange(len(log_p)), _labels(labels, log_p)].mean())


def cross_entropy_backward(logits: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """The gradient with respect to the logits: p, less 1 at the label, over the batch.

    The loss is the end of the forward pass, so no gradient comes in.
    """
    p = softmax(logits)
    p[np.arange(len(p)), _labels(labels, p)] -= 1
    return p / len(p)


def dropout(x: ArrayLike, rate: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Set a share of the values to 0 and scale the others up, so that the expected sum stays. For training only.

    Parameters
    ----------
    x
        values of any shape
    rate
        the probability that a value is dropped
    generator
        the source of chance, explicit so that it can be repeated

    Returns the values and the mask that they were multiplied with: 0, or 1 / (1 − rate).
    """
    if not 0 <= rate < 1:
        raise StriateError(f"a dropout rate must be at least 0 and less than 1, but is {rate}")
    x = np.asarray(x, float)
    mask = (generator.random(x.shape) >= rate) / (1 - rate)
    return x * mask, mask


def dropout_backward(gradient: ArrayLike, mask: np.ndarray) -> np.ndarray:
    """What was dropped learns nothing; `mask` is what `dropout` returned."""
    return np.asarray(gradient, float) * mask


def _log_softmax(logits: ArrayLike) -> np.ndarray:
    logits = np.asarray(logits, float)
    shifted = logits - logits.max(axis=-1, keepdims=True)  # the same probabilities, and eˣ never overflows
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _labels(labels: ArrayLike, scores: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    batch, classes = scores.shape
    if labels.shape != (batch,) or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
        raise StriateError(f"labels are {batch} whole numbers from 0 to {classes - 1}, but are {labels.tolist()}")
    return labels
