"""Files of tensors that certify themselves: the sum of a file stands in the file, so one rename is the whole write.

They are plain safetensors, which any reader opens. The header begins with the SHA-256 of the whole file, taken while
zeros stood in the sum's place; so no byte can change unnoticed, be it of a number, a name, a shape or the sum itself.
"""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from striate.errors import StriateError, WeightsError
from striate.files import write_whole
from striate.nets.damaged import damage

OPENING = b'{"__metadata__":{"sha256":"'  # how the header of each sealed file begins; the sum follows
SUM_AT = 8 + len(OPENING)  # after 8 bytes that give the header's length
NO_SUM = b"0" * 64
BLOCK = 2**20  # bytes read at once
DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def save_sealed(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> str:
    """Write tensors whole and sealed, or leave the file that was there; gives the file's sum.

    Parameters
    ----------
    path
        where, ending in .safetensors
    tensors, about
        as for `sealing`
    """
    write, sums = sealing(tensors, about), []
    write_whole(path, lambda file: sums.append(write(file)))
    return sums[0]


def sealing(tensors: dict[str, Tensor], about: dict[str, Any]) -> Callable[[BinaryIO], str]:
    """What writes a sealed file, and then gives its sum.

    The tensors are written one by one, so a network on an accelerator takes no more of the computer's memory than its
    largest tensor; the safetensors library would want copies of them all, contiguous and sharing no memory.

    Parameters
    ----------
    tensors
        by name; on any device, of any strides; those that share memory are written as often as they are named
    about
        what JSON can hold, kept in the header
    """
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES:
            known = ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)
            raise StriateError(f"a file of tensors holds {known}, but '{name}' is {tensor.dtype}")
    # the wide ones first, so that each starts at a multiple of its own width: readers look at the bytes where they lie
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header = _header({name: tensors[name] for name in names}, about)

    def write(file: BinaryIO) -> str:
        total = sha256(header)
        file.write(header)
        for name in names:
            content = tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
            total.update(content)
            file.write(content)
        file.seek(SUM_AT)
        file.write(total.hexdigest().encode())
        return total.hexdigest()

    return write


def _header(tensors: dict[str, Tensor], about: dict[str, Any]) -> bytes:
    """What stands before the numbers: the length of the JSON that follows, and which tensor lies where."""
    rows: dict[str, Any] = {"__metadata__": {"sha256": NO_SUM.decode(), "striate": json.dumps(about)}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.nbytes
        rows[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(rows, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers start at a multiple of 8
    return len(text).to_bytes(8, "little") + text


def load_sealed(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file that `save_sealed` wrote, if each of its bytes is as it was written.

    Parameters
    ----------
    path
        the file
    """
    from safetensors import safe_open

    try:
        check_seal(path)
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            return tensors, json.loads(file.metadata()["striate"])
    except FileNotFoundError:
        raise WeightsError(f"a file of tensors must be there, but {path} is not") from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error


def stated_sum(path: Path) -> str:
    """The SHA-256 that a sealed file states of itself; `load_sealed` says whether it is true."""
    with path.open("rb") as file:
        file.seek(SUM_AT)
        return file.read(len(NO_SUM)).decode("ascii", "replace")


def check_seal(path: Path) -> None:
    """Refuse a sealed file if any of its bytes is not as it was written.

    Parameters
    ----------
    path
        the file
    """
    with path.open("rb") as file:
        start = file.read(SUM_AT + len(NO_SUM))
        stated = start[SUM_AT:]
        total = sha256(start[:SUM_AT] + NO_SUM)
        while block := file.read(BLOCK):
            total.update(block)
    if start[8:SUM_AT] == OPENING and stated == total.hexdigest().encode():
        return
    if not _opens(path):
        raise WeightsError(f"{path} is not a sound safetensors file: {damage(path)}")
    if start[8:SUM_AT] != OPENING:
        raise WeightsError(
            f"{path} must carry striate's seal, but has none: another program wrote it, or it was damaged"
        )
    raise WeightsError(
        f"the bytes of {path} must be those that were written, but their SHA-256 is not the one it states"
    )


def _opens(path: Path) -> bool:
    """Whether the reader of safetensors finds nothing wrong."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt"):
            return True
    except SafetensorError:
        return False
