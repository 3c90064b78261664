"""Where striate keeps what it can make again."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from striate.errors import StriateError
from striate.files import write_whole
from striate.show.names import printable


def cache_folder() -> Path:
    """The folder of $STRIATE_CACHE, else `striate` in $XDG_CACHE_HOME, else ~/.cache/striate; it is made."""
    own, shared = os.environ.get("STRIATE_CACHE"), os.environ.get("XDG_CACHE_HOME")
    folder = Path(own) if own else Path(shared or Path.home() / ".cache") / "striate"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StriateError(
            f"the cache folder {printable(folder)} cannot be made: {error.strerror}; "
            "set STRIATE_CACHE to a folder that can be written"
        ) from error
    return folder


def remembered(kind: str, key: str, count: int, make: Callable[[], np.ndarray]) -> np.ndarray:
    """An array that took time to make, from the cache folder; made again where it is missing, damaged or too short.

    Parameters
    ----------
    kind, key
        what it is, and a name that is another one whenever the array would be
    count
        how many rows it has
    make
        makes it
    """
    array = None
    with suppress(OSError, ValueError, EOFError, StriateError):
        array = np.load(cache_folder() / kind / f"{key}.npy", allow_pickle=False)
    if array is None or len(array) != count:
        array = make()
        with suppress(OSError, StriateError):  # where nothing can be kept, it takes time again
            folder = cache_folder() / kind
            folder.mkdir(exist_ok=True)
            write_whole(folder / f"{key}.npy", lambda file: np.save(file, array))
    return array
