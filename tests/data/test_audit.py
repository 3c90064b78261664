"""The audit finds each fault, once, and finds nothing in good data."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from made import dataset, encoded
from PIL import Image
from spoiled import drawn, good_folder, jpeg, spoiled_folder

from striate.data.audit.audit import audit, shares
from striate.data.audit.examine import Facts, picture_facts
from striate.data.audit.page import audit_page
from striate.data.dataset import Dataset
from striate.data.distort.distortion import PRESETS
from striate.data.distort.draw import NUMBERS, draw
from striate.preprocess import Preprocess


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    return audit(Dataset.open(spoiled_folder(tmp_path_factory.mktemp("spoiled")), on_bad="skip"))


def names(found, kind: str) -> list[set[str]]:
    finding = next(finding for finding in found.findings if finding.kind == kind)
    return [{one.name for one in group} for group in finding.groups]


def test_good_pictures_have_no_findings(tmp_path):
    found = audit(Dataset.open(good_folder(tmp_path)))
    assert [finding.kind for finding in found.findings] == []
    assert found.verdict == "nothing is wrong"
    assert "160" in found.summary[1]


@pytest.mark.parametrize(
    ("kind", "groups"),
    [
        ("empty", [{"train/cat/empty.jpg"}]),
        ("truncated", [{"train/cat/cut.jpg"}]),
        ("unreadable", [{"train/cat/text.jpg"}]),
        ("wrongly named", [{"train/cat/really.jpg"}]),
        ("exact duplicates", [{"train/cat/1.jpg", "train/cat/same.jpg"}]),
        ("near duplicates", [{"train/cat/2.jpg", "train/cat/near.jpg"}]),
        ("copies with different labels", [{"train/cat/3.jpg", "train/dog/conflict.jpg"}]),
        ("small pictures", [{"train/dog/small.png"}]),
        ("cropped away", [{"train/dog/wide.jpg"}, {"train/dog/small.png"}]),
        ("turned", [{"train/dog/turned.jpg"}]),
        ("animations", [{"train/dog/moving.gif"}]),
    ],
)
def test_each_fault_is_found(spoiled, kind, groups):
    assert names(spoiled, kind) == groups


def test_copies_across_splits_are_the_first_finding_and_mirrors_are_told(spoiled):
    assert spoiled.findings[0].kind == "copies across splits"
    groups = [{one.name: one.detail for one in group} for group in spoiled.findings[0].groups]
    assert {frozenset(group) for group in groups} == {
        frozenset({"train/cat/leak.jpg", "val/cat/0.jpg"}),
        frozenset({"train/cat/mirror.jpg", "val/cat/1.jpg"}),
    }
    assert sorted({detail for group in groups for detail in group.values()}) == [
        "",
        "a mirrored copy",
        "the same bytes",
    ]


def test_colour_modes_are_counted(spoiled):
    sentence = next(finding.sentence for finding in spoiled.findings if finding.kind == "colour modes")
    assert "1 CMYK" in sentence


def test_the_text_counts_and_shows_the_most_severe_first(spoiled):
    told = str(spoiled)
    assert told.index("copies across splits") < told.index("wrongly named") < told.index("turned")
    assert "train/cat/cut.jpg (cannot be read as a picture: image file is truncated" in told
    assert spoiled.verdict == "5 serious findings, and 5 worth a look"


def test_json_and_csv_hold_every_picture(spoiled):
    told = json.loads(spoiled.to_json())
    shown = [one for finding in told["findings"] for group in finding["groups"] for one in group]
    assert {"train/cat/empty.jpg", "train/dog/wide.jpg"} <= {one["name"] for one in shown}
    assert told["classes"][0] == {"class": "cat", "train": 19, "val": 4, "pictures": 23}
    alone = sum(not finding["groups"] for finding in told["findings"])
    assert len(spoiled.to_csv().splitlines()) == 1 + len(shown) + alone


def test_names_that_are_not_utf_8_leave_as_json_and_come_back():
    data = dataset([jpeg(drawn(1)), jpeg(drawn(1))])
    data.names[0] = "a\udcff\n😀.jpg"  # type: ignore[index]
    data = replace(data, classes=("cat\udcfe", "b"))
    found = audit(data)
    data.summary().to_json().encode("utf-8")
    found.to_json().encode("utf-8")
    found.to_csv().encode("utf-8")
    str(found).encode("utf-8")
    audit_page(found).encode("utf-8")
    told = json.loads(found.to_json())
    assert told["findings"][0]["groups"][0][0]["name"] == data.names[0]
    assert told["classes"][0]["class"] == json.loads(data.summary().to_json())["rows"][0]["class"] == data.classes[0]


def test_what_was_skipped_is_counted_in_every_summary(spoiled):
    sentence = "skipped, because they cannot be used: 1 (train/cat/empty.jpg"
    told = [str(spoiled.data), str(spoiled.data["val"]), str(spoiled), audit_page(spoiled)]
    assert all(sentence in " ".join(text.split()) for text in told)
    assert json.loads(spoiled.to_json())["skipped"] == 1


def test_many_classes_are_the_smallest_and_the_largest_but_all_leave_as_json():
    places = np.repeat(np.arange(250), 1 + np.arange(250) % 7 // 6)
    names = tuple(f"class {place}" for place in range(250))
    files = [np.full((8, 8, 3), place % 256, np.uint8) for place in range(len(places))]
    found = audit(replace(dataset(files, places), classes=names))
    assert "shown are the 5 smallest and the 5 largest of 250 classes" in str(found)
    assert "shown are the 5 smallest and the 5 largest of 250 classes" in audit_page(found)
    assert [row["class"] for row in json.loads(found.to_json())["classes"]] == list(names)


def test_uneven_and_missing_classes_are_told(tmp_path):
    good_folder(tmp_path)
    for place in range(9):
        (tmp_path / f"train/dog/{place}.jpg").unlink()
    shutil.rmtree(tmp_path / "val/dog")
    found = {finding.kind: finding.sentence for finding in audit(Dataset.open(tmp_path)).findings}
    assert found["few pictures"] == "1 class with fewer than 10 training pictures: dog (3)"
    assert found["imbalance"] == "cat has 4.0 times as many training pictures as dog: 12 and 3"
    assert found["classes missing in val"].startswith("1 class without a picture in val: dog")


def test_several_labels_are_compared_as_sets():
    files = [jpeg(drawn(seed)) for seed in (1, 1, 2, 2)]
    data = dataset(files, np.array([[1, 1], [1, 0], [1, 1], [1, 1]]))
    kinds = {finding.kind: finding for finding in audit(data).findings}
    (conflict,) = kinds["copies with different labels"].groups
    assert [one.label for one in conflict] == ["a, b", "a"]
    assert len(kinds["exact duplicates"].groups) == 1


def test_shares_are_what_the_crops_leave():
    sizes = [(224, 224), (256, 256), (375, 500), (100, 1000), (7, 7)]
    kept = shares([Facts(size=size) for size in sizes] + [Facts(fault="empty")], Preprocess())
    test = [(224 / 256) ** 2, (224 / 256) ** 2, 224**2 / (256 * 341), 224**2 / (256 * 2560), (224 / 256) ** 2, 1]
    np.testing.assert_allclose(kept[:, 0], test)
    random = np.random.default_rng(1).random((400, NUMBERS))
    for size, share in zip(sizes, kept[:, 1], strict=False):
        crops = [draw(PRESETS["photo"], size, (224, 224), numbers).amounts["crop"] for numbers in random]
        assert share == pytest.approx(np.mean(crops), abs=0.06)
    assert kept[3, 1] == pytest.approx(0.1, abs=0.04)  # no more than its shape allows
    padded = shares([Facts(size=(100, 1000))], Preprocess(fit="pad"))
    assert padded[0, 0] == 1


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "PPM", "WEBP", "AVIF"])
def test_a_picture_that_was_cut_is_found_in_every_format(tmp_path, format):
    path = tmp_path / "picture"
    drawn(1, (400, 300)).save(path, format)
    whole = path.read_bytes()
    assert picture_facts(whole, "x").fault == ""
    assert picture_facts(whole, "x").size == (300, 400)
    assert picture_facts(whole[: len(whole) * 2 // 3], "x").fault in ("truncated", "unreadable")


def test_facts_of_arrays_need_no_file():
    facts = picture_facts(np.full((40, 50, 1), 7, np.uint8), "x")
    assert (facts.size, facts.length, facts.mode, facts.format) == ((40, 50), 2000, "gray", "")
    assert facts.thumbnail is not None
    assert (facts.thumbnail == 7).all()


def test_a_file_that_vanished_is_a_finding(tmp_path):
    data = Dataset.open(good_folder(tmp_path))
    (tmp_path / "train/cat/0.jpg").unlink()
    assert names(audit(data), "unreadable") == [{"train/cat/0.jpg"}]


def test_the_page_shows_pairs_and_survives_what_cannot_be_shown(spoiled):
    page = audit_page(spoiled)
    assert page.count("<img") > 20
    assert page.count('class="together"') == 5
    assert "cannot be shown" in page
    assert re.search(r"Of train/dog/wide\.jpg the random crops of the preset photo leave 2\d %", page)
    assert "top:6.2%;left:40.5%;width:19.0%;height:87.5%" in page  # 224 × 224 of wide.jpg at 256 × 1181
    assert "<svg" in page


def test_a_picture_that_is_too_large_is_to_be_shrunk():
    sheet = Image.new("1", (8001, 8000))
    found = audit(dataset([encoded(np.asarray(sheet)), b"text"]))
    told = {finding.kind: (finding.sentence, finding.suggestion) for finding in found.findings}
    assert told["too large"] == ("1 picture: larger than what is read", "shrink it")
    assert told["unreadable"] == ("1 picture: cannot be read", "fetch it again, or leave it out")


@pytest.mark.parametrize(("number", "severity"), [(1, "look"), (4, "serious")])
def test_pictures_in_heic_are_a_finding(tmp_path, number, severity):
    good_folder(tmp_path)
    for place in range(number):
        (tmp_path / f"train/cat/IMG_{place}.HEIC").write_bytes(b"heic")
    found = audit(Dataset.open(tmp_path))
    (finding,) = found.findings
    assert (finding.kind, finding.severity, len(finding.groups)) == ("HEIC", severity, number)
    assert f"{number} picture{'s' if number > 1 else ''} in HEIC, which is not read" in str(found)
    assert found.notes == []


def test_one_class_is_worth_a_look():
    found = audit(replace(dataset([jpeg(drawn(seed)) for seed in range(12)], [0] * 12), classes=("cat",)))
    (finding,) = (finding for finding in found.findings if finding.kind == "one class")
    assert finding.severity == "look"
    assert finding.sentence == "there is one class only, cat: nothing can be told apart"


def test_one_picture_is_spoken_of_as_one(spoiled):
    told = {finding.kind: f"{finding.sentence} → {finding.suggestion}" for finding in spoiled.findings}
    assert told["empty"] == "1 picture: 0 bytes → fetch it again, or leave it out"
    assert "it is blurred → look whether it helps" in told["small pictures"]
    assert told["wrongly named"].endswith("striate reads it, others may not → rename it")
    assert not any("1 picture" in text and (" their " in text or " them" in text) for text in told.values())


def test_a_page_of_nothing_readable():
    found = audit(dataset([b"text", b""]))
    assert "cannot be shown" in audit_page(found)
    assert found.sizes == {}
    assert found.findings[0].severity == "serious"


def test_the_page_shows_tiny_pictures_large_and_no_crop_where_nothing_is_cut():
    found = audit(dataset([np.full((8, 8, 1), 9, np.uint8)] * 3, gray=True))
    page = audit_page(found)
    assert page.count('width="120" height="120"') == 3  # the copies
    assert "What the crops leave" not in page
    assert "<svg" not in page  # all have one size
    assert page.count("<img") == 3


def test_a_picture_of_one_pixel_is_no_trouble():
    found = audit(dataset([jpeg(Image.new("RGB", (1, 1))), jpeg(Image.new("RGB", (1, 3000)))]))
    assert "<svg" in audit_page(found)
    assert found.kept.min() < 0.01
