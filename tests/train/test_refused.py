"""What a training refuses, each in a sentence, before anything is written; and limits that it keeps."""

import time
from pathlib import Path

import pytest
import torch
from made import encoded, photo
from training import NET, Training, pictures

import striate as st
from striate.cli import main
from striate.errors import StriateError
from striate.train import work
from striate.train.choose import room
from striate.train.recipe import RANGES
from striate.train.train import train

SETTINGS = {"size": "16x16", "batch_size": 8, "epochs": 1, "precision": "float32", "quiet": True}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return pictures(tmp_path_factory.mktemp("refused") / "photos", each=12)


@pytest.fixture(scope="module")
def run(photos) -> Path:
    folder = photos.parent / "run"
    train(photos, NET, **SETTINGS, output=folder)
    return folder


def refused(output: Path, told: str, *words, **settings) -> None:
    with pytest.raises(StriateError, match=told) as mistake:
        train(*words, **{**SETTINGS, "output": output, **settings})
    assert "\n" not in str(mistake.value)
    assert not (output / "config.json").exists()


OUTSIDE = [
    (name, value)
    for name, (low, high, _) in RANGES.items()
    for value in (low - 1, 2 * high + 1, "much", True, float("nan"))
]


@pytest.mark.parametrize(("name", "value"), OUTSIDE)
def test_numbers_outside_their_ranges(photos, tmp_path, name, value):
    refused(
        tmp_path / "new", f"^--{name.replace('_', '-')} is a .*number from .*, but is {value}$", photos, **{name: value}
    )


OTHERS = [
    ({"optimizer": "sdg"}, "no --optimizer is called 'sdg'; did you mean sgd"),
    ({"schedule": "cosin"}, "no --schedule is called 'cosin'; did you mean cosine"),
    ({"balance": "weight"}, "no --balance is called 'weight'; did you mean weights"),
    ({"precision": "half"}, "no --precision is called 'half'"),
    ({"distortion": "photos"}, "'photos'.* photo"),
    ({"distortion": "photo, rotate 700"}, "rotate"),
    ({"compile": "yes"}, "--compile is on or off, but is 'yes'"),
    ({"device": "cuda:99"}, "cuda:99"),
    ({"device": "abacus"}, "abacus"),
    ({"workers": 0}, "--workers is a whole number from 1 to 100,000"),
    ({"workers": -1, "net": None, "weights": "absent/absent"}, "--workers is a whole number from 1 to 100,000"),
    ({"size": "96x96x7", "net": None, "weights": "absent/absent"}, "--size has 1 channel or 3.* but is 96x96x7"),
    ({"size": "1000000x1000000", "net": None}, "--size has sides of up to 4,096 pixels, but is 1000000x1000000"),
    ({"weights": "resnet18", "net": None}, "is the name of a network; .*--weights auto .*timm/resnet18.a1_in1k"),
    ({"weights": "none", "thaw": True}, "what is frozen has to know something, but --thaw"),
    ({"device": "tpu"}, "^a device is cpu.* on this machine, but tpu is asked for"),
    ({"device": "meta"}, "^a device is cpu.* on this machine, but meta is asked for"),
    ({"seed": -1}, r"^--seed is a whole number from 0 to \S+ \(by which everything random is drawn\), but is -1$"),
    ({"clip": -2.0}, r"^--clip is a number from 0 to 1,000,000 \(.*\), but is -2$"),
    ({"epochs": -1.0}, "^--epochs is a number from 0.0001 to 100,000 .*, but is -1$"),
    ({"cache": "tape"}, "cache .* 'tape'"),
    ({"on_bad": "ignore"}, "'ignore'"),
    ({"save_every": 0}, "--save-every is a number of minutes above 0, but is 0"),
    ({"minutes": 5}, "a training is as long as --epochs or --minutes say; give one of them"),
    ({"minutes": -1, "epochs": None}, "--minutes is a number of minutes above 0, but is -1"),
    ({"accumulate": 9}, "at most as many parts as it has pictures, but accumulate is 9 for 8"),
    ({"size": "large"}, "large"),
    ({"size": "0x0"}, "0"),
]


@pytest.mark.parametrize(("settings", "told"), OTHERS, ids=str)
def test_other_wrong_settings(photos, tmp_path, settings, told):
    refused(tmp_path / "new", told, photos, **{"net": NET, **settings})
    assert not (tmp_path / "new").exists()


