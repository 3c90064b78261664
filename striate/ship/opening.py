"""Whose answers are wanted: those of an exported file, or of a run, whose file is made once and kept."""

import json
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from striate.data.caching import cache_folder
from striate.errors import StriateError, WeightsError
from striate.files import write_whole
from striate.ship.about import About, certificate_path
from striate.ship.checked import sealed
from striate.ship.shipped import Shipped, open_shipped
from striate.show.names import printable
from striate.show.progress import say

if TYPE_CHECKING:
    from striate.train.run import Run

KIND = "shipped"  # what the folder in the cache is called


def is_file(whose: object) -> bool:
    """Whether a file is meant, rather than a run; nothing of a run is loaded to find out.

    Parameters
    ----------
    whose
        a path, or what was opened already
    """
    return isinstance(whose, Shipped) or (isinstance(whose, str | Path) and not Path(whose).is_dir())


def shipped(whose: "str | Path | Run | Shipped") -> Shipped:
    """A file, opened; for a run, the file that `striate export` would make of it.

    A call of it takes one thread, since those who ask do so side by side.

    Parameters
    ----------
    whose
        a run, its folder, or a file of `striate export`
    """
    if isinstance(whose, Shipped):
        return whose if whose.threads == 1 else replace(whose, threads=1)
    if isinstance(whose, str | Path) and not Path(whose).exists():
        raise StriateError(f"answers are a run's or an exported file's, but {printable(whose)} is not there")
    if isinstance(whose, str | Path) and is_file(whose):
        return _as_certified(open_shipped(whose, threads=1))
    from striate.ship.assembly import about_run, assembled
    from striate.train.keep.sealed import check_seal
    from striate.train.run import Run, open_run

    run = whose if isinstance(whose, Run) else open_run(whose)
    check_seal(run.weights())  # what is kept was made of the weights that it states
    about = about_run(run)
    if kept := _kept(about):
        return kept
    say(f"making one file of {printable(run.folder)} for ONNX Runtime")
    content = sealed(assembled(run))
    path = Path(f"{_key(about)}.onnx")
    try:
        folder = cache_folder() / KIND
        folder.mkdir(exist_ok=True)
        write_whole(folder / path, lambda file: file.write(content))
        path = folder / path
    except (OSError, StriateError) as error:
        say(f"it cannot be kept, so it will be made again the next time: {error}")
    return Shipped(path, about, content, threads=1)


def _as_certified(file: Shipped) -> Shipped:
    """The same, unless the certificate beside it is another file's."""
    beside = certificate_path(file.path)
    try:
        stated = json.loads(beside.read_text("utf-8"))["file"]["sha256"]
    except (OSError, ValueError, TypeError, KeyError):
        return file  # answers need none
    if stated != file.sum:
        raise WeightsError(
            f"{printable(file.path)} must be the file that {printable(beside)} is the certificate of, but its SHA-256 "
            "is another; `striate export` writes both"
        )
    return file


def _kept(about: About) -> Shipped | None:
    """The file of a run that was made before, if it is there and as it was written."""
    with suppress(OSError, StriateError):
        return open_shipped(cache_folder() / KIND / f"{_key(about)}.onnx", threads=1)
    return None


def _key(about: About) -> str:
    """Another one for other weights, and for other versions of what makes the file."""
    return sha256(about.to_json().encode("utf-8", "surrogatepass")).hexdigest()[:32]
