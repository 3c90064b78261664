"""The fastest engine for a module on this machine: each is timed on real pictures, and must give PyTorch's numbers."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from striate.engine.export import exported
from striate.engine.processor import has_bfloat16
from striate.engine.quick import quick
from striate.engine.runners import Outputs, Runner, Type, has_openvino, onnx_runtime, openvino, pytorch
from striate.errors import one_of
from striate.show.numbers import count, exact

# how far an engine's outputs may be from PyTorch's in float32, in standard deviations of the output
TOLERANCE: dict[Type, float] = {"float32": 1e-3, "bfloat16": 0.25}
FEW = 8  # pictures to time engines on: with four times as many, they did as many a second
SECONDS = 1.0  # of timing, after which no further turn begins
MOST = 10  # turns
CLOSE = 1.5  # times the best time up to which an engine is timed again
WORTH = 20.0  # seconds of work for PyTorch from which on others are tried: to prepare them takes five to ten

Precision = Literal["full", "fast"]


@dataclass
class Engine:
    """A module, ready to be run by one thread at a time.

    Parameters
    ----------
    name
        what runs it: PyTorch, ONNX Runtime, OpenVINO
    type
        the numbers that it computes with
    run
        (batch, channels, height, width) in float32 -> the module's outputs
    told
        what was timed, and what was not used and why, in lines for the user
    difference
        its outputs' largest difference from PyTorch's in float32, in standard deviations of the output
    seconds
        of its fastest run of the example
    """

    name: str
    type: Type
    run: Runner
    told: list[str] = field(default_factory=list)
    difference: float = 0.0
    seconds: float = float("inf")

    def __call__(self, batch: Tensor) -> Outputs:
        """(batch, channels, height, width) in float32 -> an array in float32 for each output of the module."""
        return self.run(batch)

    def __str__(self) -> str:
        return self.name if self.type == "float32" else f"{self.name} in {self.type}"

    def time(self, batch: Tensor) -> None:
        """Run once more, and keep the time if it is the best so far."""
        start = perf_counter()
        self.run(batch)
        self.seconds = min(self.seconds, perf_counter() - start)


def fastest(
    module: nn.Module,
    example: Tensor,
    device: str | torch.device = "cpu",
    precision: Precision = "full",
    pictures: int | None = None,
) -> Engine:
    """The fastest engine that gives the numbers of PyTorch in float32. It runs a copy of the module, in evaluation.

    Parameters
    ----------
    module
        takes pictures, gives one tensor or a tuple of them
    example
        the first batch, (batch, channels, height, width): engines are timed on its first eight pictures
    device
        where PyTorch runs; the other engines run on the processor alone
    precision
        full: float32; fast: bfloat16 as well, where the hardware has it
    pictures
        how many will be run; if PyTorch is done with them soon, nothing else is tried

    >>> from striate.nets.build import net
    >>> engine = fastest(net("lenet5")[:-1], torch.rand(4, 3, 32, 32), pictures=1000)
    >>> str(engine), engine(torch.rand(2, 3, 32, 32))[0].shape
    ('PyTorch', (2, 16, 5, 5))
    """
    one_of("precision", precision, Precision)
    device = torch.device(device)
    module = quick(copy.deepcopy(module).eval().to(device))
    plain = Engine("PyTorch", "float32", pytorch(module, device, "float32"))
    example = example[:FEW]
    expected = plain(example)
    plain.time(example)
    engines, told = [plain], []
    needed = plain.seconds / len(example) * (pictures or 0)
    if pictures is not None and needed < WORTH:
        told.append(f"PyTorch needs about {needed:.1f} s for {count(pictures, 'picture')}: nothing else was tried")
    else:
        for name, type, make in others(module, example, device, precision, told):
            try:
                engine = Engine(name, type, make())
                engine.difference = difference(engine(example), expected)
            except Exception as error:  # whatever an engine raises: PyTorch does the work as well
                told.append(f"{name} in {type} is not used: {reason(error)}")
                continue
            if engine.difference <= TOLERANCE[type]:
                engines.append(engine)
            else:
                told.append(
                    f"{name} in {type} is not used: its outputs are up to {engine.difference:.2g} standard deviations "
                    f"from those of PyTorch, and at most {TOLERANCE[type]:g} is allowed"
                )
    take_turns(engines, example)
    engines.sort(key=lambda engine: engine.seconds)
    speeds = ", ".join(f"{engine} {rate(len(example) / engine.seconds)}" for engine in engines)
    best = engines[0]
    if best is not plain:
        speeds += f"; largest difference from PyTorch {best.difference:.1g} of an output's standard deviation"
    best.told = [speeds, *told]
    return best


def others(
    module: nn.Module, example: Tensor, device: torch.device, precision: Precision, told: list[str]
) -> Iterator[tuple[str, Type, Callable[[], Runner]]]:
    """What else could run a module, by name, type of numbers and how it is made; what cannot is told."""
    types: list[Type] = ["float32"]
    if precision == "fast" and has_bfloat16(device):
        types.append("bfloat16")
        yield "PyTorch", "bfloat16", partial(pytorch, module, device, "bfloat16")
    elif precision == "fast":
        told.append("nothing here computes in bfloat16")
    if device.type != "cpu":
        told.append(f"ONNX Runtime and OpenVINO were not tried: here they run on the processor, not on {device.type}")
        return
    try:
        model = exported(module, example.shape[1:])
    except Exception as error:  # the exporter raises what it likes: PyTorch does the work as well
        told.append(f"ONNX Runtime and OpenVINO cannot run this network: its export fails by {reason(error)}")
        return
    threads = torch.get_num_threads()
    yield "ONNX Runtime", "float32", partial(onnx_runtime, model, threads)
    if not has_openvino():
        told.append("OpenVINO was not tried: it is not installed; pip install 'striate[openvino]' does")
        return
    for type in types:
        yield "OpenVINO", type, partial(openvino, model, threads, type)


def take_turns(engines: list[Engine], example: Tensor) -> None:
    """Time those without a time, then those near the best in turns: what else the machine does disturbs them alike."""
    start = perf_counter()
    racing = [engine for engine in engines if engine.seconds == float("inf")]
    for _ in range(MOST):
        for engine in racing:
            engine.time(example)
        best = min(engine.seconds for engine in engines)
        racing = [engine for engine in engines if engine.seconds <= CLOSE * best]
        if len(racing) == 1 or perf_counter() - start > SECONDS:
            break


def difference(outputs: Outputs, expected: Outputs) -> float:
    """The largest difference, in standard deviations of each output; not a number where an output is none."""
    if [output.shape for output in outputs] != [other.shape for other in expected]:
        return float("nan")
    with np.errstate(invalid="ignore", over="ignore"):  # infinite less infinite
        away = [np.abs(a - b).max() / (b.std() or 1.0) for a, b in zip(outputs, expected, strict=True)]
    return float(np.max(away))  # unlike max(), it passes on what is no number


def rate(per_second: float) -> str:
    """'61.3 pictures/s', '1,200 pictures/s'."""
    return f"{exact(round(per_second)) if per_second > 100 else f'{per_second:.1f}'} pictures/s"


def reason(error: BaseException) -> str:
    """What went wrong first, in a line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    line = next((line for line in lines if not line.endswith(":")), "")  # such a line only announces the next
    return f"{type(error).__name__}: {line[:200]}" if line else type(error).__name__
