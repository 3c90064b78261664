"""Shards that tests make: tar files of samples, each a picture and its class."""

import io
import tarfile
from pathlib import Path

from striate.data.sources.shards import open_shards

CLASSES = ["cat", "dog", "été"]


def member(name: str, content: bytes, **more) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def tar_of(members, mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:
        for info, content in (each if isinstance(each[0], tarfile.TarInfo) else member(*each) for each in members):
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def sample(key: str, label: int = 0) -> list[tuple[str, bytes]]:
    return [(f"{key}.jpg", f"picture {key}".encode()), (f"{key}.cls", str(label).encode())]


def write(folder: Path, shards: int = 4, samples: int = 5) -> str:
    (folder / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    for shard in range(shards):
        members = [part for place in range(samples) for part in sample(f"{shard}-{place}", place % 3)]
        (folder / f"train-{shard:03d}.tar").write_bytes(tar_of(members))
    return str(folder / f"train-{{000..{shards - 1:03d}}}.tar")


def one(folder: Path, *members, **settings) -> list:
    (folder / "one.tar").write_bytes(tar_of(members))
    return list(open_shards(folder / "one.tar", classes=CLASSES, **settings).samples(0, 0, shuffle=False))


def names(samples) -> list[str]:
    return [each.name for each in samples]