def test_a_training_that_is_refused_late_leaves_no_folder(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "free_memory", lambda device: 1000)
    refused(tmp_path / "new", "memory", photos, NET)
    assert not (tmp_path / "new").exists()


WORDS = [
    ("--epochs abc", "--epochs is a number, but is 'abc'"),
    ("--lr fast", "--lr is a number or auto, but is 'fast'"),
    ("--lr=", "--lr is a number or auto, but is ''"),
    ("--batch-size big", "--batch-size is a whole number or auto, but is 'big'"),
    ("--batch-size 1.5", "--batch-size is a whole number or auto, but is '1.5'"),
    ("--workers 1.5", "--workers is a whole number, but is '1.5'"),
    ("--cache tape", "--cache is off, ram or disk, but is 'tape'"),
    ("--epochs", "striate train needs --epochs with a value behind it; striate train --help says what it may be"),
    ("--json --csv", "a result is printed in one form: give --json or --csv, not both"),
]


@pytest.mark.parametrize(("words", "told"), WORDS)
def test_words_that_are_no_values(words, told, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", str(tmp_path / "absent"), *words.split()])
    assert (end.value.code, capsys.readouterr().err) == (2, f"striate: {told}\n")


NETS = [
    ("resnet19", "resnet18"),
    ("conv 3x3x8, rellu", "rellu"),
    ("conv 15x15x8, relu, conv 3x3x8, fc 3", "16|14|2x2|2×2"),
    ("alexnet", "--size .* would fit"),
]


@pytest.mark.parametrize(("net", "told"), NETS, ids=[net for net, _ in NETS])
def test_networks_that_do_not_exist_or_fit(photos, tmp_path, net, told):
    refused(tmp_path / "new", told, photos, net)


def test_a_network_of_other_classes(photos, tmp_path):
    told = "an output per class, but this one has 4 and the pictures are of 3 classes; st.net"
    refused(tmp_path / "new", told, photos, st.net(NET.replace("fc 3", "fc 4"), input="16x16x3"), size=None)


def test_pictures_that_are_not_there(photos, tmp_path):
    refused(tmp_path / "new", "nothing to learn from: give a folder of pictures")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "new", "empty", tmp_path / "empty", NET)
    refused(tmp_path / "new", "absent", tmp_path / "absent", NET)
    refused(tmp_path / "new", "class", pictures(tmp_path / "one", classes="a"), NET)


def test_one_picture_is_not_enough(tmp_path):
    (tmp_path / "few" / "a").mkdir(parents=True)
    (tmp_path / "few" / "a" / "1.png").write_bytes(encoded(photo(1)))
    refused(tmp_path / "new", "class|picture", tmp_path / "few", NET)


def test_runs_that_are_not_there_or_in_the_way(photos, run, tmp_path):
    with pytest.raises(StriateError, match=r"a run is a folder with a config.json, but .*absent is not there"):
        train(resume=tmp_path / "absent")
    with pytest.raises(StriateError, match="gone on with or repeated: give --resume or --like, not both"):
        train(resume=run, like=run)
    with pytest.raises(
        StriateError, match=r"run holds a run; --resume .*run goes on with it, another --output keeps b"
    ):
        train(photos, NET, **SETTINGS, output=run)
    with pytest.raises(StriateError, match="--like takes the network of a run and its input: leave out --net, --size"):
        train(photos, "lenet5", like=run, output=tmp_path / "new")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StriateError, match=r"--output is a folder, but .*file is a file"):
        train(photos, NET, **SETTINGS, output=tmp_path / "file")


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("float16", "bfloat16")]  # on most processors


@pytest.mark.parametrize("precision", [*SLOW, "float64"])
def test_every_precision_learns_on_a_processor(photos, tmp_path, precision):
    made = train(photos, NET, **SETTINGS | {"precision": precision, "epochs": 2}, output=tmp_path / "run")
    assert made and made.result and made.result["step"] in (4, 8)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(photos, tmp_path):
    refused(tmp_path / "new", "cuda", photos, NET, device="cuda")


