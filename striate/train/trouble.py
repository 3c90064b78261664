"""What goes wrong in a step: losses that are no numbers, and a full memory."""

from math import isfinite
from typing import Any

import torch
from torch import Tensor

from striate.data.batches import Batch
from striate.train.recipe import Recipe


class Losses:
    """Losses on their way from the device: a GPU's is read one step later, so that nobody waits for it."""

    def __init__(self, device: torch.device):
        self.waits = device.type != "cpu"
        self.bad: tuple[float, Batch] | None = None
        self._before: tuple[Tensor, Any, Batch] | None = None

    def newest(self, loss: Tensor, batch: Batch) -> float | None:
        """The newest loss that is known."""
        if not self.waits:
            value, known = float(loss), batch
        else:
            host = torch.empty((), dtype=loss.dtype, pin_memory=True)
            host.copy_(loss, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
            before, self._before = self._before, (host, event, batch)
            if before is None:
                return None
            before[1].synchronize()
            value, known = float(before[0]), before[2]
        if not isfinite(value):
            self.bad = value, known
        return value


def diverged(value: float, batch: Batch, names: list[str], step: int, recipe: Recipe) -> str:
    """What to say of a loss that is not a number.

    Parameters
    ----------
    value
        of the loss
    batch, names
        where it came, and what its pictures are called
    step, recipe
        of the training
    """
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    likely = f"the learning rate is too high: try --lr {recipe.lr / 10:.2g}"
    if recipe.precision == "float16":
        likely += ", or --precision bfloat16, which holds larger numbers"
    elif not recipe.clip:
        likely += ", or --clip 1"
    return (
        f"the loss is {value} in batch {batch.number + 1:,} of epoch {batch.epoch + 1} (step {step:,}); "
        f"most likely {likely}. The last checkpoint is as it was. The batch held {listed}"
    )


def out_of_memory(error: Exception) -> bool:
    """Whether an error means that the memory is full."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def too_large(pictures: int, parts: int) -> str:
    """What to say where the memory does not hold a part of a batch."""
    part = -(-pictures // parts)
    return (
        f"the memory does not hold a training step of {part} pictures; --accumulate {2 * parts} would "
        f"compute the same batch in smaller parts, and --batch-size auto finds out how many"
    )
