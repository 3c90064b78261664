"""`striate op …` as it is typed, rightly and wrongly; and the same functions from Python."""

import json
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from striate.cli import main
from striate.errors import GeometryError, UnknownName
from striate.ops import commands
from striate.ops.conv import convolve
from striate.ops.filters import KERNELS, on_channels
from striate.ops.options import read_padding
from striate.ops.picture import read_picture
from striate.pictures.sheet import write_sheet


@pytest.fixture
def op(capsys, monkeypatch):
    """Run `striate op …`: what it printed, lines joined, so that folding does not matter."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*words: str) -> str:
        main(["op", *words])
        return " ".join(capsys.readouterr().out.split())

    return run


@pytest.fixture
def refused(capsys):
    """Run `striate op …` and expect exit code 2 and one sentence."""

    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(["op", *words])
        printed = capsys.readouterr()
        assert end.value.code == 2
        assert printed.out == ""
        assert printed.err.startswith("striate: ")
        assert printed.err.count("\n") == 1
        return printed.err

    return run


def as_json(op, *words: str) -> dict:
    return json.loads(op(*words, "--json"))


def test_the_example_of_two_halves_is_one_command_away(op):
    told = op("conv", "halves")
    assert "0 30 30 0" in told
    assert "(6 + 2·0 − 3)/1 + 1 = 4" in told
    assert "+ where it is lighter on the left, − where it is lighter on the right" in told
    pictures = {picture["title"]: picture["values"] for picture in as_json(op, "conv", "halves")["pictures"]}
    assert pictures["output"] == [[0, 30, 30, 0]] * 4
    assert pictures["filter"] == [[1, 0, -1]] * 3


def test_conv_computes_what_the_oracle_computes(op):
    row = as_json(op, "conv", "--kernel", "sobel-x", "-s", "2", "-p", "1", "--border", "reflect")["rows"][0]
    out = convolve(
        read_picture(None).gray()[None], on_channels(KERNELS["sobel-x"], 1), stride=2, padding=1, border="reflect"
    )
    assert row["size"] == "80×120"
    assert (row["smallest"], row["largest"], row["mean"]) == pytest.approx((out.min(), out.max(), out.mean()))


def test_flipping_turns_the_sign_and_says_so(op):
    plain, flipped = (as_json(op, "conv", "halves", *words)["rows"][0] for words in ([], ["--flip"]))
    assert (plain["smallest"], plain["largest"]) == (0, 30)
    assert (flipped["smallest"], flipped["largest"]) == (-30, 0)
    told = op("conv", "halves", "--flip")
    assert "filter turned by 180°" in told
    assert "+ where it is lighter on the right" in told


@pytest.mark.parametrize("where", [["--on", "red"], ["--on", "all"], []])
def test_a_filter_looks_at_one_channel_at_all_or_at_the_brightness(op, where):
    picture = read_picture(None)
    values = {"red": picture.values[:1], "all": picture.values.sum(0)[None]}.get(
        where[-1] if where else "", picture.gray()
    )
    out = convolve(values[None], on_channels(KERNELS["vertical"], 1))
    row = as_json(op, "conv", *where)["rows"][0]
    assert (row["smallest"], row["largest"]) == pytest.approx((out.min(), out.max()))


def test_before_zero_padding_the_mean_is_subtracted_and_told(op):
    blur = ["--kernel", "1 1 1;1 1 1;1 1 1"]
    pictures = {picture["title"]: picture for picture in as_json(op, "conv", "halves", "-p", "1", *blur)["pictures"]}
    assert pictures["picture"]["values"] == [[5, 5, 5, -5, -5, -5]] * 6
    assert pictures["output"]["values"][0] == [20, 30, 10, -10, -30, -20]
    assert "the mean (5) was subtracted, so that 0 means average" in op("conv", "halves", "-p", "1", *blur)
    for untouched in (["-p", "1", "--border", "replicate"], []):
        assert "subtracted" not in op("conv", "halves", *untouched)


def test_the_work_of_a_pixel_adds_up_to_the_output(op):
    told = as_json(op, "conv", "--on", "all", "-p", "2,1,0,3", "-s", "2x3", "--bias", "7", "--show-work", "0,5")[
        "work"
    ][0]
    products = np.array(told["windows"]) * np.array(told["filters"])
    np.testing.assert_allclose(products, told["products"])
    assert products.sum() + 7 == pytest.approx(told["value"])
    picture = read_picture(None).values
    centred = picture - picture.mean((1, 2), keepdims=True)
    out = convolve(centred[None], on_channels(KERNELS["vertical"], 3), [7], stride=(2, 3), padding=((2, 1), (0, 3)))
    assert told["value"] == pytest.approx(out[0, 0, 0, 5])


def test_the_work_of_a_pixel_reads_like_a_sum_on_paper(op):
    told = op("conv", "halves", "--show-work", "1,2", "--bias", "3")
    assert "Output pixel at row 1, column 2, counted from 0, sees rows 1 to 3 and columns 2 to 4" in told
    assert "10 0 0 × 1 0 −1 = 10 0 0" in told
    assert told.endswith("sum of the 9 products, gray: 30 with the bias: 30 + 3 = 33")
    at_the_edge = op("conv", "halves", "--show-work", "0,0", "-p", "1")
    assert (
        "sees rows −1 to 1 and columns −1 to 1 of the picture; numbers in (parentheses) lie in the border"
        in at_the_edge
    )
    assert "(0) (0) (0)" in at_the_edge


def test_edges_tells_every_kernel_with_its_sign(op):
    rows = as_json(op, "edges")["rows"]
    assert [row["kernel"] for row in rows] == list(KERNELS)
    assert all(row["lighter"] for row in rows)
    by_name = {row["kernel"]: row for row in rows}
    assert by_name["prewitt-x"]["largest"] == -by_name["vertical"]["smallest"]
    chosen = as_json(op, "edges", "--kernel", "vertical", "--kernel", "-1 1")["rows"]
    assert [row["kernel"] for row in chosen] == ["vertical", "-1 1"]


def test_pool_shows_both_and_its_work(op):
    told = as_json(op, "pool", "halves", "-s", "1", "--show-work", "0,2")
    assert [row["pooling"] for row in told["rows"]] == ["max", "average"]
    pictures = {picture["title"]: picture["values"] for picture in told["pictures"]}
    assert pictures["max"] == [[10, 10, 10, 0, 0]] * 5
    assert pictures["average"] == [[10, 10, 5, 0, 0]] * 5
    text = op("pool", "halves", "-s", "1", "--show-work", "0,2")
    assert "the largest of 4 values is 10" in text
    assert "the mean, 20/4, of 4 values is 5" in text


def test_pool_names_rows_that_are_left_over_and_sees_them_with_ceil(op):
    assert "2 rows and 2 columns are never seen" in op("pool", "halves", "-f", "4", "--kind", "max")
    told = op("pool", "halves", "-f", "4", "--kind", "average", "--ceil", "--show-work", "1,1")
    assert "never seen" not in told
    assert "the mean, 0/4, of 4 values is 0" in told


def test_pad_shows_all_borders_or_one(op):
    told = as_json(op, "pad", "halves", "-p", "0,0,2,1")
    rows = {picture["title"]: picture["values"][0] for picture in told["pictures"]}
    assert rows == {
        "zero": [0, 0, 5, 5, 5, -5, -5, -5, 0],
        "reflect": [10, 10, 10, 10, 10, 0, 0, 0, 0],
        "replicate": [10, 10, 10, 10, 10, 0, 0, 0, 0],
        "circular": [0, 0, 10, 10, 10, 0, 0, 0, 10],
    }
    assert [row["border"] for row in as_json(op, "pad", "--border", "circular")["rows"]] == ["circular"]


@pytest.mark.parametrize("command", ["conv", "edges", "pool", "pad"])
@pytest.mark.parametrize("source", [[], ["halves"]])
def test_every_command_writes_a_sheet(op, tmp_path, command, source):
    assert "written:" in op(command, *source, "-o", str(tmp_path / "sheet.png"))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 600
        assert len(sheet.getcolors(1 << 24) or []) > 20
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_the_sheet_of_edges_is_blue_white_and_red(op, tmp_path):
    op(
        "conv",
        "halves",
        "--kernel",
        "1 0 -1",
        "-p",
        "0,0,1,1",
        "--border",
        "circular",
        "-o",
        str(tmp_path / "sheet.png"),
    )
    with Image.open(tmp_path / "sheet.png") as sheet:
        colours = {colour for _, colour in sheet.getcolors(1 << 24) or []}
    assert {(110, 4, 24), (250, 250, 250), (8, 48, 107)} <= colours


def test_a_photo_is_read_upright_and_what_was_done_is_told(op, tmp_path):
    photo = Image.fromarray(np.zeros((20, 30, 3), np.uint8))
    exif = photo.getexif()
    exif[0x0112] = 6
    photo.save(tmp_path / "photo.jpg", exif=exif)
    for command in ("conv", "edges", "pool", "pad"):
        told = op(command, str(tmp_path / "photo.jpg"))
        assert "photo.jpg, 30×20×3" in told
        assert "turned upright" in told


def test_csv_is_the_table_and_does_not_drop_the_work(op, refused):
    assert op("conv", "halves", "--csv") == "kernel,size,smallest,largest,mean vertical,4×4,0.0,30.0,15.0"
    assert "leave --csv away" in refused("conv", "halves", "--csv", "--show-work", "0,0")


def test_the_commands_are_functions(tmp_path):
    answer = commands.conv("halves", stride=(1, 2), padding=1, border="replicate", show_work=(0, 0))
    assert answer.table.rows[0]["size"] == "6×3"
    assert answer.works[0].values["value"] == 0
    assert commands.size("7x7", "f3").total == {"axis": "output", "out": "5×5"}
    for command in (commands.conv, commands.pad):
        with pytest.raises(UnknownName, match="no border is called 'mirrored'"):
            command("halves", padding=1, border="mirrored")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("conv --kernel sobl-x", "no kernel is called 'sobl-x'; did you mean sobel-x"),
        ("conv --kernel|1 2; 3", "'1 2; 3' has rows of 2, 1"),
        ("conv --kernel|1 2 b", "'b' in '1 2 b' is not one"),
        ("conv --kernel|1 nan", "'nan' in '1 nan' is not one"),
        ("conv --kernel|1/0 1", "'1/0' in '1/0 1' is not one"),
        ("conv -s 0", "a stride must be at least 1, but is 0"),
        ("conv -s -2", "a stride must be at least 1, but is -2"),
        ("conv -s 1.5", "a stride is a whole number, or two as in 2x1 (vertical×horizontal), but is '1.5'"),
        ("conv -p -1", "valid or same, but is '-1'"),
        ("conv -p 1,2", "valid or same, but is '1,2'"),
        ("conv -p 99999", "a padded picture may have 64,000,000 pixels"),
        ("conv --border mirror", "mirror"),
        ("conv --bias nan", "a bias is a number from −1,000,000 to 1,000,000, but is nan"),
        ("conv --bias 1e308", "but is 1e+308"),
        ("conv halves -d 9", "3 with dilation 9, which spans 19, on 6 leaves no output; f 1 or less"),
        ("conv halves --on red", "a gray picture has no channels red, green and blue"),
        ("conv halves --show-work 4,0", "the output has rows 0 to 3, but the work of row 4 is asked"),
        ("conv halves --show-work 0,-1", "the output has columns 0 to 3, but the work of column -1 is asked"),
        ("conv halves --show-work 3", "a pixel is given as row,column counted from 0, as in 2,3, but is '3'"),
        ("conv missing.jpg", "missing.jpg is not there"),
        ("conv missing.jpg -o nowhere/out.png", "the output's folder must exist, but nowhere does not"),
        ("conv -o out.txt", "the output must end in .png, .jpg, .jpeg, .webp, but is out.txt"),
        ("edges --kernel nonsense", "no kernel is called 'nonsense'; known: "),
        ("pool -f 0", "a window must be at least 1, but is 0"),
        ("pool -p 2", "p 2 with f 2; p 1 or less would fit"),
        ("pool halves -f 7", "7 on 6 leaves no output"),
        ("pad -p same", "the padding 'same' depends on a window, but here is none"),
        ("pad --border mirrored", "mirrored"),
        ("size", "a size is computed from a picture and a window, as in: striate op size 7x7 f3 s2 p1"),
        ("size 7x7", "a window is needed"),
        ("size 7 f3", "height×width or height×width×channels, but is '7'"),
        ("size axb f3", "a size is written height×width×channels, as in 227x227x3, but is 'axb'"),
        ("size 0x7 f3", "every part of a size must be at least 1 and at most 1,000,000, but the size is 0x7"),
        ("size 7x7 g3", "'g3' is none of them"),
        ("size 7x7 f3 f4", "f stands there twice: 3 and f4"),
        ("size 7x7 f", "a number must follow f"),
        ("size 7x7 fx", "'fx' is none of them"),
        ("size 7x7 f3 s0", "a stride must be at least 1, but is 0"),
        ("size 7x7 f3 p-1", "but is '-1'"),
        ("size 7x7 f9", "9 on 7 leaves no output; f 7 or less, p 1 or more"),
        ("size 7x7 f3 n3", "a number of filters needs the picture's channels, as in 7x7x3"),
        ("size 7x7x3 f3 n0", "at least 1, but is '0'"),
    ],
)
def test_mistakes_are_one_sentence_with_the_rule_and_the_value(refused, monkeypatch, tmp_path, words, sentence):
    monkeypatch.chdir(tmp_path)
    before, _, kernel = words.partition("|")
    assert sentence in refused(*before.split(), *([kernel] if kernel else []))
    assert not list(tmp_path.iterdir())


def test_a_large_photo_is_computed_in_bands_and_drawn_small(op, tmp_path):
    gray = np.random.default_rng(0).integers(0, 256, (1700, 1601), np.uint8)
    Image.fromarray(gray).save(tmp_path / "photo.png")
    words = [str(tmp_path / "photo.png"), "-s", "3x1", "-p", "2,0,1,1", "-d", "2", "--border", "circular"]
    row = as_json(op, "conv", *words)["rows"][0]
    settings = {"stride": (3, 1), "padding": ((2, 0), (1, 1)), "dilation": 2, "border": "circular"}
    out = convolve(gray[None, None], on_channels(KERNELS["vertical"], 1), **settings)
    assert row["size"] == "×".join(map(str, out.shape[2:]))
    assert (row["smallest"], row["largest"], row["mean"]) == pytest.approx((out.min(), out.max(), out.mean()))
    op("pad", *words[:1], "-o", str(tmp_path / "sheet.png"))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width < 1200


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("1", ((1, 1), (1, 1))),
        ("1x2", ((1, 1), (2, 2))),
        ("1×2", ((1, 1), (2, 2))),
        ("1, 2, 3, 4", ((1, 2), (3, 4))),
        ("same", "same"),
        ("valid", "valid"),
    ],
)
def test_amounts_of_padding(text, sides):
    assert read_padding(text) == sides
    with pytest.raises(GeometryError):
        read_padding(text + "!")


def test_the_operators_need_no_torch():
    code = "import sys, striate.ops.commands, striate.ops.dense, striate.ops.norm; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_strip_fits_on_a_sheet(tmp_path):
    strip = tmp_path / "strip.png"
    Image.new("L", (3000, 5), 90).save(strip)
    commands.edges(strip, output=tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 1000


def test_the_numbers_of_a_zero_border_are_what_the_network_gets(tmp_path):
    with mock.patch("striate.ops.commands.write_sheet", wraps=write_sheet) as written:
        commands.pad("halves", padding=1, border="zero", output=tmp_path / "sheet.png")
    (panel,) = written.call_args.args[3]
    assert panel.numbers[0, 0] == 0
    assert panel.numbers[1, 1] == 5
