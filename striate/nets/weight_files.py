"""Files of weights: safetensors, PyTorch's own, and names on Hugging Face. Nothing that a file holds is run."""

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from striate.errors import StriateError, WeightsError
from striate.nets.damaged import damage
from striate.preprocess import Preprocess

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
HUB_NAME = r"[\w-][\w.-]*/[\w-][\w.-]*"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
NESTS = ("state_dict", "model")  # where training scripts keep the weights beside an epoch and an optimiser
PREFIXES = {"module.": "parallel training", "_orig_mod.": "torch.compile"}  # what puts them before every name


@dataclass
class Stored:
    """The tensors of a file.

    Parameters
    ----------
    path
        the file
    source
        what the user asked for: the file, or the Hugging Face name
    tensors
        by name, as they stand in the file
    order
        the names in the order of the forward pass, where the file tells it
    notes
        what was done to read it
    about
        what striate wrote into it: the network that it is of, its preprocess and origin; None where it did not
    """

    path: Path
    source: str
    tensors: dict[str, Tensor]
    order: list[str] | None
    notes: list[str] = field(default_factory=list)
    about: dict[str, Any] | None = None


def open_weights(weights: str | Path) -> Stored:
    """Read a file, or fetch it from Hugging Face first.

    Parameters
    ----------
    weights
        a .safetensors, .pth, .pt or .bin file, or a Hugging Face name such as 'timm/resnet18.a1_in1k'
    """
    if not weights or not isinstance(weights, str | os.PathLike):
        given = repr(weights) if isinstance(weights, str | int | float) else f"a {type(weights).__name__}"
        raise WeightsError(
            f"weights are a file or a Hugging Face name such as timm/resnet18.a1_in1k, but {given} is given"
        )
    text = os.fspath(weights)
    path = Path(text)
    is_hub_name = isinstance(weights, str) and re.fullmatch(HUB_NAME, text) and path.suffix.lower() not in SUFFIXES
    notes = []
    if is_hub_name and not path.exists():
        path = fetch(text)
        notes = [f"{text} holds no {HUB_FILES[0]}, so {path.name} was read"] * (path.name != HUB_FILES[0])
    if path.is_dir():
        raise WeightsError(f"weights are a file, one of {', '.join(SUFFIXES)}, but {text} is a directory")
    if not path.exists():
        raise WeightsError(missing(text))
    if path.suffix.lower() not in SUFFIXES:
        raise WeightsError(
            f"weights are a file that ends in {', '.join(SUFFIXES)}, or a Hugging Face name such as "
            f"timm/resnet18.a1_in1k, but {text} is given"
        )
    try:
        stored = read_safetensors(path, text) if path.suffix.lower() == ".safetensors" else read_pickle(path, text)
    except OSError as mistake:
        raise WeightsError(f"{text} cannot be read: {mistake.strerror or mistake}") from None
    stored.notes = [*notes, *stored.notes]
    return without_prefixes(stored)


def without_prefixes(stored: Stored) -> Stored:
    """Names as the network itself has them, without what was wrapped around it for training."""
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in stored.tensors)), None):
        stored.tensors = {name.removeprefix(prefix): value for name, value in stored.tensors.items()}
        stored.order = stored.order and [name.removeprefix(prefix) for name in stored.order]
        stored.notes.append(
            f"'{prefix}' was taken from the names in {stored.source}, as {PREFIXES[prefix]} puts it there"
        )
    return stored


def missing(text: str) -> str:
    from striate.nets.published import published

    known = {record.file: record.source for record in published() if record.file.endswith(".pth")}
    if source := known.get(Path(text).name):
        return f"there is no file of weights at {text}; it can be fetched from {source}"
    names = {record.name.partition("/")[2]: record.name for record in published() if record.publisher == "timm"}
    near = get_close_matches(text, names, n=1, cutoff=0.8)
    return f"there is no file of weights at {text}" + (f"; did you mean {names[near[0]]}?" if near else "")


