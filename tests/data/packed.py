"""Archives that tests make, and what a tree says of what it does not hold."""

import io
import tarfile
import zipfile
from pathlib import Path


def reasons(tree) -> dict[str, str]:
    tree.entries()
    return {problem.name: problem.reason for problem in tree.problems}


def zipped(path: Path, contents: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def member(archive: tarfile.TarFile, name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    archive.addfile(info, io.BytesIO(content))


def tarred(path: Path, contents: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in contents.items():
            member(archive, name, content=content)
    return path
