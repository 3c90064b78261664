"""Convolution as it is first taught: four nested loops and one window at a time.

Slow and plain; `conv.convolve` computes the same without the loops over places, and more (strides per axis, borders,
dilation, groups).
"""

import numpy as np

from striate.ops.size import Window


def conv_single_step(window: np.ndarray, weights: np.ndarray, bias: float) -> float:
    """One filter at one place: multiply what lies on top of each other, sum up, add the bias.

    Parameters
    ----------
    window
        what the filter sees, (channels, height, width)
    weights
        the filter, of the same shape
    bias
        a number added to the sum
    """
    products = window * weights
    return float(np.sum(products) + bias)


def conv_forward(
    pictures: np.ndarray, weights: np.ndarray, biases: np.ndarray, stride: int = 1, pad: int = 0
) -> np.ndarray:
    """Slide every filter over every picture, over a border of zeros.

    Parameters
    ----------
    pictures
        (batch, channels, height, width)
    weights
        (filters, channels, f_h, f_w)
    biases
        a number per filter
    stride
        the step down and to the right
    pad
        rows and columns of zeros around each picture

    >>> conv_forward(np.ones((1, 3, 6, 6)), np.ones((2, 3, 3, 3)), np.zeros(2)).shape
    (1, 2, 4, 4)
    """
    batch, _, n_h_prev, n_w_prev = pictures.shape
    filters, _, f_h, f_w = weights.shape
    n_h = Window(n_h_prev, f_h, stride, (pad, pad)).out  # floor((n + 2p − f) / s) + 1
    n_w = Window(n_w_prev, f_w, stride, (pad, pad)).out
    padded = np.pad(pictures, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((batch, filters, n_h, n_w))

    for i in range(batch):  # over the pictures
        for h in range(n_h):  # over the rows of the output
            vert_start = h * stride
            vert_end = vert_start + f_h
            for w in range(n_w):  # over its columns
                horiz_start = w * stride
                horiz_end = horiz_start + f_w
                for c in range(filters):  # over the filters, which are the channels of the output
                    window = padded[i, :, vert_start:vert_end, horiz_start:horiz_end]
                    out[i, c, h, w] = conv_single_step(window, weights[c], biases[c])
    return out