def test_compiling_needs_a_compiler(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    refused(
        tmp_path / "new",
        r"--compile needs a C\+\+ compiler, such as g\+\+, but none is inst",
        photos,
        NET,
        compile=True,
    )


@pytest.mark.slow
def test_a_compiled_network_learns_and_goes_on(photos, tmp_path):
    words = ["train", photos, "--net", NET, "--size", "16x16", "--batch-size", "8", "--epochs", "3", "--compile"]
    assert Training([*words, "--output", tmp_path / "run"], tmp_path / "log").end() == 0, (tmp_path / "log").read_text()
    states = sorted((tmp_path / "run" / "last").iterdir())
    states[-1].unlink()
    (tmp_path / "run" / "result.json").unlink()
    assert Training(["train", "--resume", tmp_path / "run"], tmp_path / "log").end() == 0
    assert max((tmp_path / "run" / "last").iterdir()) == states[-1]  # which earlier one is kept depends on the clock


def test_patience_ends_a_training(photos, tmp_path):
    made = train(photos, NET, **SETTINGS | {"epochs": 50}, lr=1e-12, patience=2, output=tmp_path / "run")
    assert made and made.result and made.result["stopped"] == "no better result in 2 epochs"
    epochs = [line for line in made.history if line["kind"] == "epoch"]
    assert [line["best"] for line in epochs[-2:]] == [False, False]
    assert len(epochs) < 20


@pytest.mark.slow
def test_a_time_limit_is_kept(photos, tmp_path):
    settings = {name: value for name, value in SETTINGS.items() if name != "epochs"}
    begun = time.perf_counter()
    made = train(photos, NET, **settings, minutes=0.2, output=tmp_path / "run")
    took = time.perf_counter() - begun
    assert made and made.result
    assert 0.5 < took < 24  # 12 seconds, on a machine that may be busy with something else
    chosen = {name: why for name, _, why in made.config["chosen"]}
    assert chosen["--epochs"] == "fitted to --minutes 0.2 by a trial, 10 % in reserve"


@pytest.mark.slow
def test_a_time_limit_and_a_rate_that_are_found_are_told_once(photos, tmp_path, capfd):
    settings = {name: value for name, value in SETTINGS.items() if name not in ("epochs", "quiet")}
    made = train(photos, NET, **settings, lr="auto", minutes=0.2, output=tmp_path / "run")
    said = capfd.readouterr().err.splitlines()
    for name, why in (("--lr", "three quarters of its fall"), ("--epochs", "fitted to --minutes 0.2 by a trial")):
        assert [why in line for line in said if line.startswith(f"{name}:")] == [True]
    assert made
    chosen = {name: value for name, value, _ in made.config["chosen"]}
    assert float(chosen["--lr"]) == made.recipe.lr


def test_a_limit_too_short_to_learn_from_scratch_is_told(photos, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(work, "epochs_for", lambda *given: 0.9)
    settings = {name: value for name, value in SETTINGS.items() if name not in ("epochs", "quiet")}
    train(photos, NET, **settings, minutes=1, output=tmp_path / "run")
    assert "ATTENTION: from scratch, a network learns little in fewer than 3 epochs" in capfd.readouterr().err


def test_a_training_that_ended_does_not_go_on(run):
    before = (run / "result.json").read_bytes()
    for minutes in (None, 1):
        with pytest.raises(StriateError, match=r"has ended: all \d steps are done; --like .*run begins another$"):
            train(resume=run, quiet=True, minutes=minutes)
    assert (run / "result.json").read_bytes() == before


def test_a_training_whose_time_was_up_goes_on_with_more(photos, tmp_path, monkeypatch):
    settings = {name: value for name, value in SETTINGS.items() if name != "epochs"}
    monkeypatch.setattr(work, "epochs_for", lambda *given: 40)
    monkeypatch.setattr(work, "ending", lambda *given: 60 * 0.1)  # it has to end at once
    made = train(photos, NET, **settings, minutes=0.1, output=tmp_path / "run")
    assert made and made.result
    assert made.result["stopped"].startswith("the time limit came at step 1 of ")
    with pytest.raises(StriateError, match=r"has ended: the time limit .*; --minutes says for how much longer it goes"):
        train(resume=made.folder, quiet=True)
    again = train(resume=made.folder, minutes=10, quiet=True)
    assert again and again.result and again.result["stopped"] == ""
