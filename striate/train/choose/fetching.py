"""Files of weights that their publisher offers for download, kept where PyTorch keeps them."""

import re
from pathlib import Path

import torch

from striate.data.sources.download import RemoteFile, offered_size, sha256_of
from striate.data.sources.get import Official, alone_in, by_hand, fetch, made
from striate.errors import DataError, WeightsError
from striate.nets.published import Published, published

HUB_NAME = "/"  # in a record's name; the client of Hugging Face fetches those
SUM = r"-([0-9a-f]{8})\.pth"  # a file's name ends with the first digits of its SHA-256 sum


def by_file(name: str) -> Published | None:
    """The record of a file that is known by its own name, such as resnet18-f37072fd.pth."""
    return next((record for record in published() if record.file == name and HUB_NAME not in record.name), None)


def place_of(record: Published) -> Path:
    """Where a published file is on this machine, or would be."""
    return Path(torch.hub.get_dir()) / "checkpoints" / record.file


def brought(record: Published) -> Path:
    """A published file, fetched first if it is not on this machine; what is damaged stops.

    Parameters
    ----------
    record
        of a file with a sum in its name, or of one that is on this machine
    """
    place, found = place_of(record), re.search(SUM, record.file)
    if found is None:
        if place.is_file():
            return place
        raise WeightsError(
            f"the weights {record.name} are not on this machine: fetch {record.source} by hand, convert it to "
            f"safetensors, as striate reads no other publisher's format, and save that as {place}"
        )
    try:
        with made(place.parent), alone_in(place.parent, wait=True):
            if not place.exists():
                remote = _remote(record, found[1])
                licence = record.licence or "not stated"
                what = Official(record.name, "published weights", record.source, licence, (remote,))
                fetch(what, what.files, place.parent)
            elif not sha256_of(place).startswith(found[1]):
                raise WeightsError(
                    f"the SHA-256 sum of {record.file} begins with {found[1]}, but that of {place} does not: it was "
                    "cut off, damaged or is another file; move it away"
                )
    except DataError as mistake:
        raise WeightsError(str(mistake)) from mistake
    return place


def _remote(record: Published, digits: str) -> RemoteFile:
    """What is to be fetched; its publisher's server alone knows how long it is."""
    try:
        return RemoteFile(record.source, offered_size(record.source), digits)
    except DataError as mistake:
        steps = by_hand([RemoteFile(record.source, 0, digits)], place_of(record).parent)
        raise DataError(f"{mistake}; {steps}") from mistake
