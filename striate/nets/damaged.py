"""What is wrong with a safetensors file that its reader refused."""

import json
from pathlib import Path


def damage(path: Path) -> str:
    """The rule of the format that a file breaks: 8 bytes of length, a JSON header, data."""
    content = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if start[:2] == b"PK":
            return "it is a zip archive, as torch.save writes; rename it to .pth"
        if content < 8:
            return f"it must begin with 8 bytes that give its header's length, but has {content} in all"
        if length > content - 8:
            return (
                f"its header claims {length:,} bytes, but {content - 8:,} follow; "
                "it was cut off, or is no safetensors file"
            )
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError):
            header = None
    if not isinstance(header, dict):
        return "its header must be JSON that gives each tensor's dtype, shape and offsets, but is not"
    header.pop("__metadata__", None)
    ends, data = 0, content - 8 - length
    try:
        for name, row in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            begin, end = row["data_offsets"]
            if begin != ends:
                return (
                    f"tensor '{name}' must begin where the one before ends, at byte {ends:,}, but begins at {begin:,}"
                )
            if end > data:
                return (
                    f"tensor '{name}' ends at byte {end:,}, but {data:,} bytes of data follow the header; "
                    "it was cut off or damaged"
                )
            ends = end
    except (KeyError, TypeError, ValueError):
        return "its header must give each tensor's dtype, shape and offsets, but does not"
    if ends != data:
        return f"its header tells of {ends:,} bytes of data, but {data:,} follow; it was cut off or damaged"
    return "a tensor has a dtype that does not exist, or a dtype and shape that do not make its number of bytes"
