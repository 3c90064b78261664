"""Features are computed once, and are what the front gives."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from counted import COUNT, INPUT, SMALL, Counted, computed, expected_of, front
from made import dataset, encoded, photo

from striate.data.batches import Batches
from striate.data.distort.distortion import distortion
from striate.data.distort.warp import warp
from striate.data.normalise import normalised
from striate.errors import PictureError, StriateError
from striate.nets.build import net
from striate.preprocess import Preprocess
from striate.train.transfer.cut import Pooled, cut
from striate.train.transfer.features import features
from striate.train.transfer.views import Viewed, Views

pytestmark = pytest.mark.usefixtures("own_cache")


def test_features_are_what_the_front_gives_of_validation_s_pictures_and_their_mirrors(pictures):
    made = computed(pictures)
    plain = torch.cat([normalised(batch.pixels, INPUT) for batch in Batches(pictures, INPUT, cache="off")])
    with torch.no_grad():
        for view, pixels in enumerate((plain, plain.flip(3))):
            torch.testing.assert_close(torch.tensor(made.arrays["features"][:, view]), front()(pixels))
    assert made.views == 2
    np.testing.assert_array_equal(made.data.labels, pictures.labels)


def test_each_picture_is_read_once(pictures):
    computed(pictures, views=Views(5))
    assert pictures.source.reads == [1] * COUNT


def test_further_views_are_drawn_at_their_address(pictures):
    how = distortion("strong, pca 0.1")
    views = Viewed(pictures, INPUT, Views(4, how, seed=3))
    seen = views[7]
    whole = pictures.picture(7).pixels
    np.testing.assert_array_equal(seen[1], seen[0][:, ::-1])
    other = Viewed(pictures.part(np.array([7])), INPUT, Views(4, distortion("strong"), seed=3))
    alike = Viewed(pictures, INPUT, Views(4, distortion("strong"), seed=3))
    np.testing.assert_array_equal(other[0], alike[7])  # a picture's address is its row, in any part of the data
    for view in (2, 3):
        np.testing.assert_array_equal(seen[view], warp(whole, how.draw((24, 30), (16, 16), 3, view, 7, views._spread)))
    assert (seen[2] != seen[3]).any()


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_further_views_are_of_whole_pictures_where_the_first_is(pictures, fit):
    whole = replace(INPUT, resize=None, fit=fit)
    first, _, third = Viewed(pictures, whole, Views(3, distortion("none")))[0]
    np.testing.assert_array_equal(third, first)


def test_gray_pictures_have_one_channel(pictures):
    gray = Preprocess(size=(16, 16), resize=18, channels="L", mean=(0.5,), std=(0.5,))
    module = cut(net(SMALL, input="16x16x1"), "all").front
    made = features(module, pictures, gray, views=Views(3), engine=Counted(), workers=1)
    batch = next(iter(Batches(pictures, gray, cache="off", batch_size=COUNT)))
    with torch.no_grad():
        expected = module(normalised(batch.pixels, gray)).numpy()
    np.testing.assert_allclose(made.arrays["features"][:, 0], expected, atol=2e-3)


def test_stages_come_in_the_same_pass(pictures):
    halves = cut(net(SMALL, input="16x16x3"), "all")
    engine = Counted()
    made = computed(pictures, Pooled(halves), engine=engine)
    assert {name: array.shape for name, array in made.arrays.items()} == {
        "features": (COUNT, 2, 8 * 4 * 4),
        "stage1": (COUNT, 2, 4),
        "stage2": (COUNT, 2, 8),
    }
    assert engine.views == 2 * COUNT
    whole = made.arrays["features"].reshape(COUNT, 2, 8, 16).mean(3)
    np.testing.assert_allclose(made.arrays["stage2"], whole, rtol=1e-5, atol=1e-6)


def test_a_second_run_computes_nothing(pictures):
    first = computed(pictures, keeping="half")
    engine = Counted()
    again = computed(pictures, engine=engine, keeping="half")
    assert engine.made == 0
    assert pictures.source.reads == [1] * COUNT
    np.testing.assert_array_equal(again.arrays["features"], first.arrays["features"])
    assert "features of all 40 pictures are there already" in again.told
    assert [line for line in again.told if "half precision" in line] == [
        line for line in first.told if "half precision" in line
    ]


def pooling(more: str = ""):
    """A front whose print does not tell whether the average's windows may reach beyond the map."""
    return cut(net(f"conv 3x3x4, relu, avgpool 3 s2{more}, globalpool, flatten, fc 2", input="16x16x3"), "all").front


def other_weight(given):
    given["module"] = front()
    given["module"].stage1[0].weight.data[0, 0, 0, 0] += 1e-4


