"""A training goes on as what it was, or says what is different; and no number of threads that load matters."""

import io
import shutil
import signal
import tarfile
from pathlib import Path

import pytest
import torch
from made import encoded, photo
from training import NET, assert_equal_tensors, assert_same, newest, pictures, step

import striate as st
from striate.errors import DataError, StriateError
from striate.train import loop
from striate.train.train import train

SETTINGS = {"size": "16x16", "batch_size": 8, "epochs": 3, "precision": "float32", "ema": 0.9, "quiet": True}


@pytest.fixture
def photos(tmp_path) -> Path:
    return pictures(tmp_path / "photos")


def stop(*words, at: int = 13, **settings) -> None:
    """Train until a signal comes in a certain step."""
    taken = loop._step

    def asking(learner, *others):
        if learner.step == at:
            signal.raise_signal(signal.SIGTERM)
        return taken(learner, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_step", asking)
        with pytest.raises(SystemExit) as end:
            train(*words, **settings)
    assert end.value.code == 143


def test_any_number_of_threads_loads_the_same(photos, tmp_path):
    settings = SETTINGS | {"mixup": 0.3, "distortion": "strong"}
    folders = [tmp_path / str(number) for number in (1, 2, 4)]
    for number, folder in zip((1, 2, 4), folders, strict=True):
        train(photos, NET, **settings, workers=number, output=folder)
    assert_same(folders[0], folders[1])
    assert_same(folders[0], folders[2])


@pytest.mark.parametrize(
    "at", [0, 8, 9, *(pytest.param(step, marks=pytest.mark.slow) for step in (10, 28)), 29], ids="step {}".format
)
def test_a_training_can_stop_after_any_step(photos, tmp_path, at):
    stop(photos, NET, **SETTINGS, output=tmp_path / "torn", at=at)
    assert step(tmp_path / "torn") == at + 1
    train(resume=tmp_path / "torn", quiet=True)
    train(photos, NET, **SETTINGS, output=tmp_path / "whole")
    assert_same(tmp_path / "whole", tmp_path / "torn")


def test_a_training_that_lost_patience_does_not_go_on(photos, tmp_path):
    settings = SETTINGS | {"epochs": 20, "patience": 1, "lr": 1e-12}  # it never becomes better
    run = train(photos, NET, **settings, output=tmp_path / "run")
    assert run and run.result and run.result["stopped"] == "no better result in 1 epochs"
    assert step(run.folder) < 10 * 20
    before = newest(run.folder)
    (run.folder / "result.json").unlink()  # as if it had been killed just before
    again = train(resume=run.folder, quiet=True)
    assert again and again.result and again.result["stopped"] == "no better result in 1 epochs"
    assert newest(run.folder)[1] == before[1]


def test_weights_that_a_network_brought_survive_a_stop(photos, tmp_path):
    network = st.net(NET, input="16x16x3", classes=["a", "b", "c"], seed=7)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.add_(0.01)
    settings = {name: value for name, value in SETTINGS.items() if name != "size"}
    torn = tmp_path / "torn"
    stop(photos, network, **settings, output=torn, at=2)
    first = torn / "last" / "step-00000000.safetensors"
    assert first.exists()
    (torn / "last" / "step-00000003.safetensors").unlink()
    train(resume=torn, quiet=True)
    train(photos, network, **settings, output=tmp_path / "whole")
    assert_same(tmp_path / "whole", torn)


@pytest.fixture(scope="module")
def torn(tmp_path_factory) -> Path:
    """A run that was stopped, beside its pictures; tests change copies."""
    folder = tmp_path_factory.mktemp("torn")
    stop(pictures(folder / "photos"), NET, **SETTINGS, output=folder / "run")
    return folder


@pytest.fixture
def copied(torn, tmp_path) -> Path:
    return Path(shutil.copytree(torn, tmp_path / "copy"))


OTHERS = [
    ({"lr": 0.5}, "--lr was 0.05 and is 0.5; leave them out, or begin anew with --like"),
    ({"epochs": 4, "ema": 0.5}, "--epochs was 3 and is 4; --ema was 0.9 and is 0.5; leave"),
    ({"seed": 1}, "--seed was 0 and is 1"),
    ({"distortion": "strong"}, "--distortion was .* and is strong"),
    ({"net": "lenet5"}, f"--net was {NET} and is lenet5"),
    ({"net": NET.replace("32", "33")}, "--net was .* and is .*fc 33"),
    ({"size": "17x16"}, "--size was 16×16×3 and is 17x16"),
    ({"fit": "squash"}, "--fit was crop and is squash; leave them out, or begin anew$"),
    ({"validation": "digits"}, "--pictures and --validation are as they were in the run; leave them out"),
    ({"pictures": 5}, "--pictures and --validation are as they were"),
]


@pytest.mark.parametrize(("other", "told"), OTHERS, ids=[" ".join(other) for other, _ in OTHERS])
def test_other_settings_are_refused_and_shown(torn, other, told):
    before = newest(torn / "run")
    with pytest.raises(StriateError, match=told):
        train(torn / "photos", **other, resume=torn / "run", quiet=True)
    assert_equal_tensors(newest(torn / "run")[0], before[0])


def test_the_same_settings_may_be_said_again(copied, torn):
    again = {name: value for name, value in SETTINGS.items() if name != "quiet"}
    run = train(torn / "photos", NET.replace(", ", ","), **again, resume=copied / "run", quiet=True)
    assert run and run.result and run.result["stopped"] == ""


def test_other_pictures_are_refused_unless_accepted(copied, capfd):
    photos = copied / "photos"
    (photos / "a" / "new.png").write_bytes(encoded(photo(999, 20, 24)))
    with pytest.raises(DataError, match=r"but \S*photos changed: it had 78 for train, 18 for val, 0 for test and has "):
        train(photos, resume=copied / "run", quiet=True)
    run = train(photos, resume=copied / "run", accept_data_change=True)
    assert run and run.result
    assert "going on although the data changed: it had 78 for train" in capfd.readouterr().err


def test_a_picture_that_was_replaced_is_noticed(copied):
    (copied / "photos" / "a" / "00.png").write_bytes(encoded(photo(999, 21, 24)))
    with pytest.raises(DataError, match="changed: names, sizes, labels or splits differ; --accept-data-change goes on"):
        train(copied / "photos", resume=copied / "run", quiet=True)


def test_other_classes_are_refused_even_if_changes_are_accepted(copied):
    (copied / "photos" / "c").rename(copied / "photos" / "d")
    for accept in (False, True):
        with pytest.raises(
            DataError, match=r"the classes must be those that the network learned, .* lacks c; it has besides d"
        ):
            train(copied / "photos", resume=copied / "run", accept_data_change=accept, quiet=True)


def test_another_number_of_threads_is_told(copied, torn, capfd):
    torch.set_num_threads(2)
    try:
        assert train(torn / "photos", resume=copied / "run")
    finally:
        torch.set_num_threads(1)
    assert "not on the same machine as before, so the last bits may differ: threads 1 before, 2 now" in (
        capfd.readouterr().err
    )


def test_a_run_without_any_checkpoint_cannot_go_on(copied, torn):
    shutil.rmtree(copied / "run" / "last")
    with pytest.raises(StriateError, match=r"last must hold a state .* but has none; `striate train --like .*` begins"):
        train(torn / "photos", resume=copied / "run", quiet=True)


def test_a_picture_that_is_skipped_is_skipped_when_it_goes_on(photos, tmp_path):
    bad = photos / "a" / "00.png"
    bad.write_bytes(bad.read_bytes()[:-300])
    stop(photos, NET, **SETTINGS, on_bad="skip", output=tmp_path / "run", at=4)
    run = train(resume=tmp_path / "run", quiet=True)
    assert run and run.result and run.result["skipped"] == ["a/00.png"]


def test_what_was_left_out_is_the_same_everywhere(photos, tmp_path, capfd):
    bad = photos / "a" / "00.png"
    bad.write_bytes(bad.read_bytes()[:-300])
    (photos / "b" / "empty.png").write_bytes(b"")
    (photos / "nothing").mkdir()
    run = train(photos, "conv 3x3x8 same, relu, fc 4", epochs=1, on_bad="skip", output=tmp_path / "run")
    said = capfd.readouterr().err
    assert "ATTENTION, nothing can be learned of classes without a picture: nothing\n" in said
    assert "1 picture left out when the data was opened: b/empty.png is empty: it has 0 bytes\n" in said
    assert run and run.result and run.result["skipped"] == ["a/00.png", "b/empty.png"]
    line = "2 pictures left out, which cannot be used: a/00.png, b/empty.png"
    assert line in str(run).splitlines()
    assert line in (run.folder / "report.html").read_text()
    assert "skipped" not in run.config["data"]


def test_pictures_too_few_to_hold_any_out_are_told_at_both_ends(photos, tmp_path, capfd):
    for path in photos.glob("*/*.png"):
        if path.stem != "00":
            path.unlink()
    run = train(photos, NET, epochs=1, output=tmp_path / "run")
    assert "ATTENTION, nothing is held out, so nobody will know how good" in capfd.readouterr().err
    assert "nothing was held out, so nobody knows how good it is" in str(run)


def test_dropout_is_that_which_was_asked_for(photos, tmp_path):
    run = train(photos, NET, **SETTINGS, dropout=0.6, output=tmp_path / "run")
    assert run and "dropout 0.6" in run.net().notation
    with pytest.raises(StriateError, match=r"--dropout sets all dropout layers of a network, but .* has none"):
        train(photos, NET.replace("dropout 0.2, ", ""), **SETTINGS, dropout=0.6, output=tmp_path / "other")


@pytest.mark.parametrize("at", [4, *(pytest.param(step, marks=pytest.mark.slow) for step in (9, 14))])
def test_a_stream_of_shards_goes_on_where_it_was(photos, tmp_path, at):
    for shard in range(2):
        with tarfile.open(tmp_path / f"train-{shard}.tar", "w") as tar:
            for path in sorted(photos.glob("*/*.png"))[shard::2]:
                for ending, content in (
                    (".png", path.read_bytes()),
                    (".cls", str("abc".index(path.parent.name)).encode()),
                ):
                    member = tarfile.TarInfo(f"{path.parent.name}{path.stem}{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    words = [str(tmp_path / "train-{0..1}.tar"), NET]
    settings = SETTINGS | {"pictures": 96, "validation": photos, "epochs": 2, "distortion": "light"}
    stop(*words, **settings, output=tmp_path / "torn", at=at)
    train(resume=tmp_path / "torn", quiet=True)
    train(*words, **settings, output=tmp_path / "whole")
    assert_same(tmp_path / "whole", tmp_path / "torn")
