"""What the hardware computes with."""

from pathlib import Path

import torch


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and processor_has_bfloat16()


def processor_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware, and PyTorch lets it."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512":  # $ATEN_CPU_CAPABILITY may hold it back
        return False
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return "avx512_bf16" in flags or "amx_bf16" in flags