CHANGES = {
    "weights": other_weight,
    "layers": lambda given: given.update(module=cut(net(SMALL.replace("relu", "gelu"), input="16x16x3"), "all").front),
    "a setting that a layer's print does not show": lambda given: given.update(module=pooling(" ceil")),
    "preprocess": lambda given: given.update(preprocess=replace(INPUT, mean=(0.4, 0.4, 0.4))),
    "views": lambda given: given.update(views=Views(1)),
    "distortion": lambda given: given.update(views=Views(3, distortion("light"))),
    "seed": lambda given: given.update(views=Views(3, seed=1)),
    "keeping": lambda given: given.update(keeping="half"),
    "precision": lambda given: given.update(precision="fast"),
    "pictures": lambda given: given.update(data=dataset([encoded(photo(9))] * COUNT)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_features_depend_on_has_features_of_its_own(pictures, change):
    given = {"module": front(), "data": pictures, "preprocess": INPUT, "views": Views(3), "keeping": "full"}
    if "print" in change:
        given["module"] = pooling()
        assert repr(given["module"]) == repr(pooling(" ceil"))
    keys = []
    for _ in range(2):
        settings = {name: value for name, value in given.items() if name not in ("module", "data", "preprocess")}
        made = features(given["module"], given["data"], given["preprocess"], engine=Counted(), workers=1, **settings)
        keys.append(made.key)
        CHANGES[change](given)
    assert keys[0] != keys[1]


def test_labels_may_change(pictures):
    computed(pictures)
    engine = Counted()
    other = computed(replace(pictures, labels=1 - pictures.labels), engine=engine)
    assert engine.made == 0
    np.testing.assert_array_equal(other.data.labels, 1 - pictures.labels)


def test_what_was_stopped_goes_on(pictures):
    expected = computed(pictures, front(), keeping="half").arrays["features"].copy()
    other = dataset([*pictures.source.contents], where="elsewhere")
    with pytest.raises(KeyboardInterrupt):
        computed(other, engine=Counted(stop=40), keeping="half")
    engine = Counted()
    again = computed(other, engine=engine, keeping="half")
    assert engine.views == 2 * (COUNT - 32)  # two batches of 16 pictures were done
    np.testing.assert_array_equal(again.arrays["features"], expected)
    assert "features of 32 of 40 pictures are there already" in again.told


def test_what_half_precision_costs_is_told(pictures):
    full, half = computed(pictures), computed(pictures, keeping="half")
    off = half.arrays["features"].astype(np.float64) - full.arrays["features"]
    typical, largest = (100 * value / full.arrays["features"].std() for value in (off.std(), np.abs(off).max()))
    (line,) = [line for line in half.told if line.startswith("half precision")]
    assert line == (
        f"half precision moves a feature by {typical:.3f} % of the spread of all, typically; by {largest:.3f} % at most"
    )
    assert 0 < typical < 0.1
    assert not any("half precision" in line for line in full.told)


def test_what_half_precision_cannot_hold_is_kept_in_full(pictures, own_cache):
    large = lambda outputs: tuple(1e5 * output for output in outputs)  # noqa: E731
    made = computed(pictures, engine=Counted(change=large), keeping="half")
    assert made.arrays["features"].dtype == np.float32
    np.testing.assert_allclose(made.arrays["features"], 1e5 * expected_of(pictures.source.contents), rtol=1e-4, atol=1)
    assert len(list((own_cache / "features").glob("*/pixels"))) == 1  # those in half precision are gone
    assert any("up to 65,504" in line and "kept in full precision" in line for line in made.told)
    engine = Counted(change=large)
    again = computed(pictures, engine=engine, keeping="half")
    assert engine.made == 0
    assert any("kept in full precision" in line for line in again.told)
    assert not any("half precision moves" in line for line in again.told)


def test_features_that_are_no_numbers_are_refused(pictures):
    broken = lambda outputs: tuple(np.where(output > 0, np.nan, output) for output in outputs)  # noqa: E731
    with pytest.raises(StriateError, match=r"those of 000.png after features are not; these weights may be damaged"):
        computed(pictures, engine=Counted(change=broken))


def spoiled(contents):
    return dataset([*contents[:3], contents[3][:60], *contents[4:]])


def test_a_bad_picture_stops(contents):
    with pytest.raises(PictureError, match=r"003.png"):
        computed(spoiled(contents))


def test_a_bad_picture_is_skipped_and_counted(contents):
    made = computed(spoiled(contents), on_bad="skip", views=Views(3, distortion("photo, pca 0.1")))
    assert list(made.skipped) == ["003.png"]
    assert made.data.rows.tolist() == [row for row in range(COUNT) if row != 3]
    assert len(made) == len(made.arrays["features"]) == COUNT - 1
    assert any(line.startswith("1 picture could not be read and left out: 003.png") for line in made.told)
    torch.testing.assert_close(
        torch.tensor(made.arrays["features"][3:, 0]), expected_of(contents)[4:, 0], atol=1e-5, rtol=1e-5
    )


def test_left_out_pictures_need_memory_for_the_others(contents, monkeypatch):
    monkeypatch.setattr(sys.modules["striate.train.transfer.features"], "free_memory", lambda: 10)
    with pytest.raises(StriateError, match=r"39.2 KiB, go into memory, of which 10 B are free; remove the 1 picture"):
        computed(spoiled(contents), on_bad="skip")


def test_no_good_picture_is_an_error(contents):
    with pytest.raises(StriateError, match="no picture of made can be read"):
        computed(dataset([contents[0][:60]] * 2), on_bad="skip")


@pytest.mark.parametrize("number", [0, 1001, 2.0, True])
def test_a_number_of_views_is_a_whole_one(number):
    with pytest.raises(StriateError, match="whole number of views"):
        Views(number)
