"""Strengths, their text, what is drawn from them, and the sheet that shows it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from warp_reference import distortions

import striate
from striate.cli import main
from striate.data.distort.colour import colour_spread, draw_colour
from striate.data.distort.distortion import PRESETS, Distortion, distortion
from striate.data.distort.draw import NUMBERS, centred_box, draw, random_box
from striate.errors import StriateError, UnknownName
from striate.ops.picture import LUMA

MIDDLE = np.full(NUMBERS, 0.5)


@given(distortions())
def test_the_text_makes_it_again(strengths):
    assert distortion(str(strengths)) == strengths


def test_presets_are_their_own_text():
    for name, preset in PRESETS.items():
        assert str(preset) == name
        assert distortion(name) == distortion(preset) == preset
    assert PRESETS["digits"].mirror == 0


def test_a_preset_and_its_changes():
    assert distortion("photo, rotate 25,mirror 0 , blur .5") == Distortion(
        **{**vars(PRESETS["photo"]), "rotate": 25.0, "mirror": 0.0, "blur": 0.5}
    )
    assert str(distortion("none, pca 0.1, crop 1")) == "none, crop 1, pca 0.1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("foto", "no preset of distortions is called 'foto'; did you mean photo?"),
        ("", "no preset of distortions is called ''; known: none, light"),
        ("photo, rotat 20", "no distortion is called 'rotat'; did you mean rotate"),
        ("photo,", "no distortion is called ''; known: mirror"),
        ("photo, rotate", "rotate is degrees either way, from 0 to 180, as in 'rotate 90', but is ''"),
        ("photo, rotate -3", "from 0 to 180, as in 'rotate 90', but is '-3'"),
        ("photo, rotate nan", "but is 'nan'"),
        ("photo, rotate 181", "rotate is degrees either way, from 0 to 180, but is 181"),
        ("none, mirror 2", "mirror is a probability, from 0 to 1, but is 2"),
        ("none, padding 1.5", "padding is a whole number of pixels, but is 1.5"),
        ("photo, padding 4", "set one of them to 0"),
    ],
)
def test_mistakes_in_a_text_are_a_sentence(text, sentence):
    with pytest.raises(StriateError, match=r"^[^\n]*$") as told:
        distortion(text)
    assert sentence in str(told.value)
    assert isinstance(told.value, UnknownName) == sentence.startswith("no ")


def test_what_is_drawn_depends_on_the_address_alone():
    def drawn(seed, epoch, sample):
        return distortion("strong").draw((300, 400), (224, 224), seed, epoch, sample).affine

    assert drawn(0, 1, 2) == drawn(0, 1, 2)
    assert len({drawn(0, 1, 2), drawn(1, 1, 2), drawn(0, 0, 2), drawn(0, 1, 3), drawn(0, 2, 1)}) == 5


@pytest.mark.parametrize("name", ["mirror 1", "rotate 20", "warp 0.05", "hue 30", "gray 1", "blur 1", "erase 1"])
def test_switching_one_on_changes_no_other(name):
    without, added = (
        distortion(text).draw((90, 80), (32, 32), 5, 6, 7).amounts for text in ("light, mirror 0", f"light, {name}")
    )
    assert without.items() < added.items()


@given(distortions(), st.integers(0, 1000))
def test_amounts_stay_within_their_strengths(strengths, sample):
    drawn = strengths.draw((50, 60), (24, 36), 0, 0, sample, np.eye(3))
    amounts, tiny = drawn.amounts, 1e-9
    for name in ("rotate", "shear", "hue"):
        assert abs(amounts.get(name, 0)) <= getattr(strengths, name)
    for name in ("scale", "brightness", "contrast", "saturation"):
        assert abs(amounts.get(name, 1) - 1) <= getattr(strengths, name) + tiny
    for name in ("right", "down"):
        assert abs(amounts.get(name, 0)) <= strengths.padding
    assert 0 <= drawn.blur <= (strengths.sigma + tiny if strengths.blur else 0)
    if drawn.moves is not None:
        assert np.abs(drawn.moves).max() <= strengths.warp * 24
    if drawn.erased:
        top, left, height, width = drawn.erased
        assert 0 <= top < top + height <= 24
        assert 0 <= left < left + width <= 36


def test_chances_are_kept():
    strengths, count = distortion("none, mirror 0.5, gray 0.2, blur 0.3, erase 0.4"), 2000
    drawn = [strengths.draw((9, 9), (9, 9), 1, 0, sample).amounts for sample in range(count)]
    for name, chance in (("mirror", 0.5), ("gray", 0.2), ("blur", 0.3), ("erase", 0.4)):
        assert abs(sum(name in amounts for amounts in drawn) / count - chance) < 0.04


sides = st.integers(1, 300)
crops = st.lists(st.floats(0, 1, exclude_max=True), min_size=22, max_size=22)


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.floats(0.01, 1), st.floats(1, 4), crops)
def test_crops_are_whole_pixels_inside_the_picture(size_in, size_out, share, aspect, numbers):
    for top, left, height, width in (
        random_box(size_in, size_out, share, aspect, numbers),
        centred_box(size_in, size_out),
    ):
        assert 0 <= top < top + height <= size_in[0]
        assert 0 <= left < left + width <= size_in[1]


def test_crops_have_the_area_and_shape_that_were_asked_for():
    random = np.random.default_rng(0)
    boxes = np.array([random_box((400, 400), (100, 200), 0.1, 4 / 3, random.random(22).tolist()) for _ in range(3000)])
    top, left, height, width = boxes.T
    ratio, share = width / height / 2, height * width / 160_000
    assert 0.73 < ratio.min() < 0.77
    assert 1.31 < ratio.max() < 1.36
    assert share.min() < 0.12
    small = share < 0.35  # these always fit, though the view is twice as wide as high
    assert abs(np.mean(share[small]) - 0.225) < 0.01
    assert abs(np.log(ratio[small]).mean()) < 0.02
    assert abs(np.log(ratio[small]).std() - np.log(4 / 3) / 3**0.5) < 0.01  # that of a uniform one
    assert top.min() == left.min() == 0
    assert (top + height).max() == (left + width).max() == 400


def test_in_a_panorama_crops_are_as_large_as_fits_and_lie_anywhere():
    random = np.random.default_rng(0)
    boxes = [random_box((100, 1000), (64, 64), 0.5, 4 / 3, random.random(22).tolist()) for _ in range(100)]
    assert {box[2:] for box in boxes} == {(100, 133)}
    lefts = [box[1] for box in boxes]
    assert min(lefts) < 50
    assert max(lefts) > 800


def colours(text: str, numbers: list[float], spread=None) -> np.ndarray:
    matrix, _ = draw_colour(distortion(text), numbers, spread, {})
    assert matrix is not None
    return matrix


HIGHEST = [1.0] * 9  # every strength as drawn at its upper end


def test_each_colour_change_is_what_it_says():
    orange = np.array([200.0, 100, 30])
    gray = np.dot(LUMA, orange)
    ones = np.array([*orange, 1])
    np.testing.assert_allclose(colours("none, brightness 0.2", HIGHEST) @ ones, orange * 1.2, rtol=1e-6)
    np.testing.assert_allclose(colours("none, contrast 0.2", HIGHEST) @ ones, 127.5 + 1.2 * (orange - 127.5), rtol=1e-6)
    np.testing.assert_allclose(colours("none, saturation 0.2", HIGHEST) @ ones, gray + 1.2 * (orange - gray), rtol=1e-6)
    np.testing.assert_allclose(colours("none, hue 120", HIGHEST) @ ones, orange[[2, 0, 1]], rtol=1e-5)
    np.testing.assert_allclose(colours("none, gray 1", [0.0] * 9) @ ones, [gray] * 3, rtol=1e-6)


def test_colour_changes_compose_in_their_order():
    ones, spread = np.array([200.0, 100, 30, 1]), np.diag([9.0, 5, 2])
    numbers = [0.9, 0.2, 0.7, 0.6, 1.0, 0.3, 0.1, 0.8, 0.4]
    # numbers stand for brightness, contrast, saturation, hue, gray, then the four of the shift
    steps = ["brightness 0.5", "contrast 0.4", "hue 40", "pca 0.3", "saturation 0.6"]
    expected = ones
    for step in steps:
        expected = np.append(colours(f"none, {step}", numbers, spread) @ expected, 1)
    np.testing.assert_allclose(colours(", ".join(["none", *steps]), numbers, spread) @ ones, expected[:3], rtol=1e-5)


def test_gray_pictures_get_brightness_and_contrast_alone():
    _, light = draw_colour(distortion("none, brightness 0.5, contrast 0.4, hue 20, saturation 0.5"), HIGHEST, None, {})
    assert light == pytest.approx((1.5 * 1.4, -0.4 * 127.5))
    assert draw_colour(distortion("none, rotate 5"), HIGHEST, None, {}) == (None, None)


def test_pca_shifts_as_the_colours_of_the_data_spread():
    random = np.random.default_rng(0)
    made = random.multivariate_normal([128] * 3, [[300, 200, 50], [200, 400, 90], [50, 90, 200]], (4, 50, 50))
    pictures = np.clip(np.rint(made), 0, 255).astype(np.uint8)
    spread = colour_spread(pictures)
    covariance = np.cov(pictures.reshape(-1, 3).T)
    np.testing.assert_allclose(spread @ spread.T, covariance, rtol=0.01)
    shifts = [distortion("none, pca 0.5").draw((9, 9), (9, 9), 0, 0, n, spread).colour for n in range(3000)]
    drawn = np.array([matrix[:, 3] for matrix in shifts if matrix is not None])
    np.testing.assert_allclose(np.cov(drawn.T), covariance / 4, rtol=0.15)
    assert not colour_spread([np.full((5, 5, 3), 7, np.uint8)]).any()


def test_pca_without_the_data_is_refused():
    with pytest.raises(StriateError, match="their spread is not known; colour_spread\\(pictures\\) tells it"):
        draw(distortion("none, pca 0.1"), (9, 9), (9, 9), MIDDLE)
    with pytest.raises(StriateError, match="of 3 channels, but a picture has 1"):
        colour_spread([np.zeros((5, 5, 1), np.uint8)])
    with pytest.raises(StriateError, match="but there are none"):
        colour_spread([])


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_the_sheet_has_the_picture_and_its_views(photo, tmp_path):
    told = striate.distort(photo, preset="strong, pca 0.1", size=32, count=6, output=tmp_path / "sheet.png")
    assert [row["view"] for row in told.rows] == [1, 2, 3, 4, 5, 6]
    assert all(abs(row["rotate"]) <= 20 for row in told.rows)
    assert "distortion: strong, pca 0.1" in str(told)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 1200
        assert sheet.getextrema() != ((255, 255),) * 3


def test_the_command_says_what_was_drawn(photo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["distort", "photo.png", "--preset", "photo, rotate 25, mirror 1", "--count", "2", "-o", "sheet.jpg"])
    printed = capsys.readouterr().out
    assert "Views of photo.png, 40×60×3 → 224×224" in printed
    assert printed.count("yes") == 2
    assert "written: sheet.jpg" in printed
    main(["distort", "--preset", "none", "--count", "1", "--csv"])
    assert capsys.readouterr().out == "view\n1\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.jpg"], "nowhere.jpg is not there"),
        (["photo.png", "--preset", "foto"], "did you mean photo"),
        (["photo.png", "-o", "sheet.gif"], "the output must end in .png"),
        (["photo.png", "-o", "photo.png"], "must not be the file that is read"),
        (["photo.png", "--count", "0"], "a sheet holds 1 to 200 views of 1 to 2048 pixels a side, but 0 of 224"),
        (["photo.png", "--size", "9999"], "but 11 of 9999"),
        (["photo.png", "--seed=-1"], "are whole numbers from 0 to 2^64"),
    ],
)
def test_mistakes_are_one_sentence(photo, tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["distort", *words])
    printed = capsys.readouterr().err
    assert stop.value.code == 2
    assert sentence in printed
    assert len(printed.strip().splitlines()) == 1
