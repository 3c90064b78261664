"""Where striate keeps what it can make again."""

import os
from pathlib import Path

from striate.errors import StriateError
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
