"""A module as ONNX, the form that other engines read."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO

import torch
from torch import nn

INPUT = "pictures"  # the name of the one input


def exported(module: nn.Module, size: Sequence[int], outputs: Sequence[str] | None = None) -> bytes:
    """A module in evaluation, as an ONNX model for batches of any length.

    Parameters
    ----------
    module
        takes (batch, channels, height, width), gives one tensor or a tuple of them
    size
        channels, height and width of a picture
    outputs
        names of the outputs
    """
    batch = torch.zeros(2, *size)  # of 1 picture, PyTorch would take the length for a constant
    with quiet():
        program = torch.onnx.export(
            module,
            (batch,),
            input_names=[INPUT],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter returned nothing")
    return program.model_proto.SerializeToString()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep from users what the exporter tells its own authors.

    These are calls out of date, that torchvision is missing, and, where it fails, all of the module's code.
    """
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.fx")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            for kind in (FutureWarning, DeprecationWarning):
                warnings.simplefilter("ignore", kind)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
