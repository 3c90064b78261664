"""Events: the numbers of a training for TensorBoard, where that is installed."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any


class Events:
    """Writes a history's lines as TensorBoard's scalars.

    Parameters
    ----------
    writer
        torch.utils.tensorboard's
    """

    def __init__(self, writer: Any):
        self._writer = writer

    def add(self, line: dict[str, Any]) -> None:
        """Write the numbers of a line.

        Parameters
        ----------
        line
            of the kind step, epoch or note
        """
        for name, value in line.items():
            if isinstance(value, dict):  # of an epoch: training/loss, validation/top1
                for figure, number in value.items():
                    self._writer.add_scalar(f"{name}/{figure}", number, line["step"])
            elif isinstance(value, int | float) and name not in ("step", "best"):
                self._writer.add_scalar(name, value, line["step"])

    def close(self) -> None:
        """Write what is still held back."""
        self._writer.close()


def events(folder: Path) -> Events | None:
    """A writer into a folder; None where TensorBoard is not installed.

    Parameters
    ----------
    folder
        the run's
    """
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return Events(SummaryWriter(str(folder / "events")))
