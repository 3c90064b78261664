"""The files that are meant by files, folders and patterns, and the files that are written for them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from striate.data.sources.classes import natural
from striate.data.sources.folders import HEIC_ENDINGS, is_hidden, is_picture
from striate.errors import StriateError
from striate.files import check_output
from striate.pictures.sheet import PICTURE_ENDINGS
from striate.show.names import listed, printable
from striate.show.numbers import exact


def picture_files(named: Sequence[str | Path], heic: bool = False) -> list[Path]:
    """Pictures, each once, in the order in which they are named.

    Parameters
    ----------
    named
        files, whatever their names end in; folders, for all pictures inside; and patterns such as photos/*.jpg
    heic
        whether folders and patterns are for pictures in HEIC, too, which are not read: for who tells of these
    """
    if not named:
        raise StriateError("give pictures: files, folders, or patterns such as 'photos/*.jpg'")
    if "" in named:  # as a shell makes of a variable that is not set; to Path it is the folder in which one works
        raise StriateError("a picture has a name, but an empty one is given")
    return list(dict.fromkeys(file for name in named for file in _files(Path(name), heic)))


def _files(path: Path, heic: bool) -> list[Path]:
    def wanted(name: str) -> bool:
        return is_picture(name) or (heic and name.lower().endswith(HEIC_ENDINGS) and not is_hidden(name))

    if path.is_dir():
        inside = _ordered(file for file in path.rglob("*") if wanted(file.relative_to(path).as_posix()))
        if not inside:
            raise StriateError(
                f"a folder is named for the pictures inside, but {printable(path)} has none, by their endings"
            )
        return inside
    if path.exists():
        if not path.is_file():
            raise StriateError(f"a picture is an ordinary file, but {printable(path)} is a pipe or a device")
        return [path]
    if not any(sign in str(path) for sign in "*?["):
        raise StriateError(f"there is no picture {printable(path)}")
    top = Path(path.anchor)
    matches = _ordered(file for file in top.glob(str(path.relative_to(path.anchor))) if wanted(file.name))
    if not matches:
        raise StriateError(f"no picture is called like {printable(path)}")
    return matches


def _ordered(files: Iterable[Path]) -> list[Path]:
    """Files in the order of their names; a pipe would be waited for without end, and a folder is searched, not read."""
    return sorted((file for file in files if file.is_file()), key=lambda file: natural(str(file)))


def sheet_files(output: Path, pictures: Sequence[Path]) -> list[Path]:
    """Where the sheet of each picture goes; a mistake is told before anything is written.

    Parameters
    ----------
    output
        a picture file for a single sheet, or a folder, which need not be there
    pictures
        what is shown; sheets are called like them
    """
    if output.suffix and not output.is_dir():
        if len(pictures) > 1:
            raise StriateError(
                f"a sheet shows one picture, but {exact(len(pictures))} are to go to {printable(output)}; "
                f"a folder takes them all: {printable(output.with_suffix(''))}"
            )
        sheets = [output]
    elif output.exists() and not output.is_dir():
        raise StriateError(
            f"the output is a folder, or a file that ends in {', '.join(PICTURE_ENDINGS)}, but {printable(output)} is "
            "another file"
        )
    else:
        seen: Counter[str] = Counter()
        sheets = []
        for picture in pictures:
            seen[picture.stem] += 1
            number = seen[picture.stem]
            sheets.append(output / f"{picture.stem}{f'-{number}' if number > 1 else ''}.png")
    for sheet in sheets:
        if sheet.parent.is_dir() or sheet == output:
            check_output(sheet, PICTURE_ENDINGS)
    sources = {picture.resolve() for picture in pictures}
    if both := [str(sheet) for sheet in sheets if sheet.resolve() in sources]:
        raise StriateError(f"a sheet must not replace a picture that it shows, but would do so with {listed(both)}")
    return sheets
