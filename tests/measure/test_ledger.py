"""The ledger of the papers' networks agrees with the papers; it reads well and leaves as JSON and CSV."""

import csv
import io
import json

import pytest
import torch
from torch import nn

from striate.errors import StriateError, UnknownName
from striate.measure.shapes import measure, shapes

# parameters, MACs (rounded as printed in papers and documentation), field before the head, depth
PAPERS = [
    ("lenet5", 62_958, None, 16, 5),
    ("alexnet", 62_378_344, 1_135_256_096, 195, 8),
    ("vgg16", 138_357_544, 15_470_264_320, 212, 16),
    ("googlenet", 6_998_552, None, 715, 22),
    ("resnet18", 11_689_512, 1.814e9, 435, 18),
    ("resnet50", 25_557_032, 4.089e9, 427, 50),
    ("resnet152", 60_192_808, 11.514e9, 1451, 152),
    ("mobilenet_v1", 4_231_976, 568.74e6, 315, 28),
    ("mobilenet_v2", 3_504_872, 300.77e6, 491, 53),
    ("efficientnet_b0", 5_288_548, None, 851, None),
    ("convnext_tiny", 28_589_128, None, 1688, None),
]


@pytest.mark.parametrize(("name", "parameters", "macs", "field", "depth"), PAPERS, ids=[row[0] for row in PAPERS])
def test_papers(name, parameters, macs, field, depth):
    ledger = measure(name)
    assert ledger.totals.parameters == parameters == sum(row.parameters for row in ledger)
    if macs:
        assert ledger.totals.macs == pytest.approx(macs, rel=5e-4 if isinstance(macs, float) else 0)
    assert ledger.map_sights
    assert [sight.field.size for sight in ledger.map_sights if sight.field] == [field, field]
    assert depth in (None, ledger.totals.depth)
    assert not any("unplaced" in note for note in ledger.notes)


def test_squeeze_and_excite_sees_the_whole_picture():
    sights = measure("efficientnet_b0").map_sights
    assert sights and all(sight.span and sight.span.start <= 0 and sight.span.end >= 223 for sight in sights)


def test_where_the_memory_and_the_parameters_are():
    ledger = measure("vgg16")
    assert ledger.largest == "most activations: stage1 (48 %), most parameters: head.2 (74 %), most MACs: stage3 (30 %)"


TEXT = "conv 5x5x6, relu, maxpool 3 s2, flatten, fc 10"


def test_explanations():
    ledger = measure(TEXT, "32x32x3", explain=True)
    lines = {line["kind"]: line for line in ledger.table.rows}
    assert lines["conv 5×5"]["size_formula"] == "(32 + 2·0 − 5)/1 + 1 = 28"
    assert lines["conv 5×5"]["parameters_formula"] == "(5·5·3 + 1)·6 = 456"
    assert lines["conv 5×5"]["macs_formula"] == "28·28 · 5·5·3·6 = 352,800"
    assert "\n  MACs        1,014·10 = 10,140" in str(ledger)
    assert lines["maxpool 3×3 s2"]["size_formula"] == "(28 + 2·0 − 3)/2 + 1 = 13.50 → 13"
    assert any("1 row and 1 column are never seen" in note for note in ledger.notes)
    odd = measure(nn.Sequential(nn.Conv2d(3, 6, (5, 1), padding=(1, 0))), (32, 16, 3), explain=True).table.rows[0]
    assert odd["size_formula"] == "(32 + 2·1 − 5)/1 + 1 = 30 and (16 + 2·0 − 1)/1 + 1 = 16"
    assert (odd["output"], odd["field"], odd["field_start"]) == ([30, 16, 6], "5×1", [-1, 0])


def test_stages():
    ledger = measure("vgg16", by="stage")
    rows = ledger.table.rows
    assert [row["layer"] for row in rows] == ["stage1", "stage2", "stage3", "stage4", "stage5", "head"]
    assert sum(row["macs"] for row in rows) == ledger.totals.macs
    assert rows[-2]["field"] == "212"


def test_json_and_csv_hold_what_the_table_shows():
    ledger = measure(TEXT, "32x32x3")
    told = json.loads(ledger.to_json())
    assert told["total"]["parameters"] == ledger.totals.parameters == 456 + (13 * 13 * 6 + 1) * 10
    assert told["total"]["memory"]["forward"] == ledger.memory.forward
    assert told["rows"][0]["field_size"] == [5, 5]
    lines = list(csv.DictReader(io.StringIO(ledger.to_csv())))
    assert [line["kind"] for line in lines] == ["conv 5×5", "relu", "maxpool 3×3 s2", "fc"]
    assert lines[0]["output"] == "28x28x6"


@pytest.mark.parametrize("width", [60, 160])
def test_text_fits_the_terminal(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    text = str(measure(TEXT, "32x32x3"))
    assert max(map(len, text.splitlines())) <= width
    assert "conv 5×5" in text and "456" in text
    assert ("stride" in text.splitlines()[2]) == (width == 160)
    assert ("not shown" in text) == (width == 60)


def test_networks_side_by_side():
    table = shapes("lenet5", "lenet5_1998", TEXT, batch=4, input="32x32x3")
    assert [row["network"] for row in table.rows][:2] == ["lenet5", "lenet5_1998"]
    assert [row["depth"] for row in table.rows] == [5, 5, 2]
    assert all(row["training_bytes"] > row["forward_bytes"] for row in table.rows)


def test_meta_and_real_modules_give_the_same():
    def build():
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))

    with torch.device("meta"):
        there = build()
    assert measure(there, (8, 8, 3)).rows == measure(build(), (8, 8, 3)).rows
    assert measure(build().double(), (8, 8, 3)).rows == measure(build().half(), (8, 8, 3)).rows


@pytest.mark.parametrize(
    ("networks", "options", "sentence"),
    [
        ((), {}, "give a network's name"),
        (("vgg61",), {}, "did you mean"),
        (("vgg16",), {"by": "block"}, "grouping"),
        (("vgg16",), {"precision": "int8"}, "precision"),
        (("vgg16",), {"by": "stage", "explain": True}, "belong to layers"),
        (("vgg16",), {"batch": 0}, "holds 1 to 1,000,000 pictures, but 0"),
        (("vgg16",), {"input": "224x224"}, "height×width×channels"),
        (("vgg16",), {"input": "0x224x3"}, "at least 1"),
        ((3,), {}, "this is a int"),
        ((nn.Conv2d(3, 4, 3),), {}, "give input"),
        ((nn.Conv2d(3, 4, 3),), {"input": "8x8x3", "classes": 10}, "built already"),
    ],
)
def test_mistakes(networks, options, sentence):
    with pytest.raises((StriateError, UnknownName), match=sentence):
        shapes(*networks, **options)
