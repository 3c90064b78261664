"""Copies are found however they were made, and likeness is not taken for one."""

import subprocess
import sys
from collections.abc import Callable
from time import sleep

import numpy as np
import pytest
from made import dataset
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps
from spoiled import drawn, jpeg

from striate.data.audit.duplicates import agreement, components, find_copies
from striate.data.audit.examine import SMALL, examine, side_by_side
from striate.data.dataset import Dataset


def cropped(image: Image.Image, share: float) -> Image.Image:
    left, top = round(image.width * share), round(image.height * share)
    return image.crop((left, top, image.width - left, image.height - top))


COPIES = {
    "compressed": lambda image: jpeg(image, 40),
    "halved": lambda image: jpeg(image.resize((image.width // 2, image.height // 2))),
    "brightened": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(1.1)),
    "cropped": lambda image: jpeg(cropped(image, 0.03)),
    "mirrored": lambda image: jpeg(ImageOps.mirror(image)),
    "squashed": lambda image: jpeg(image.resize((120, 150))),
    "gray": lambda image: jpeg(image.convert("L")),
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_found_and_nothing_else(kind):
    photos = [drawn(seed) for seed in range(40)]
    data = dataset([jpeg(image) for image in photos] + [COPIES[kind](image) for image in photos])
    copies = find_copies(data)
    first, second = copies.components[:40], copies.components[40:]
    np.testing.assert_array_equal(first, np.arange(40))  # no photo is another's copy
    assert (first == second).mean() >= 0.95
    assert len(set(copies.exact.tolist())) == 80
    found = {(place, place + 40) for place in np.flatnonzero(first == second).tolist()}
    assert copies.mirrored == (found if kind == "mirrored" else frozenset())


def test_equal_bytes_are_the_same_whatever_their_place():
    one, two = jpeg(drawn(1)), jpeg(drawn(2))
    copies = find_copies(dataset([one, two, one, one]))
    assert copies.exact.tolist() == copies.components.tolist() == [0, 1, 0, 0]


def test_a_copy_of_a_copy_is_a_copy():
    image = drawn(3)
    steps = [jpeg(image), jpeg(cropped(image, 0.03)), jpeg(cropped(cropped(image, 0.03), 0.03))]
    assert components(dataset([steps[0], jpeg(drawn(4)), steps[2], steps[1]])).tolist() == [0, 1, 0, 0]


def test_another_detail_is_another_picture():
    random = np.random.default_rng(0)
    layout = drawn(9).resize((8, 6)).resize((320, 240), Image.Resampling.BICUBIC)
    coarse = np.asarray(layout, np.float32)
    pictures = []
    for _ in range(5):
        rough = Image.fromarray(random.integers(0, 256, (60, 80), dtype=np.uint8)).resize(layout.size)
        detailed = coarse + (np.asarray(rough, np.float32)[:, :, None] - 128) / 3
        pictures.append(jpeg(Image.fromarray(detailed.clip(0, 255).astype(np.uint8))))
    assert components(dataset(pictures)).tolist() == list(range(5))


def test_a_symmetric_picture_is_not_its_mirror_image():
    left = drawn(10)
    paper = Image.new("RGB", (2 * left.width, left.height))
    paper.paste(left, (0, 0))
    paper.paste(ImageOps.mirror(left), (left.width, 0))
    copies = find_copies(dataset([jpeg(paper), jpeg(paper, 50), jpeg(drawn(11))]))
    assert copies.components.tolist() == [0, 0, 1]
    assert not copies.mirrored


def test_who_stops_waiting_leaves_the_rest_undone():
    done = []

    def work(place: int) -> int:
        sleep(0.005)
        done.append(place)
        return place

    results = side_by_side(work, range(1000), "working")
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    results.close()  # as Ctrl-C does
    assert len(done) < 60


def test_opencv_leaves_the_threads_to_the_audit():
    code = "import cv2, striate.data.audit.audit; print(cv2.getNumThreads())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "1\n"


def test_what_cannot_be_read_is_a_copy_of_nothing():
    broken = jpeg(drawn(5))[:1000]
    assert components(dataset([broken, broken, b"", b"", b"text", b"text"])).tolist() == list(range(6))


def test_flat_pictures_and_skies_are_no_copies():
    random = np.random.default_rng(0)
    flat = [jpeg(Image.new("RGB", (100, 80), (level, level, level))) for level in (0, 100, 101, 255)]
    down = np.linspace(0, 1, 120)[:, None, None]
    skies = []
    for _ in range(20):
        top, bottom = random.uniform(80, 255, (2, 3))
        sky = top + (bottom - top) * down + random.normal(0, 3, (120, 160, 3))
        skies.append(jpeg(Image.fromarray(sky.clip(0, 255).astype(np.uint8))))
    assert len(set(components(dataset(flat + skies)).tolist())) == 24


def test_pages_and_digits_that_look_alike_are_no_copies():
    random = np.random.default_rng(0)

    def page() -> bytes:
        paper = Image.new("L", (310, 440), 255)
        draw = ImageDraw.Draw(paper)
        draw.rectangle((20, 50, 290, 400), outline=0)
        draw.text((100, 15), "INVOICE", fill=0, font=ImageFont.load_default(20))
        for top in range(60, 390, 14):
            draw.text((30, top), "".join(map(chr, random.integers(97, 123, random.integers(15, 35)))), fill=0)
        return jpeg(paper)

    assert len(set(components(dataset([page() for _ in range(30)])).tolist())) == 30

    from sklearn.datasets import load_digits

    digits = (load_digits().images[:300] * 15.9).astype(np.uint8)
    enlarged = [np.asarray(Image.fromarray(digit).resize((64, 64)))[:, :, None] for digit in digits]
    assert len(set(components(dataset(enlarged)).tolist())) == 300


def test_tiny_pictures_have_exact_copies_only_and_are_counted():
    random = np.random.default_rng(0)
    tiny = random.integers(0, 256, (SMALL - 1, SMALL, 3), dtype=np.uint8)
    copies = find_copies(dataset([tiny, tiny.copy(), tiny // 2 + 60]))
    assert copies.components.tolist() == [0, 0, 1]
    assert copies.small == 3


def test_frames_of_a_film_are_joined_though_many_resemble_each_other():
    scene = drawn(6)
    frames = []
    for place in range(30):
        frame = scene.copy()
        ImageDraw.Draw(frame).ellipse((place * 5, 70, place * 5 + 4, 74), fill=(255, 255, 255))
        frames.append(jpeg(frame))
    assert len(set(components(dataset(frames)).tolist())) == 1


@pytest.mark.parametrize("number", [9, 10, 24])
def test_many_copies_of_one_photo_stay_one_set(number):
    photo = drawn(6)
    exact = [jpeg(photo, 95 - place) for place in range(number - 2)]  # these alone look like a crowd
    loose = [jpeg(cropped(photo, 0.03)), jpeg(cropped(photo, 0.04))]  # and these do not lie on them exactly
    assert set(components(dataset(exact + loose)).tolist()) == {0}


def test_agreement_is_1_for_equal_pictures_and_low_for_others():
    one, two = (np.asarray(drawn(seed).convert("L").resize((96, 96))) for seed in (7, 8))
    assert agreement(one, one) == pytest.approx(1, abs=1e-3)
    assert agreement(one, one[:, ::-1], mirrored=True) == pytest.approx(1, abs=1e-3)
    assert agreement(one, two) < 0.6
    assert agreement(one, np.full_like(one, 90)) == -1


def test_nothing_is_read_twice_to_be_examined():
    data = dataset([jpeg(drawn(seed)) for seed in range(3)])
    assert examine(data) == examine(data.part(np.arange(3)))
    assert data.source.reads == [1, 1, 1]  # type: ignore[attr-defined]


def remembering(tmp_path, monkeypatch) -> tuple[Dataset, Callable[[], Dataset]]:
    """Data, and what opens the same again as another process would: with a source of which nothing is known."""
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    files = [jpeg(drawn(1)), jpeg(drawn(2)), jpeg(drawn(1), 60)]
    return dataset(files), lambda: dataset(files)


def reads(data: Dataset) -> list[int]:
    return data.source.reads  # type: ignore[attr-defined]


def test_copies_are_remembered(tmp_path, monkeypatch):
    data, again = remembering(tmp_path, monkeypatch)
    assert components(data).tolist() == [0, 1, 0]
    assert all(reads(data))
    second = again()
    assert components(second).tolist() == [0, 1, 0]
    assert reads(second) == [0, 0, 0]
    part = again().part(np.array([1, 0]))
    assert components(part).tolist() == [0, 1]


@pytest.mark.parametrize("change", ["stamp", "name", "version"])
def test_changed_pictures_are_compared_again(tmp_path, monkeypatch, change):
    data, again = remembering(tmp_path, monkeypatch)
    components(data)
    second = again()
    if change == "stamp":
        second.source.contents[2] = jpeg(drawn(3))  # type: ignore[attr-defined]
    elif change == "name":
        second.names[1] = "renamed.png"  # type: ignore[index]
    else:
        monkeypatch.setattr("striate.data.audit.duplicates.VERSION", 0)
    assert components(second).tolist() == ([0, 1, 2] if change == "stamp" else [0, 1, 0])
    assert all(reads(second))


@pytest.mark.parametrize("left", [0, 20, 140])
def test_a_damaged_memory_is_made_again(tmp_path, monkeypatch, left):
    data, again = remembering(tmp_path, monkeypatch)
    components(data)
    (file,) = (tmp_path / "copies").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:left])
    assert components(again()).tolist() == [0, 1, 0]
    assert file.read_bytes() == whole


def test_what_could_not_be_read_is_tried_again(tmp_path, monkeypatch):
    data, again = remembering(tmp_path, monkeypatch)

    def refuse(row):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(data.source, "read", refuse)
    assert components(data).tolist() == [0, 1, 2]
    assert components(again()).tolist() == [0, 1, 0]


def test_no_pictures_have_no_copies():
    assert components(dataset([])).tolist() == []
    assert components(dataset([jpeg(drawn(1))])).tolist() == [0]
