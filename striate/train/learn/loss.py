"""The loss: how wrong a network's outputs are, as one number."""

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.errors import StriateError

SIDE = 0.3  # what a side head weighs (Szegedy et al., 2014)


class Loss:
    """Cross entropy of one label per picture, or binary cross entropy of several; the mean over the pictures.

    With class weights, PyTorch's mean divides by the sum of the weights that happen to be in the batch. This one
    divides by the number of pictures: so the losses of a batch's parts, or of several processes, each times its share
    of the pictures, add up to the loss of the whole, and gradients do, too.

    Parameters
    ----------
    several
        whether a picture may have several labels
    smoothing
        share of each label that is spread over all classes; with several labels, that moves it towards 0.5
    weights
        (classes,) how much an error of each class counts; with several labels, an error where the label is there

    >>> loss = Loss(several=False)
    >>> loss(torch.zeros(2, 4), torch.tensor([0, 3]))  # a guess among 4 classes: log 4
    tensor(1.3863)
    """

    def __init__(self, several: bool, smoothing: float = 0.0, weights: Tensor | None = None):
        self.several, self.smoothing, self.weights = several, smoothing, weights

    def __call__(self, outputs: Tensor | tuple[Tensor, ...], labels: Tensor) -> Tensor:
        """The loss, a scalar, in float32 whatever the network computes in; float64 stays.

        Parameters
        ----------
        outputs
            (n, classes) logits; in a tuple, the others are side heads'
        labels
            (n,) int64 places in the classes, or (n, classes) shares of each; with several labels, 0 and 1 or between
        """
        if isinstance(outputs, Tensor):
            return self._of(outputs, labels)
        main, *side = outputs
        return self._of(main, labels) + SIDE * sum(self._of(head, labels) for head in side)

    def _of(self, logits: Tensor, labels: Tensor) -> Tensor:
        count, classes = logits.shape
        if labels.shape != logits.shape and (self.several or labels.shape != (count,)):
            shapes = f"{(count, classes)}" if self.several else f"{(count,)} or {(count, classes)}"
            raise StriateError(f"labels for these outputs have the shape {shapes}, but {tuple(labels.shape)}")
        if logits.dtype != torch.float64:
            logits = logits.float()
        if self.weights is not None:
            self.weights = self.weights.to(logits)  # from then on they are where the network is
        if labels.ndim == 2:
            labels = labels.to(logits.dtype)
        if self.several:
            smooth = labels + self.smoothing * (0.5 - labels)
            total = F.binary_cross_entropy_with_logits(logits, smooth, pos_weight=self.weights, reduction="sum")
            return total / (count * classes)
        total = F.cross_entropy(logits, labels, self.weights, reduction="sum", label_smoothing=self.smoothing)
        return total / count
