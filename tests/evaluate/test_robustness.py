"""`striate robustness`: disturbances beside what they must be, figures beside sums by hand, and a trained run."""

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made import dataset, encoded, photo
from PIL import Image

from striate.cli import main
from striate.data.batches import Batch
from striate.errors import StriateError, UnknownName
from striate.evaluate.disturbing import KINDS, Disturbances, Luck, View, surrounded
from striate.evaluate.endured import Robustness
from striate.evaluate.evaluate import evaluate
from striate.evaluate.figures import headline
from striate.evaluate.judging import Judged
from striate.evaluate.robustness import measured, read_kinds, robustness, sample
from striate.evaluate.specimen import typical
from striate.pictures.resize import resize
from striate.preprocess import Preprocess
from striate.train.learn.tally import wilson
from striate.train.train import train

OWN = Preprocess(size=(16, 16), resize=24)
PICTURE = photo(3, 60, 90)
LUCK = Luck((1, 0), 1, np.random.default_rng(0).normal(size=(16, 16, 3)).astype(np.float32))


def seen(kind: str, strength: float, preprocess: Preprocess = OWN, picture: np.ndarray = PICTURE, luck: Luck = LUCK):
    """One disturbed input, as numbers."""
    return View(kind, strength).of(surrounded(preprocess).pixels(picture), luck).astype(float)


@given(
    st.integers(20, 70),
    st.integers(20, 70),
    st.integers(0, 20),
    st.sampled_from(["crop", "pad", "squash"]),
    st.sampled_from([(16, 16), (12, 20)]),
)
def test_an_input_with_its_surroundings_has_the_input_in_its_middle(height, width, around, fit, size):
    preprocess = Preprocess(size=size, resize=24, fit=fit)
    picture = photo(height, height, width)
    wide = preprocess.pixels(picture, around)
    assert wide.shape == (size[0] + 2 * around, size[1] + 2 * around, 3)
    inner = wide[around : around + size[0], around : around + size[1]]
    assert np.array_equal(inner, preprocess.pixels(picture))


def test_surroundings_are_the_picture_s_own_then_its_border_or_the_background():
    whole = Preprocess(size=(24, 36), resize=24).pixels(PICTURE)  # all of it, at the same scale
    wide = OWN.pixels(PICTURE, 6)
    assert np.array_equal(wide[2:26], whole[:, 4:32])
    assert np.array_equal(wide[0], wide[2])
    padded = Preprocess(size=(16, 16), fit="pad", background=(1, 2, 3)).pixels(PICTURE, 4)
    assert (padded[:, [0, -1]] == (1, 2, 3)).all()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind].plain is not None])
def test_the_strength_that_changes_nothing_changes_nothing(kind):
    plain = KINDS[kind].plain
    assert plain is not None
    assert np.array_equal(seen(kind, plain), OWN.pixels(PICTURE))


@pytest.mark.parametrize(("direction", "rows", "columns"), [((1, 0), 0, -3), ((-1, 0), 0, 3), ((0, 1), -3, 0)])
def test_a_shift_moves_whole_pixels_and_brings_in_surroundings(direction, rows, columns):
    wide = OWN.pixels(PICTURE, 3)
    found = seen("shift", 3, luck=LUCK._replace(direction=direction))
    assert np.array_equal(found, wide[3 + rows : 19 + rows, 3 + columns : 19 + columns])


def test_a_quarter_turn_is_numpy_s_and_half_the_size_that_of_the_one_resize():
    square = Preprocess(size=(16, 16), resize=16)
    picture = photo(5, 16, 16)
    assert np.array_equal(seen("rotation", 90, square, picture), np.rot90(picture))
    assert np.array_equal(seen("rotation", 90, square, picture, LUCK._replace(side=-1)), np.rot90(picture, -1))
    halved = resize(OWN.pixels(PICTURE, 8), (16, 16)).astype(int)
    assert np.abs(seen("scale", 0.5) - halved).max() <= 1  # level, for two roundings each


def test_levels_are_multiplied_and_spread_about_mid_gray():
    plain = OWN.pixels(PICTURE).astype(float)
    assert np.abs(seen("brightness", 0.5) - plain / 2).max() <= 0.5
    assert np.abs(seen("brightness", 3) - np.minimum(3 * plain, 255)).max() <= 0.5
    assert np.abs(seen("contrast", 0.25) - (127.5 + 0.25 * (plain - 127.5))).max() <= 0.5
    gray = Preprocess(size=(16, 16), resize=24, channels="L", mean=(0.5,), std=(0.5,))
    one = PICTURE[:, :, :1]
    luck = LUCK._replace(noise=LUCK.noise[:, :, :1])
    expected = 127.5 + 0.25 * (gray.pixels(one).astype(float) - 127.5)
    assert np.abs(seen("contrast", 0.25, gray, one, luck) - expected).max() <= 0.5
    assert seen("jpeg", 90, gray, one, luck).shape == (16, 16, 1)


