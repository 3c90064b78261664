"""What a training decides by itself."""

import io
import tarfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made import dataset, encoded, photo
from safetensors.torch import save_file
from torch import nn

import striate
from striate.data.sources.shards import Shards
from striate.engine import processor
from striate.errors import DataError, GeometryError, StriateError, WeightsError
from striate.nets import weight_files
from striate.nets.naming import to_state_dict
from striate.preprocess import Preprocess
from striate.train.choose import defaults
from striate.train.choose.choosing import choose
from striate.train.choose.seen import Seen
from striate.train.recipe import Recipe

CPU = torch.device("cpu")


def pictures(count: int = 8, height: int = 28, width: int = 28, gray: bool = False, labels=None):
    made = [photo(number, height, width) for number in range(count)]
    return dataset([pixels[:, :, :1] if gray else pixels for pixels in made], labels, gray=gray)


def told(chosen) -> dict[str, str]:
    return {choice.name: choice.value for choice in chosen.choices}


@pytest.mark.parametrize(
    ("height", "width", "gray", "input", "fit"),
    [
        (28, 28, True, (28, 28, 1), "squash"),
        (32, 48, False, (32, 48, 3), "squash"),
        (8, 8, True, (16, 16, 1), "crop"),
        (70, 90, False, (64, 64, 3), "crop"),
        (200, 300, False, (128, 128, 3), "crop"),
    ],
)
def test_the_input_suits_the_pictures(height, width, gray, input, fit):
    chosen = choose(pictures(4, height, width, gray), None, {"weights": "none"}, CPU)
    assert chosen.network.input == input
    assert chosen.preprocess.size == input[:2]
    assert chosen.preprocess.fit == fit
    assert chosen.preprocess.channels == ("L" if gray else "RGB")
    assert chosen.network.classes == ("a", "b")
    assert chosen.network(torch.zeros(2, input[2], *input[:2])).shape == (2, 2)


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("own", [None, "crop", "squash"])
def test_pictures_fit_as_is_asked_whatever_the_network_is_used_to(fit, own):
    net = given_net(classes=2)
    net.preprocess = own and Preprocess(net.input[:2], 32 if own == "crop" else None, own)
    chosen = choose(pictures(6, 200, 300), net, {"fit": fit}, CPU)
    assert (chosen.preprocess.fit, chosen.preprocess.size) == (fit, net.input[:2])
    assert chosen.preprocess.resize == (32 if fit == "crop" and own != "squash" else None)
    assert "--fit" not in told(chosen)
    black = np.zeros((200, 300, 3), np.uint8)
    assert (chosen.preprocess.pixels(black).max() > 0) == (fit == "pad")  # on white


def test_photos_begin_with_published_weights(monkeypatch):
    def away(name):
        raise WeightsError(f"{name} is not in the cache")

    monkeypatch.setattr(weight_files, "fetch", away)
    with pytest.raises(WeightsError, match=r"timm/resnet18.a1_in1k is not in the cache; --weights none trains from"):
        choose(pictures(2, 200, 300), None, {}, CPU)
    with pytest.raises(WeightsError, match=r"bvlc_googlenet are not on this machine: fetch .* by hand"):
        choose(pictures(2, 200, 300), "googlenet", {}, CPU)


