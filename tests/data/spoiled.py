"""A folder with every fault that an audit looks for."""

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps


def drawn(seed: int, size: tuple[int, int] = (160, 130)) -> Image.Image:
    """Something with the spectrum of a photo: blobs of all sizes, in colour."""
    random = np.random.default_rng(seed)
    paper = Image.new("RGB", size, tuple(random.integers(40, 215, 3).tolist()))
    draw = ImageDraw.Draw(paper)
    for radius in np.geomspace(70, 3, 60):
        x, y = random.uniform(0, size[0]), random.uniform(0, size[1])
        flat = radius * random.uniform(0.4, 1)
        draw.ellipse((x - radius, y - flat, x + radius, y + flat), fill=tuple(random.integers(0, 256, 3).tolist()))
    return paper


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    """As a file's bytes."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def good_folder(root: Path) -> Path:
    """Two classes with 12 training and 4 validation pictures each, and nothing wrong with them."""
    for number, (split, label, count) in enumerate(
        [("train", "cat", 12), ("train", "dog", 12), ("val", "cat", 4), ("val", "dog", 4)]
    ):
        folder = root / split / label
        folder.mkdir(parents=True)
        for place in range(count):
            (folder / f"{place}.jpg").write_bytes(jpeg(drawn(100 * number + place)))
    return root


def spoiled_folder(root: Path) -> Path:
    """The same with faults, each named by what it is."""
    good_folder(root)
    cat, dog, val = root / "train/cat", root / "train/dog", root / "val/cat"
    whole = (cat / "0.jpg").read_bytes()
    (cat / "empty.jpg").write_bytes(b"")
    (cat / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (cat / "text.jpg").write_text("hello")
    drawn(900).save(cat / "really.jpg", "PNG")
    shutil.copy(cat / "1.jpg", cat / "same.jpg")
    (cat / "near.jpg").write_bytes(jpeg(Image.open(cat / "2.jpg"), 50))
    shutil.copy(val / "0.jpg", cat / "leak.jpg")
    ImageOps.mirror(Image.open(val / "1.jpg")).save(cat / "mirror.jpg")
    shutil.copy(cat / "3.jpg", dog / "conflict.jpg")
    drawn(901, (20, 50)).save(dog / "small.png")
    drawn(902, (600, 130)).save(dog / "wide.jpg")
    drawn(903).convert("CMYK").save(dog / "cmyk.jpg")
    turned = drawn(904)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(dog / "turned.jpg", exif=exif)
    drawn(905).save(dog / "moving.gif", save_all=True, append_images=[drawn(906)])
    return root