def test_blur_keeps_the_mean_and_takes_away_detail():
    rough = np.random.default_rng(1).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    square = Preprocess(size=(16, 16), resize=16)
    spreads = [seen("blur", strength, square, rough).std() for strength in (0.5, 1, 2)]
    assert sorted(spreads, reverse=True) == spreads
    assert seen("blur", 1, square, rough).mean() == pytest.approx(rough.mean(), abs=3)


def test_a_jpeg_is_pillow_s_reading_of_opencv_s_file_within_rounding_and_keeps_red_red():
    red = np.zeros((16, 16, 3), np.uint8)
    red[:, :, 0] = 200
    square = Preprocess(size=(16, 16), resize=16)
    found = seen("jpeg", 90, square, red)
    assert np.abs(found - red).max() <= 4
    _, content = cv2.imencode(".jpg", np.ascontiguousarray(PICTURE[:16, :16, ::-1]), (cv2.IMWRITE_JPEG_QUALITY, 10))
    other = np.asarray(Image.open(io.BytesIO(content.tobytes()))).astype(float)
    assert np.abs(seen("jpeg", 10, square, PICTURE[:16, :16]) - other).max() <= 1


def test_what_is_drawn_belongs_to_the_picture_and_grows_with_the_strength():
    with ThreadPoolExecutor(2) as pool:
        shown = Disturbances(OWN, ["noise", "shift"], 7, pool)
        middle = torch.full((3, 3, *shown.preprocess.size), 128, dtype=torch.uint8)
        both = [
            [view.numpy().astype(float) for view in shown.of(Batch(middle[: len(rows)], torch.zeros(1), rows, 0, 0))]
            for rows in (np.array([5, 6, 9]), np.array([6]))
        ]
    assert [view.kind for view in shown.views] == ["", *["noise"] * 5, *["shift"] * 3]
    assert all(np.array_equal(many[1], alone[0]) for many, alone in zip(*both, strict=True))
    weak, strong = both[0][2] - 128, both[0][3] - 128  # 10 and 20 levels
    assert not np.array_equal(weak[0], weak[1])
    assert weak.std() == pytest.approx(10, rel=0.1)
    assert np.abs(strong - 2 * weak).max() <= 2


def test_strengths_fit_the_input():
    assert KINDS["shift"].fitting((224, 224))[-1] == 32
    assert KINDS["shift"].fitting((28, 28)) == (1, 2, 4)
    assert KINDS["shift"].fitting((2, 2)) == (1,)
    assert KINDS["blur"].fitting((8, 8)) == (0.5, 1)


@given(st.integers(1, 59), st.integers(0, 5))
def test_a_sample_has_the_same_share_of_each_class(number, seed):
    labels = np.repeat([0, 1], [40, 20])
    data = dataset([photo(0, 4, 4)] * 60, labels)
    found = sample(data, number, seed)
    counts = np.bincount(found.labels, minlength=2)
    assert counts.sum() == number
    assert np.abs(counts - number * np.array([2 / 3, 1 / 3])).max() <= 1
    assert len(set(found.rows.tolist())) == number
    assert np.array_equal(found.rows, sample(data, number, seed).rows)


def test_figures_are_those_of_evaluation_and_changes_are_of_the_same_pictures():
    labels = np.arange(8) % 2
    plain, other = labels.copy(), labels.copy()
    plain[:1] ^= 1
    other[2:6] ^= 1
    said = Judged(dataset([photo(0)] * 8, labels), np.stack([plain, other, plain], 1), [], 0, [""])
    points = measured(said, [View("", 0), View("blur", 1), View("blur", 2)])
    assert [point.value for point in points] == [7 / 8, 4 / 8, 7 / 8]
    assert (points[1].low, points[1].high) == wilson(4, 8)
    assert points[1].change == -3 / 8
    assert points[1].change_low is not None and points[1].change_high is not None
    assert points[1].change_low < -3 / 8 < points[1].change_high
    assert points[2].change == 0


def test_several_labels_are_judged_by_mean_average_precision():
    random = np.random.default_rng(0)
    labels = (random.random((40, 3)) < 0.4).astype(int)
    good = labels + random.normal(0, 0.5, labels.shape)
    bad = labels + random.normal(0, 3, labels.shape)
    data = dataset([photo(0)] * 40, labels)
    points = measured(Judged(data, np.stack([good, bad, good], 1), [], 0, [""]), [View("", 0), *[View("blur", 1)] * 2])
    for point, scores in zip(points, (good, bad, good), strict=True):
        figure = headline(scores, labels)[0]
        assert (point.value, point.low, point.high) == (figure.value, figure.low, figure.high)
    assert points[1].change == pytest.approx(points[1].value - points[0].value)
    assert points[1].costs
    assert (points[2].change, points[2].change_low, points[2].change_high) == (0, 0, 0)


