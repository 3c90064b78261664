"""`--adapt-input`: what it does to networks that begin with weights, and that a run remembers it."""

from pathlib import Path

import pytest
import torch
from made import dataset, photo
from safetensors.torch import save_file
from training import assert_equal_tensors, pictures

from striate.data.dataset import Dataset
from striate.errors import StriateError, WeightsError
from striate.nets.build import net
from striate.train.choose.choosing import Chosen, choose
from striate.train.keep.sealed import load_sealed
from striate.train.run import MODEL, Run, open_run
from striate.train.train import train

CPU = torch.device("cpu")
TEXT = "conv 3x3x4 same, bn, relu, maxpool 2, conv 3x3x8 same, relu, globalpool, flatten, fc 5"
QUICK = {"size": "16x16x1", "epochs": 1, "batch_size": 8, "freeze": "none", "precision": "float32", "quiet": True}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Pictures, and weights for colour and for gray."""
    folder = tmp_path_factory.mktemp("adapting")
    pictures(folder / "photos", "ab", 12)
    for kind, channels in (("colour", 3), ("gray", 1)):
        save_file(net(TEXT, input=(16, 16, channels), seed=1).state_dict(), folder / f"{kind}.safetensors")
        torch.save(net("lenet5", input=(32, 32, channels), seed=1).state_dict(), folder / f"{kind}.pth")
    return folder


def few(kind: str) -> Dataset:
    """Pictures that are known to be in colour or gray."""
    made = [photo(number, 20, 24) for number in range(4)]
    return dataset([pixels[:, :, :1] for pixels in made], gray=True) if kind == "gray" else dataset(made)


def chosen(place: Path, kind: str, weights: str, text: str | None = TEXT, **asked) -> Chosen:
    return choose(few(kind), text, {"weights": str(place / weights), **asked}, CPU)


def told(chosen: Chosen) -> dict[str, str]:
    return {choice.name: f"{choice.value}: {choice.why}" for choice in chosen.choices}


def test_weights_for_other_channels_are_refused_with_the_option(place):
    for weights, size, numbers in (
        ("colour.safetensors", "16x16x1", "3 channels, but .* 1"),
        ("gray.safetensors", "16x16x3", "1 channel, but .* 3"),
    ):
        with pytest.raises(WeightsError, match=f"is for pictures of {numbers}; `striate train --adapt-input` adapts"):
            chosen(place, "gray", weights, size=size)


@pytest.mark.parametrize(
    ("kind", "weights", "text", "size", "channels"),
    [
        ("gray", "colour.pth", "lenet5", None, 1),  # the pictures decide
        ("colour", "gray.pth", "lenet5", None, 3),
        ("gray", "colour.pth", "lenet5", "32x32", 1),
        ("colour", "colour.pth", "lenet5", "32x32x1", 1),  # the size decides
        ("gray", "colour.safetensors", f"input 16x16x1 {TEXT}", None, 1),  # the text decides
        ("colour", "colour.safetensors", f"input 16x16x1 {TEXT}", "16x16", 1),
        ("gray", "colour.safetensors", TEXT, "16x16", 1),
    ],
)
def test_the_first_layer_is_adapted_and_all_else_is_as_it_was(place, kind, weights, text, size, channels):
    adapted = chosen(place, kind, weights, text, size=size, adapt_input=True)
    path = place / weights
    stored = torch.load(path) if path.suffix == ".pth" else net(TEXT, input=(16, 16, 4 - channels), seed=1).state_dict()
    assert adapted.network.input and adapted.network.input[2] == channels
    assert adapted.preprocess.channels == ("L" if channels == 1 else "RGB")
    mine, theirs = adapted.network.state_dict(), list(stored.items())
    first = theirs[0][1]
    expected = first.sum(1, keepdim=True) if channels == 1 else first.expand(-1, 3, -1, -1) / 3
    torch.testing.assert_close(mine[theirs[0][0]], expected)
    assert_equal_tensors({name: mine[name] for name, _ in theirs[1:-2]}, dict(theirs[1:-2]))
    assert told(adapted)["--adapt-input"].startswith(f"{'3 channels → 1' if channels == 1 else '1 channel → 3'}: ")


def test_the_option_without_effect_is_told(place):
    same = chosen(place, "gray", "gray.pth", "lenet5", adapt_input=True)
    assert told(same)["--adapt-input"] == (
        "without effect: the weights are for 1 channel, and so is the input; --size 32x32x3 asks for another"
    )


@pytest.mark.parametrize("weights", ["none", None])
def test_without_weights_it_is_refused(weights):
    with pytest.raises(StriateError, match="--adapt-input adapts the weights that --weights names, but none"):
        choose(few("gray"), TEXT, {"weights": weights, "adapt_input": True}, CPU)


def test_without_the_option_all_is_as_before(place):
    plain = chosen(place, "gray", "colour.pth", "lenet5")
    assert plain.network.input and plain.network.input[2] == 3
    assert "--adapt-input" not in told(plain)


def tensors(run: Path) -> dict[str, torch.Tensor]:
    return load_sealed(run / MODEL)[0]


@pytest.fixture(scope="module")
def run(place) -> Path:
    folder = place / "run"
    weights = str(place / "colour.safetensors")
    train(place / "photos", TEXT, weights=weights, adapt_input=True, output=folder, **QUICK)
    return folder


def test_a_run_remembers_it(place, run, capsys):
    before = open_run(run)
    assert before.config["asked"]["adapt_input"] and before.recipe.adapt_input
    assert before.net().input == (16, 16, 1)
    chosen = {name: value for name, value, _ in before.config["chosen"]}
    assert chosen["--adapt-input"] == "3 channels → 1"
    assert before.preprocess.channels == "L"
    for folder in (place / "like", place / "again"):
        train(like=run, output=folder, quiet=True)
        assert_equal_tensors(tensors(folder), tensors(run))
        run = folder  # the second is like the first of them
    (place / "again" / "result.json").unlink()
    gone_on = train(resume=place / "again", quiet=True)
    assert isinstance(gone_on, Run)
    assert_equal_tensors(tensors(gone_on.folder), tensors(run))
    with pytest.raises(StriateError, match="--adapt-input was True and is False"):
        train(resume=run, adapt_input=False, quiet=True)


def test_a_run_is_adapted_to_other_pictures_and_refused_with_the_option(place, run):
    before = open_run(run).preprocess
    back = chosen(place, "colour", "run", None, adapt_input=True)
    assert back.network.input == (16, 16, 3)
    assert back.preprocess.mean == before.mean * 3
    plain = chosen(place, "colour", "run", None, size="16x16")
    assert plain.network.input == (16, 16, 1)
    with pytest.raises(StriateError, match=r"for 16×16×3; leave --size out, or --adapt-input adapts its first layer$"):
        chosen(place, "colour", "run", None, size="16x16x3")
