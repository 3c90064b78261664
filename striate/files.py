"""Files that striate writes: whole under their names, or not at all."""

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from striate.errors import StriateError

PART = ".part"  # how a file ends that is being written, or whose writer was killed


def check_output(output: Path | None, endings: Collection[str], source: str | Path | None = None) -> None:
    """Say what is wrong with an output path before anything is computed.

    Parameters
    ----------
    output
        where something is to be written; None is nowhere
    endings
        what its name may end in
    source
        the file that is read, which must not be overwritten
    """
    if output is None:
        return
    if output.is_dir():
        example = output / f"out{next(iter(endings))}"
        raise StriateError(f"the output must be a file, but {output} is a folder; {example} would fit")
    if output.suffix.lower() not in endings:
        raise StriateError(f"the output must end in {', '.join(endings)}, but is {output}")
    if not output.parent.is_dir():
        raise StriateError(f"the output's folder must exist, but {output.parent} does not")
    if not os.access(output.parent, os.W_OK):
        raise StriateError(f"the output's folder must be writable, but {output.parent} is not")
    if source is not None and output.exists() and Path(source).exists() and output.samefile(source):
        raise StriateError(f"the output must not be the file that is read, but both are {output}")


def write_whole(output: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file under its name only when it is complete.

    Parameters
    ----------
    output
        the path
    write
        is called with the open file
    """
    write_together({output: write})


def write_together(files: Mapping[Path, Callable[[BinaryIO], object]]) -> None:
    """Write files that belong together: all are complete before the first one gets its name, in the order given.

    Parameters
    ----------
    files
        what writes each is called with the open file
    """
    files = {_followed(output): write for output, write in files.items()}
    # of this call alone, whatever other threads and processes write
    parts = {output: output.with_name(f".{token_hex(8)}{PART}") for output in files}
    try:
        for output, write in files.items():
            with writing(output), parts[output].open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        for output, part in parts.items():
            with writing(output):
                part.replace(output)
    finally:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)
    for folder in {output.parent for output in files}:
        keep_names(folder)


def _followed(output: Path) -> Path:
    """The file that a link points to, which is to be written, not replaced; devices and pipes are no files."""
    place = output.resolve() if output.is_symlink() else output
    if place.exists() and not (place.is_file() or place.is_dir()):
        raise StriateError(f"the output is an ordinary file, but {output} is a pipe or a device")
    return place


def write_text(output: Path, text: str) -> None:
    """Write a text under its name only when it is complete.

    Parameters
    ----------
    output
        the path
    text
        what it will hold
    """
    write_whole(output, writer(text))


def writer(text: str) -> Callable[[BinaryIO], object]:
    """What writes a text into a file.

    Parameters
    ----------
    text
        what it will hold; bytes in a name of a file that are not UTF-8 stay what they are
    """
    return lambda file: file.write(text.encode("utf-8", "surrogateescape"))


def check_folder(output: Path, own: Callable[[Path], bool]) -> None:
    """Say what is wrong with a folder that `whole_folder` is to write, before anything is computed.

    Parameters
    ----------
    output, own
        as there
    """
    if output.name in ("", ".."):
        raise StriateError(f"the output is a folder with a name of its own, but is {output}")
    if not output.parent.is_dir():
        raise StriateError(f"the output's folder must exist, but {output.parent} does not")
    if output.exists() and not output.is_dir():
        raise StriateError(f"the output is to be a folder, but {output} is a file")
    if output.is_dir() and any(output.iterdir()) and not own(output):
        raise StriateError(
            f"only a folder that was written in the same way is replaced, but {output} holds other files"
        )


@contextmanager
def whole_folder(output: Path, own: Callable[[Path], bool]) -> Iterator[Path]:
    """A folder to be filled, which is there under its name only when it is complete.

    Parameters
    ----------
    output
        the path
    own
        whether a folder that is there may be replaced; an empty one always is
    """
    check_folder(output, own)
    output = _followed(output)
    part, gone = (output.with_name(f".{token_hex(8)}{PART}") for _ in range(2))
    with writing(output):
        try:
            part.mkdir()
            yield part
            keep_names(part)
            try:
                if output.exists():
                    output.rename(gone)
                part.rename(output)
            except BaseException:  # also where it is interrupted
                if gone.exists() and not output.exists():
                    gone.rename(output)
                raise
        finally:
            for left in (part, gone):
                shutil.rmtree(left, ignore_errors=True)
    keep_names(output.parent)


def keep_names(folder: Path) -> None:
    """Make sure that a power failure leaves the names of a folder's files, where its file system can promise that.

    Parameters
    ----------
    folder
        where files were made or renamed
    """
    with suppress(OSError):  # the files themselves are whole by now; of a folder, few other systems promise anything
        place = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """Tell a failure of the system as one sentence that names what cannot be written.

    Parameters
    ----------
    output
        the file or folder
    """
    try:
        yield
    except OSError as error:
        raise StriateError(f"{output} cannot be written: {error.strerror or error}") from error