def test_a_typical_picture_is_known_and_neither_easy_nor_hard():
    right = np.array([[0, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1]], bool)
    assert typical(right) == 2
    assert typical(np.zeros((3, 2), bool)) == 0


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Smooth pictures: brighter on the left in one class, on the right in the other."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    random = np.random.default_rng(0)
    ramp = np.linspace(-60, 60, 24)[None, :, None]
    for split, each in (("train", 16), ("val", 8), ("test", 12)):
        for name, sign in (("left", -1), ("right", 1)):
            (folder / split / name).mkdir(parents=True)
            for number in range(each):
                pixels = np.clip(120 + sign * ramp + random.normal(0, 15, (20, 24, 3)), 0, 255).astype(np.uint8)
                (folder / split / name / f"{number}.png").write_bytes(encoded(pixels))
    return folder


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    text = "conv 5x5x4 same, relu, maxpool 2, fc 2"
    folder = tmp_path_factory.mktemp("runs") / "run"
    made = train(
        photos, text, size="16x16", epochs=3, batch_size=8, lr=0.02, distortion="none", quiet=True, output=folder
    )
    assert made
    return made


def test_undisturbed_is_what_evaluation_says_and_everything_is_written(run, tmp_path):
    found = robustness(run, output=tmp_path / "out")
    assert found.points[0].value == evaluate(run).figures[0].value
    charts = {f"{kind}.svg" for kind in KINDS}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "robustness.json",
        "robustness.csv",
        "picture.png",
        *charts,
    }
    with (tmp_path / "out" / "robustness.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["value"]) for row in rows] == [point.value for point in found.points]
    kept = json.loads((tmp_path / "out" / "robustness.json").read_text())
    assert kept["sentences"] == [found.sentence, found.begins]
    turned = next(point for point in found.points if (point.kind, point.strength) == ("rotation", 45))
    assert turned.value <= found.points[0].value
    assert found.notes[0].startswith("24 test pictures of ")
    Image.open(tmp_path / "out" / "picture.png").verify()


def test_the_command_takes_kinds_and_a_sample(run, capsys):
    main(["robustness", str(run.folder), "--kinds", "noise,shift", "--pictures", "10", "--seed", "3"])
    told = capsys.readouterr().out
    for part in ("undisturbed", "80 levels", "4 px", "10 pictures of these", "drawn by seed 3"):
        assert part in told
    assert "rotation" not in told
    main(["robustness", str(run.folder), "--kinds", "jpeg", "--json"])
    assert len(json.loads(capsys.readouterr().out)["points"]) == 1 + len(KINDS["jpeg"].strengths)
    assert (
        robustness(run, kinds="noise", pictures=10).to_csv() == robustness(run, kinds=["noise"], pictures=10).to_csv()
    )


def test_what_hurts_most_and_what_begins_to_are_told():
    labels = np.zeros(200, int)
    answers = np.zeros((200, 5), int)
    for place, wrong in enumerate((0, 2, 60, 40, 90)):
        answers[:wrong, place] = 1
    said = Judged(dataset([photo(0)] * 200, labels), answers, [], 0, [""])
    views = [View("", 0), View("shift", 1), View("scale", 0.5), View("scale", 1.2), View("jpeg", 5)]
    found = Robustness("right", measured(said, views), [])
    assert found.sentence == (
        "what hurts most: JPEG quality 5 costs 45.0 points; a scale of ×0.5 costs 30.0 points; "
        "no more than chance: shift"
    )
    assert found.begins == "what costs more than chance begins with a scale of ×1.2, JPEG quality 5"
    nothing = Robustness("right", found.points[:2], [])
    assert (nothing.sentence, nothing.begins) == ("nothing that was tried costs more than chance", "")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--kinds", "blurr"], "no disturbance is called 'blurr'; did you mean blur"),
        (["--kinds", ""], "no disturbance is called ''; known: shift"),
        (["--pictures", "0"], "--pictures is a whole number of at least 1, but is 0"),
        (["--pictures", "many"], "is a whole number, but is 'many'"),
        (["--seed", "-1"], "a seed, an epoch and a sample are whole numbers from 0"),
        (["--split", "train"], "--split is val or test, but is 'train'"),
        (["nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_a_sentence(run, words, sentence, capsys):
    with pytest.raises(SystemExit) as exit:
        main(["robustness", str(run.folder), *words])
    assert exit.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_run_is_not_written_over_and_kinds_are_known(run):
    with pytest.raises(StriateError, match="--output is a folder of its own"):
        robustness(run, output=run.folder)
    with pytest.raises(UnknownName):
        read_kinds(["noise", "fog"])
    with pytest.raises(UnknownName):
        read_kinds([])