def read_safetensors(path: Path, source: str) -> Stored:
    """Safetensors hold numbers only; sorted by name, so their order is known only where the metadata tell it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except SafetensorError:
        raise WeightsError(f"{source} is not a sound safetensors file: {damage(path)}") from None
    if not tensors:
        raise WeightsError(f"{source} holds no tensors")
    order = None if "order" not in metadata else ordered(metadata["order"], tensors, source)
    return Stored(path, source, tensors, order, about=told(metadata.get("striate", ""), source))


def told(text: str, source: str) -> dict[str, Any] | None:
    """What striate wrote of a network into its file's metadata; None where it did not."""
    try:
        about = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(about, dict) or "network" not in about:
        return None
    try:
        Preprocess.from_dict(about["preprocess"])
        sound = isinstance(about["network"], str) and isinstance(about["name"], str)
        sound = sound and isinstance(about["origin"], dict | None)
    except (StriateError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise WeightsError(f"the metadata of {source} tell of a network, but not as striate writes them")
    return about


def ordered(text: str, tensors: dict[str, Tensor], source: str) -> list[str]:
    """The names in the metadata's `order`: every tensor once."""
    names = [name.strip() for name in text.split(",")]
    wrong = [n for n in names if n not in tensors] or [n for n in names if names.count(n) > 1]
    if wrong:
        reason = "which is not in the file" if wrong[0] not in tensors else "more than once"
        raise WeightsError(
            f"the metadata 'order' of {source} must name each tensor once, but names '{wrong[0]}', {reason}"
        )
    if left := [n for n in tensors if n not in names and not n.endswith("num_batches_tracked")]:
        raise WeightsError(f"the metadata 'order' of {source} must name each tensor once, but '{left[0]}' is not in it")
    return names


def read_pickle(path: Path, source: str) -> Stored:
    """PyTorch's own format is a pickle, which can carry code; only tensors and plain values are let in."""
    if path.stat().st_size == 0:
        raise WeightsError(f"{source} is empty")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as mistake:  # whatever a damaged or hostile file makes the reader stumble over
        raise WeightsError(refusal(str(mistake), source)) from None
    notes = []
    for key in NESTS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            notes.append(f"the weights were found under '{key}' in {source}")
    if not isinstance(content, dict) or not content:
        what = "an empty one" if isinstance(content, dict) else f"a {type(content).__name__}"
        raise WeightsError(f"a file of weights holds a dictionary of tensors by name, but {source} holds {what}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(
                "a file of weights holds a dictionary of tensors by name, "
                f"but in {source} '{name}' is a {type(value).__name__}"
            )
    return Stored(path, source, dict(content), None, notes)


def refusal(message: str, source: str) -> str:
    """Why a pickle was not read."""
    code = re.search(r"GLOBAL (\S+)", message) or re.search(r"unsupported (?:global|class|reduce) (\S+)", message, re.I)
    if code:
        name = code[1].strip("`'.,")
        return f"weights are tensors only, but {source} is a pickle that asks for {name}; nothing was run"
    if "TorchScript" in message:
        return f"{source} is a TorchScript program, not a file of weights; save its state_dict() instead"
    return f"{source} is not a file that torch.save wrote, or it was cut off or damaged"


def fetch(name: str) -> Path:
    """The file of a Hugging Face name, from the cache on this machine or from the hub."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError

    try:
        cached = [file for file in HUB_FILES if isinstance(try_to_load_from_cache(name, file), str)]
        for file in cached or HUB_FILES:
            with suppress(RemoteEntryNotFoundError):
                if not cached:  # ask once first: a download that reaches nobody tries for half a minute, and loudly
                    get_hf_file_metadata(hf_hub_url(name, file))
                return Path(hf_hub_download(name, file))
    except RepositoryNotFoundError:
        raise WeightsError(
            f"Hugging Face has no repository {name}, or it is private; "
            "a name is written owner/model, as in timm/resnet18.a1_in1k"
        ) from None
    except Exception as mistake:  # the client's own errors, the network's, a full disk
        why = (str(mistake).strip() or type(mistake).__name__).splitlines()[0].rstrip(".")
        raise WeightsError(
            f"{name} is not in the cache and cannot be fetched from {constants.ENDPOINT} ({why}); "
            f"fetch {constants.ENDPOINT}/{name}/resolve/main/{HUB_FILES[0]} by hand, "
            f"save it as {name.partition('/')[2]}.safetensors and give that path"
        ) from None
    raise WeightsError(f"{name} has neither {' nor '.join(HUB_FILES)}, so it holds no weights that can be read")
