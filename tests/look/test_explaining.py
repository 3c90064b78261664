"""`striate explain`: sheets, tables, and mistakes in one sentence."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import striate as st
from striate.cli import main
from striate.errors import PictureError, StriateError, UnknownName
from striate.look.explain import overlays
from striate.look.methods import METHODS
from striate.look.photo import photo
from striate.look.subject import Subject
from striate.nets.build import net
from striate.nets.ensemble import ensemble
from striate.preprocess import Preprocess

TEXT = "conv 3x3x6 same, relu, maxpool 2, conv 3x3x8 same, relu, globalpool, fc 3"
CLASSES = ("cat", "dog", "owl")


@pytest.fixture
def whose() -> Subject:
    made = net(TEXT, input=(16, 16, 3), classes=CLASSES, seed=3)
    return Subject(made, Preprocess(size=(16, 16), resize=None), CLASSES, "small")


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, shape in (("a.png", (20, 30, 3)), ("b.jpg", (40, 18, 3)), ("more/a.png", (16, 16, 3))):
        Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(folder / name)
    return folder


def said(capsys, *words: str) -> str:
    """What the command says to a mistake."""
    with pytest.raises(SystemExit) as stop:
        main(["explain", *words])
    printed = capsys.readouterr()
    assert (stop.value.code, printed.out) == (2, "")
    assert len(printed.err.strip().splitlines()) == 1
    return printed.err


def test_a_picture_that_cannot_be_read_is_told_and_the_others_are_explained(whose, pictures, capsys):
    (pictures / "more" / "text.png").write_text("no picture")
    found = st.explain(whose, pictures, output=pictures / "why")
    assert [file.name for file in found.files] == ["a.png", "b.png", "a-2.png"]
    assert any(note.startswith("1 of 4 pictures cannot be read: ") and "text.png" in note for note in found.notes)
    for files in ([pictures / "more" / "text.png"], [pictures / "more" / "text.png"] * 2):
        with pytest.raises(PictureError, match=r"text\.png is not a picture"):
            st.explain(whose, *files)


def test_what_the_network_says_is_explained(whose, pictures):
    found = st.explain(whose, pictures / "a.png", pictures / "b.jpg")
    assert [one.path.name for one in found] == ["a.png", "b.jpg"]
    for one in found:
        with torch.no_grad():
            shares = whose.network.eval()(photo(one.path, whose).input).softmax(1)[0]
        assert one.classes == (CLASSES[int(shares.argmax())],)
        np.testing.assert_allclose(one.probabilities, [float(shares.max())], rtol=1e-5)
        assert one.maps["gradcam"].shape == (1, 8, 8) and one.maps["gradcam"].min() >= 0
    assert "Grad-CAM looks at stage2" in found.notes
    assert "no sheet is written; --output FOLDER writes one for each picture" in found.notes
    assert json.loads(found.to_json())["rows"][0]["file"] is None


def test_classes_by_name_and_the_most_probable_ones(whose, pictures):
    named = st.explain(whose, pictures / "a.png", classes=["owl", "cat"])[0]
    assert named.classes == ("owl", "cat")
    every = st.explain(whose, pictures / "a.png", top=3)[0]
    assert sorted(every.classes) == sorted(CLASSES)
    assert (np.diff(every.probabilities) <= 0).all()
    place = every.classes.index("owl")
    np.testing.assert_allclose(every.maps["gradcam"][place], named.maps["gradcam"][0], rtol=1e-5, atol=1e-7)


def test_pictures_with_several_labels_have_a_probability_for_each(whose, pictures):
    several = Subject(whose.network, whose.preprocess, CLASSES, several=True)
    found = st.explain(several, pictures / "a.png", top=3)[0]
    with torch.no_grad():
        expected = whose.network.eval()(photo(pictures / "a.png", whose).input).sigmoid()[0].sort(descending=True)
    np.testing.assert_allclose(found.probabilities, expected.values, rtol=1e-5)


def test_sheets_are_called_like_the_pictures(whose, pictures, tmp_path):
    found = st.explain(whose, pictures, output=tmp_path / "new" / "sheets")
    names = ["a.png", "b.png", "a-2.png"]
    assert [file.name for file in found.files] == names
    assert sorted(file.name for file in (tmp_path / "new" / "sheets").iterdir()) == sorted(names)
    for file in found.files:
        with Image.open(file) as sheet:
            sheet.load()
    assert [row["file"] for row in found.table.rows] == [str(file) for file in found.files]


@pytest.mark.parametrize("top", [1, 3])
def test_all_methods_on_one_sheet(whose, pictures, tmp_path, top):
    found = st.explain(whose, pictures / "a.png", method="all", top=top)
    assert list(found[0].maps) == list(METHODS)
    assert all(maps.shape[0] == top for maps in found[0].maps.values())
    assert any("add up to the change of the logit" in note for note in found.notes)
    (file,) = found.save(tmp_path / "why.png")
    with Image.open(file) as sheet:
        assert sheet.width > 1000


def test_methods_that_cannot_be_used_are_left_out_of_all_and_told(pictures):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))
    whose = Subject(network, Preprocess(size=(16, 16), resize=None), CLASSES)
    found = st.explain(whose, pictures / "a.png", method="all")
    assert not {"gradcam", "gradcam++", "cam"} & set(found[0].maps) and "saliency" in found[0].maps
    assert sum("is left out: maps need a layer with several positions" in note for note in found.notes) == 3
    with pytest.raises(StriateError, match="maps need a layer with several positions"):
        st.explain(whose, pictures / "a.png")


@pytest.mark.parametrize(
    ("mode", "size"), [("L", (9, 7)), ("RGBA", (20, 20)), ("I;16", (20, 30)), ("1", (8, 8)), ("RGB", (1, 1))]
)
def test_pictures_of_every_kind(whose, tmp_path, mode, size):
    Image.new(mode, size).save(tmp_path / "odd.png")
    (file,) = st.explain(whose, tmp_path / "odd.png", output=tmp_path / "why.jpg").files
    with Image.open(file) as sheet:
        assert sheet.format == "JPEG"


def test_gray_networks_too(tmp_path):
    made = net(TEXT, input=(16, 16, 1), classes=CLASSES)
    gray = Preprocess(size=(16, 16), resize=None, channels="L", mean=(0.5,), std=(0.5,))
    Image.new("RGB", (20, 30), "red").save(tmp_path / "red.png")
    found = st.explain(Subject(made, gray, CLASSES), tmp_path / "red.png", method="all")
    found.save(tmp_path / "why.png")


def test_overlays_for_a_page_are_those_of_the_command(whose, pictures):
    photos = [photo(file, whose) for file in sorted(pictures.rglob("*.*"))]
    drawn = overlays(whose, photos, [2, 0, 1], side=60)
    assert [max(image.size) for image in drawn] == [60, 60, 60]
    maps = st.explain(whose, pictures / "a.png", classes=["owl"])[0].maps["gradcam"]
    alone = photo(pictures / "a.png", whose).overlaid(maps[0], float(maps.max()), side=60)
    assert np.abs(np.asarray(drawn[0], int) - np.asarray(alone, int)).max() <= 1
    assert overlays(whose, [], []) == []


def test_members_of_an_ensemble_are_looked_at_one_by_one(whose, pictures):
    other = net(TEXT, input=(16, 16, 3), classes=CLASSES, seed=4)
    for member in (whose.network, other):
        member.preprocess = whose.preprocess
    both = Subject(ensemble([whose.network, other], False), whose.preprocess, CLASSES)
    with pytest.raises(StriateError, match=r"a member's is one of members\.0\.net\.stage2, members\.1\.net\.stage2"):
        st.explain(both, pictures / "a.png")
    found = st.explain(both, pictures / "a.png", method="all")
    assert {"saliency", "smoothgrad", "integrated"} <= set(found[0].maps) and "gradcam" not in found[0].maps
    assert st.explain(both, pictures / "a.png", layer="members.1.net.stage2")[0].maps["gradcam"].max() > 0


def test_the_command(pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")  # so that no path is broken
    main(["explain", "lenet5", str(pictures / "*.png"), "--class", "class 3", "-o", str(tmp_path / "why.png")])
    printed = capsys.readouterr().out
    assert "class 3" in printed and "gradcam" in printed and "why.png" in printed
    assert "it has learned nothing yet" in printed
    assert (tmp_path / "why.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "give pictures: files, folders, or patterns"),
        (["nowhere.jpg"], "there is no picture nowhere.jpg"),
        (["nowhere/*.jpg"], "no picture is called like nowhere/*.jpg"),
        (["{0}/a.png", "--class", "class 33"], "no class is called 'class 33'; did you mean class 3"),
        (["{0}/a.png", "--class", "class 3", "--top", "2"], "--class and --top 2 are given"),
        (["{0}/a.png", "--top", "11"], "lenet5 has 10 classes, but the top 11 are asked for"),
        (["{0}/a.png", "--top", "0"], "the top 0 are asked for"),
        (["{0}/a.png", "--layer", "stag1"], "did you mean stage1"),
        (["{0}/a.png", "--layer", "head"], "head puts out 10 numbers"),
        (["{0}/a.png", "--layer", "stage1", "--method", "saliency"], "saliency looks at none"),
        (["{0}/a.png", "--method", "lime"], "'lime'"),
        (["{0}/a.png", "--method", "cam"], "cam needs a network that ends in a mean"),
        (["{0}/a.png", "{0}/b.jpg", "-o", "{1}/why.png"], "a folder takes them all: {1}/why"),
        (["{0}/a.png", "-o", "{1}/why.pdf"], "the output must end in .png"),
        (["{0}/a.png", "-o", "{1}/nowhere/why.png"], "the output's folder must exist"),
        (["{0}/a.png", "-o", "{1}/file"], "is another file"),
        (["{0}/a.png", "-o", "{0}"], "must not replace a picture that it shows"),
        (["{1}/file"], "file is not a picture in a format that can be read"),
        (["{1}/empty"], "a folder is named for the pictures inside"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(pictures, tmp_path, capsys, words, sentence):
    (tmp_path / "file").write_text("text")
    (tmp_path / "empty").mkdir()
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    told = said(capsys, "lenet5", *(word.format(pictures, tmp_path) for word in words))
    assert sentence.format(pictures, tmp_path) in told
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()} == before


def test_whose_network_is_told_apart(pictures, tmp_path, capsys):
    assert "a run is a folder with a config.json" in said(capsys, str(tmp_path), str(pictures))
    assert "no network is called" in said(capsys, "lenet6", str(pictures))
    assert "gives maps, 16×16×3" in said(capsys, "input 16x16x3, conv 3x3x3 same", str(pictures))
    with pytest.raises(UnknownName):
        st.explain("lenet5", pictures / "a.png", method="lime")  # type: ignore[arg-type]
