"""Normalisation: across neighbouring channels (AlexNet) and across the batch."""

import numpy as np
from numpy.typing import ArrayLike

from striate.errors import GeometryError
from striate.ops.windows import pictures

Statistics = tuple[np.ndarray, np.ndarray]  # mean and variance, a number per channel each


def local_response_norm(
    x: ArrayLike, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0
) -> np.ndarray:
    """Divide each value by what its neighbouring channels answer at the same place.

        out[c] = x[c] / (k + alpha · Σ x[c′]²)^beta,   c′ over the `size` channels around c

    As the paper of AlexNet has it. PyTorch and Caffe divide alpha by `size`: their 5e-4 is 1e-4 here.

    Parameters
    ----------
    x
        feature maps (batch, channels, height, width)
    size
        how many channels are summed, the own one in the middle
    alpha, beta, k
        the constants of the equation
    """
    x = pictures(x)
    return x * _base(x, size, alpha, k) ** -beta


def local_response_norm_backward(
    gradient: ArrayLike, x: ArrayLike, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0
) -> np.ndarray:
    """The gradient with respect to the feature maps: through the value itself and through its neighbours' sums.

    Parameters
    ----------
    gradient
        of the loss with respect to the output
    x, size, alpha, beta, k
        as they were given to `local_response_norm`
    """
    x, gradient = pictures(x), np.asarray(gradient, float)
    base = _base(x, size, alpha, k)
    neighbours = _neighbours(x.shape[1], size)
    through_sums = np.einsum("ij, niyx -> njyx", neighbours, gradient * x * base ** (-beta - 1))
    return gradient * base**-beta - 2 * alpha * beta * x * through_sums


def _base(x: np.ndarray, size: int, alpha: float, k: float) -> np.ndarray:
    return k + alpha * np.einsum("ij, njyx -> niyx", _neighbours(x.shape[1], size), x**2)


def _neighbours(channels: int, size: int) -> np.ndarray:
    """1 where channel j (a column) is summed for channel i (a row); an even size reaches one further to the left."""
    offset = np.arange(channels)[None, :] - np.arange(channels)[:, None]
    return ((offset >= -(size // 2)) & (offset <= (size - 1) // 2)).astype(float)


def batch_norm(
    x: ArrayLike, scale: ArrayLike, shift: ArrayLike, running: Statistics | None = None, epsilon: float = 1e-5
) -> np.ndarray:
    """Give each channel mean 0 and variance 1, then scale and shift it.

    Parameters
    ----------
    x
        feature maps (batch, channels, height, width)
    scale, shift
        a learned number per channel each
    running
        the mean and variance to use, for inference; in training (None) they are the batch's own
    epsilon
        added to the variance, so that a still channel does not divide by zero
    """
    x = pictures(x)
    mean, variance = batch_statistics(x) if running is None else running
    normal = (x - _channels(mean)) / np.sqrt(_channels(variance) + epsilon)
    return normal * _channels(scale) + _channels(shift)


def batch_norm_backward(
    gradient: ArrayLike, x: ArrayLike, scale: ArrayLike, running: Statistics | None = None, epsilon: float = 1e-5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients with respect to the feature maps, the scale and the shift.

    In training the batch's mean and variance depend on every value, so two more terms flow back through them.

    Parameters
    ----------
    gradient
        of the loss with respect to the output
    x, scale, running, epsilon
        as they were given to `batch_norm`
    """
    x, gradient = pictures(x), np.asarray(gradient, float)
    mean, variance = batch_statistics(x) if running is None else running
    deviation = np.sqrt(_channels(variance) + epsilon)
    normal = (x - _channels(mean)) / deviation
    places = (0, 2, 3)
    scale_gradient, shift_gradient = (gradient * normal).sum(places), gradient.sum(places)
    direct = gradient * _channels(scale) / deviation
    if running is not None:
        return direct, scale_gradient, shift_gradient
    through_mean = direct.mean(places, keepdims=True)
    through_variance = normal * (direct * normal).mean(places, keepdims=True)
    return direct - through_mean - through_variance, scale_gradient, shift_gradient


def batch_statistics(x: ArrayLike) -> Statistics:
    """Mean and variance (over n, not n − 1) of each channel."""
    x = pictures(x)
    return x.mean((0, 2, 3)), x.var((0, 2, 3))


def update_running(running: Statistics, x: ArrayLike, momentum: float = 0.1) -> Statistics:
    """Move the running statistics towards a batch's own; the variance then over n − 1, as PyTorch keeps it.

    Parameters
    ----------
    running
        mean and variance so far
    x
        the batch (batch, channels, height, width)
    momentum
        the share of the batch in the result
    """
    x = pictures(x)
    if x[:, 0].size < 2:
        raise GeometryError(f"a variance needs at least 2 values per channel, but the shape {x.shape} has 1")
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), ddof=1)
    return (1 - momentum) * running[0] + momentum * mean, (1 - momentum) * running[1] + momentum * variance


def _channels(values: ArrayLike) -> np.ndarray:
    """A number per channel, ready to meet (batch, channels, height, width)."""
    return np.asarray(values, float)[:, None, None]
