"""The engines: each makes of a module a function from a batch to the module's outputs."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from striate.engine.export import INPUT

Outputs = tuple[np.ndarray, ...]  # one per output of the module, float32
Runner = Callable[[Tensor], Outputs]  # takes (batch, channels, height, width), float32
Type = Literal["float32", "bfloat16"]


def pytorch(module: nn.Module, device: torch.device, type: Type) -> Runner:
    """PyTorch, with a module that is on the device and has its weights in the order channels-last."""
    automatic = {"device_type": device.type, "dtype": torch.bfloat16, "enabled": type == "bfloat16"}

    def run(batch: Tensor) -> Outputs:
        with torch.inference_mode(), torch.autocast(**automatic):
            outputs = module(batch.to(device, memory_format=torch.channels_last))
        outputs = [outputs] if isinstance(outputs, Tensor) else outputs
        return tuple(output.float().contiguous().cpu().numpy() for output in outputs)

    return run


def onnx_runtime(model: bytes, threads: int) -> Runner:
    """ONNX Runtime on the processor, in float32."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # errors, which are raised as well; no remarks
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # its threads would wait in a loop, at the cost of those that decode pictures meanwhile
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(batch: Tensor) -> Outputs:
        return tuple(np.asarray(output) for output in session.run(None, {INPUT: batch.contiguous().numpy()}))

    return run


def openvino(model: bytes, threads: int, type: Type) -> Runner:
    """OpenVINO on the processor, in a precision that is said: by itself it takes bfloat16 where there is any."""
    from openvino import Core  # pyright: ignore[reportMissingImports]

    settings = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[type],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",  # all threads on one batch
    }
    core = Core()
    request = core.compile_model(core.read_model(model), "CPU", settings).create_infer_request()

    def run(batch: Tensor) -> Outputs:
        found = request.infer({0: batch.contiguous().numpy()})
        return tuple(found[i] for i in range(len(found)))

    return run


def has_openvino() -> bool:
    """Whether OpenVINO is installed, which is an extra."""
    return find_spec("openvino") is not None