def test_a_file_of_weights_decides_the_network(tmp_path):
    """Named in no way: the publisher's names of its tensors tell."""
    for name, publisher in (("resnet18", "torchvision"), ("mobilenet_v2", "timm")):
        save_file(to_state_dict(striate.net(name, seed=1), publisher), tmp_path / "mine.safetensors")
        chosen = choose(pictures(2, 200, 300), None, {"weights": str(tmp_path / "mine.safetensors")}, CPU)
        assert chosen.network.name == name
        assert [choice.why for choice in chosen.choices if choice.name == "--net"] == [
            f"{tmp_path / 'mine.safetensors'} holds weights of it"
        ]
    save_file({"weight": torch.ones(3)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"but those of .*other.safetensors are those of no network .*; give --net"):
        choose(pictures(2, 200, 300), None, {"weights": str(tmp_path / "other.safetensors")}, CPU)


def test_photos_get_a_residual_network_and_small_pictures_a_compact_one():
    scratch = {"weights": "none"}
    photos, small = choose(pictures(4, 200, 300), None, scratch, CPU), choose(pictures(), None, {}, CPU)
    assert told(photos)["--net"] == "resnet18"
    assert (photos.recipe["distortion"], photos.recipe["label_smoothing"]) == ("photo", 0.1)
    assert 2e6 < striate.shapes(told(small)["--net"], input="28x28x1").totals.macs < 10e6
    assert choose(pictures(), None, {}, CPU).recipe["distortion"] == "none, padding 2, mirror 0.5"
    assert choose(pictures(), None, {"epochs": 3}, CPU).recipe["distortion"] == "none"
    assert choose(pictures(gray=True), None, {}, CPU).recipe["distortion"] == "none, padding 2"


@pytest.mark.parametrize(
    ("net", "asked", "gray", "input"),
    [
        ("lenet5", {}, False, (32, 32, 3)),
        ("lenet5", {}, True, (32, 32, 1)),
        ("lenet5", {"size": "40x36"}, False, (40, 36, 3)),
        ("lenet5", {"size": "40x36x1"}, False, (40, 36, 1)),
        ("resnet18", {}, False, (64, 64, 3)),
        ("lenet5_1998", {}, False, (32, 32, 1)),
        ("input 20x20x3\nconv 3x3x4, relu, fc 7", {}, True, (20, 20, 3)),
        ("conv 3x3x4, relu, fc 7", {}, True, (28, 28, 1)),
    ],
)
def test_a_network_by_name_has_its_own_input_unless_another_suits(net, asked, gray, input):
    chosen = choose(pictures(gray=gray), net, asked, CPU)
    assert chosen.network.input == input
    assert (chosen.preprocess.channels == "L") == (input[2] == 1)
    assert ("channels" in told(chosen)) == (gray != (input[2] == 1))  # whatever is done to colours is told
    assert ("--size" in told(chosen)) == ("size" not in asked)
    assert chosen.network(torch.zeros(2, input[2], *input[:2])).shape == (2, 2)


def test_first_weights_are_of_the_seed():
    one, same, other = (
        choose(pictures(), "lenet5", {"seed": seed}, CPU).network.state_dict()["stage1.0.weight"] for seed in (3, 3, 4)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@given(st.integers(0, 255), st.integers(0, 255))
def test_mean_and_std_are_those_of_the_pixels(low, high):
    half = np.full((28, 28, 3), low, np.uint8)
    half[14:] = high
    preprocess = choose(dataset([half, half]), "lenet5", {"size": "28x28"}, CPU).preprocess
    values = np.array([low, high]) / 255
    assert preprocess.mean == pytest.approx((values.mean(),) * 3, abs=6e-4)
    assert preprocess.std == pytest.approx((max(values.std(), 0.001),) * 3, abs=6e-4)


def test_what_is_asked_for_is_kept_and_the_rest_is_told():
    asked = {"epochs": 3.5, "batch_size": 24, "lr": "auto", "optimizer": "adamw", "size": "32x32", "dropout": None}
    chosen = choose(pictures(), "lenet5", asked, CPU)
    recipe = Recipe.from_dict(chosen.recipe)
    assert (recipe.epochs, recipe.batch_size, recipe.optimizer) == (3.5, 24, "adamw")
    assert not told(chosen).keys() & {"--epochs", "--batch-size", "--optimizer", "--size"}
    assert told(chosen)["--lr"] == f"{recipe.lr:g}"
    assert all(choice.why for choice in chosen.choices)


def test_bad_pictures_are_left_to_where_they_are_learned_from():
    contents = [encoded(photo(number, 28, 28)) for number in range(6)]
    whole = choose(dataset(contents, where="whole"), "lenet5", {}, CPU).preprocess
    bad = choose(dataset([*contents, b"no picture"], where="bad"), "lenet5", {}, CPU).preprocess
    assert bad == whole
    with pytest.raises(DataError, match="none of broken can be read"):
        choose(dataset([b"no picture"] * 2, where="broken"), "lenet5", {}, CPU)


def test_uneven_classes_are_told():
    even, uneven = ([0] * 4 + [1] * 4), ([0] * 12 + [1] * 2)
    assert "--balance" not in told(choose(pictures(8, labels=even), "lenet5", {}, CPU))
    assert told(choose(pictures(14, labels=uneven), "lenet5", {}, CPU))["--balance"] == "none"
    assert "--balance" not in told(choose(pictures(14, labels=uneven), "lenet5", {"balance": "weights"}, CPU))


def given_net(**settings):
    return striate.net("lenet5", input="28x28x3", **settings)


def without_input():
    return given_net()[1:]


@pytest.mark.parametrize(
    ("data", "net", "asked", "kind", "sentence"),
    [
        (lambda: pictures(0), "lenet5", {}, DataError, "has none to learn from"),
        (lambda: pictures(4, labels=[1] * 4), "lenet5", {}, DataError, "has those of 1 class;"),
        (pictures, lambda: given_net(classes=5), {}, StriateError, "this one has 5 and the pictures are of 2 classes"),
        (pictures, lambda: given_net(classes=["a", "c"]), {}, StriateError, "it knows c, which the pictures have not"),
        (pictures, lambda: given_net(classes=["b", "a"]), {}, StriateError, "another order"),
        (pictures, lambda: nn.Sequential(nn.Flatten()), {}, StriateError, "but here it is a Sequential"),
        (pictures, without_input, {}, StriateError, "knows its input"),
        (pictures, lambda: given_net(classes=2), {"size": "32x32"}, StriateError, "28×28×3, but --size is 32x32"),
        (
            pictures,
            lambda: striate.net([nn.Conv2d(3, 4, 3), nn.RReLU(), "fc 2"], input="28x28x3"),
            {},
            StriateError,
            "cannot be written down",
        ),
        (pictures, "lenet5", {"size": "8x8"}, GeometryError, "--size 32x32 would fit"),
        (pictures, "lenet5", {"size": "8"}, StriateError, "as in 96x96"),
        (pictures, "lenet5", {"size": "32x32x4"}, StriateError, "1 channel or 3, as pictures have, but is 32x32x4"),
        (pictures, "lenet5", {"size": "9000x9"}, StriateError, "sides of up to 4,096 pixels, but is 9000x9"),
        (pictures, "resnet18", {"weights": "none", "thaw": True}, StriateError, "--thaw is asked of a network that"),
        (
            pictures,
            "lenet5",
            {"weights": "none", "freeze": "all"},
            StriateError,
            "what is frozen has to know something",
        ),
        (
            pictures,
            "resnet18",
            {"weights": "auto", "freeze": "stage9"},
            StriateError,
            "freeze up to is called 'stage9'",
        ),
        (pictures, "lenet5", {"epochs": -1}, StriateError, "--epochs is a number"),
    ],
)
def test_what_cannot_work_is_refused_at_once(data, net, asked, kind, sentence):
    with pytest.raises(kind) as told:
        choose(data(), net if isinstance(net, str) else net(), asked, CPU)
    assert sentence in str(told.value)


def test_a_given_network_is_copied_with_its_weights():
    mine = given_net(classes=["a", "b"])
    chosen = choose(pictures(), mine, {}, CPU)
    assert torch.equal(chosen.network.state_dict()["stage1.0.weight"], mine.state_dict()["stage1.0.weight"])
    with torch.no_grad():
        chosen.network.get_parameter("stage1.0.weight").zero_()
    assert mine.state_dict()["stage1.0.weight"].any()
    fresh = chosen.recipe["lr"]
    mine.preprocess = chosen.preprocess  # as where weights were loaded
    again = choose(pictures(), mine, {}, CPU)
    assert again.preprocess is not None
    assert again.recipe["lr"] == pytest.approx(fresh / 10)
    mine.preprocess = striate.Preprocess()
    with pytest.raises(StriateError, match=r"but net\.preprocess makes 224×224"):
        choose(pictures(), mine, {}, CPU)


@given(st.integers(2, 10**7), st.booleans())
def test_batches_leave_steps_enough(count, small):
    size, _ = defaults.batch_size(count, small, CPU)
    assert 16 <= size <= 128
    assert size == 16 or count / size >= defaults.LEAST_STEPS
    assert size & (size - 1) == 0


@pytest.mark.parametrize(
    ("net", "optimizer", "rates"),
    [
        ("resnet20", "sgd", (0.02, 0.2)),
        ("lenet5", "adamw", (5e-4, 2e-3)),
        ("alexnet", "adamw", (3e-5, 2e-4)),
        ("vgg16", "adamw", (3e-5, 2e-4)),
        ("convnext_tiny", "adamw", (3e-4, 2e-3)),
    ],
)
def test_the_rate_depends_on_what_normalises(net, optimizer, rates):
    with torch.device("meta"):
        network = striate.net(net)
    seen = Seen(50_000, 32, (32, 32), False, 1.0)
    recipe, _ = defaults.settings(network, seen, {}, CPU, several=False)
    assert recipe["optimizer"] == optimizer
    assert rates[0] <= recipe["lr"] <= rates[1]
    sgd, _ = defaults.settings(network, seen, {"optimizer": "sgd"}, CPU, several=False)
    assert sgd["weight_decay"] == 5e-4
    assert sgd["lr"] >= recipe["lr"]


def test_shards_are_looked_at_in_their_beginning(tmp_path):
    path = tmp_path / "train.tar"
    with tarfile.open(path, "w") as tar:
        for number in range(6):
            for ending, content in ((".png", encoded(photo(number, 28, 28))), (".cls", str(number % 2).encode())):
                member = tarfile.TarInfo(f"{number:03d}{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    shards = Shards("train.tar", [str(path)], ("a", "b"))
    chosen = choose(shards, None, {}, CPU, pictures=5000)
    assert chosen.network.input == (28, 28, 3)
    assert chosen.recipe["batch_size"] == 128
    expected = np.mean([photo(number, 28, 28) for number in range(6)], axis=(0, 1, 2)) / 255
    assert chosen.preprocess.mean == pytest.approx(expected, abs=6e-4)
    with pytest.raises(DataError, match="how many pictures it has"):
        choose(shards, None, {}, CPU)


@pytest.mark.parametrize(
    ("flags", "held", "expected"),
    [
        ("fma avx512_bf16", "AVX512", "bfloat16"),
        ("amx_bf16", "AVX512", "bfloat16"),
        ("avx512_bf16", "AVX2", "float32"),
        ("fma avx512f", "AVX512", "float32"),
    ],
)
def test_bfloat16_is_chosen_where_the_processor_computes_in_it(monkeypatch, flags, held, expected):
    monkeypatch.setattr(processor.Path, "read_text", lambda path: f"processor : 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: held)
    assert defaults.precision(CPU)[0] == expected
