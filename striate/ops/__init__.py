"""What the operators are: their equations in plain NumPy, forward and backward.

Said once, for every file of this room:

- pictures and feature maps are (batch, channels, height, width); weights of a convolution are (out, in, height, width);
- everything is computed in float64;
- `name(x, …)` is the forward pass; `name_backward(gradient, x, …)` takes the gradient of the loss with respect to what
  `name` returned, then what `name` was given, and returns the gradients with respect to that;
- a stride, window or dilation is one number or (vertical, horizontal); a padding is what `numpy.pad` takes: one number,
  (before, after) for both axes, or ((top, bottom), (left, right)); also "valid" and "same".
"""
