"""Answers to pictures: the same from both engines, in every form, whatever the files are called or hold."""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made import encoded, photo
from PIL import Image

import striate as st
from striate.cli import main
from striate.errors import StriateError
from striate.pictures.decode import DAMAGED
from striate.ship.shipped import open_shipped
from striate.show.table import plain_text

ODD = [b"bytes \xff.png", b"line\nend.png", b"return\rend.png", '🌷, "2".png'.encode(), b"b10.png", b"b9.png"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Path:
    """Pictures with names of all kinds, and three that cannot be read."""
    folder = tmp_path_factory.mktemp("odd")
    for number, name in enumerate(ODD):
        Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(encoded(photo(number)))
    (folder / "cut.jpg").write_bytes(encoded(photo(9), "JPEG")[:700])
    (folder / "text.png").write_text("no picture")
    (folder / "telephone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    return folder


def strange(folder: Path) -> Path:
    """Pictures of all shapes and kinds."""
    folder.mkdir()
    for number, (height, width) in enumerate(((1, 1), (1, 900), (900, 1), (16, 16), (17, 300), (401, 33))):
        (folder / f"{number}.png").write_bytes(encoded(photo(number, height, width)))
    tinted = Image.fromarray(photo(7))
    (folder / "gray.jpg").write_bytes(encoded(np.asarray(tinted.convert("L")), "JPEG"))
    (folder / "colour.jpg").write_bytes(encoded(np.asarray(tinted), "JPEG"))
    turned = Image.Exif()
    turned[0x0112] = 6
    (folder / "turned.jpg").write_bytes(encoded(np.asarray(tinted), "JPEG", exif=turned.tobytes()))
    tinted.putalpha(Image.fromarray(photo(8)).convert("L"))
    tinted.save(folder / "transparent.webp", lossless=True)
    tinted.convert("RGB").convert("P").save(folder / "palette.gif")
    Image.fromarray(photo(3).mean(2).astype(np.uint16) * 257).save(folder / "deep.png")
    return folder


@pytest.mark.parametrize("which", ["coloured", "gray", "several"])
def test_both_engines_say_the_same_of_pictures_of_all_kinds(which, request, tmp_path):
    run = request.getfixturevalue(which)
    folder = strange(tmp_path / "photos")
    ours, theirs = (
        st.predict(run, folder, top=2, unknown_below=0.0, engine=engine).rows for engine in ("onnx", "torch")
    )
    assert len(ours) == len(theirs) == 2 * len(list(folder.iterdir()))
    for one, other in zip(ours, theirs, strict=True):
        assert (one["picture"], one["rank"], one["class"]) == (other["picture"], other["rank"], other["class"])
        assert abs(one["probability"] - other["probability"]) < 1e-4


@pytest.mark.slow
def test_an_ensemble_answers_as_one_file(coloured, tmp_path):
    photos = coloured.folder.parent / "photos"
    other = st.train(photos, like=coloured.folder, seed=1, quiet=True, output=tmp_path / "other")
    both = st.ensemble([coloured.folder, other.folder], output=tmp_path / "both")
    ours, theirs = (st.predict(both, photos, engine=engine).rows for engine in ("onnx", "torch"))
    assert [row["class"] for row in ours] == [row["class"] for row in theirs]
    assert max(abs(a["probability"] - b["probability"]) for a, b in zip(ours, theirs, strict=True)) < 1e-4


def test_it_says_what_validation_noted(coloured, coloured_file):
    noted = coloured.predictions
    files = [coloured.folder.parent / "photos" / name for name in noted["names"]]
    said = st.predict(coloured_file, *files, top=3)
    assert [Path(one.picture) for one in said] == files
    for one, probabilities in zip(said, noted["probabilities"], strict=True):
        told = dict(one.told)
        assert np.abs(np.array([told[name] for name in coloured.classes]) - probabilities).max() < 1e-4
        assert one.told[0].name == coloured.classes[probabilities.argmax()]


def test_pictures_come_once_each_as_people_count(coloured_file, odd):
    named = [odd / "b10.png", odd, f"{odd}/b*.png"]
    names = [Path(one.picture).name for one in st.predict(coloured_file, *named)]
    assert names[0] == "b10.png"
    assert names.index("b9.png") < names.index("cut.jpg")
    assert sorted(names) == sorted(os.listdir(odd))  # noqa: PTH208  # names alone


def test_what_cannot_be_read_is_listed_and_stops_nothing(coloured_file, odd, capsys):
    said = st.predict(coloured_file, odd)
    bad = {Path(one.picture).name: one for one in said if one.error}
    assert sorted(bad) == ["cut.jpg", "telephone.HEIC", "text.png"]
    assert not any(one.told or one.unknown for one in bad.values())
    assert "not a picture in a format that can be read" in bad["text.png"].error
    assert "3 of 9 pictures cannot be read: " in capsys.readouterr().err.replace("\n", " ")
    shown = plain_text(said, 1000)
    assert all(name in shown for name in ("text.png is not a picture", "bytes \\xff.png", "line\\nend.png"))


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_what_had_to_be_done_to_read_a_picture_is_told(coloured, tmp_path, engine, capfd):
    whole = encoded(photo(1, 400, 400), "JPEG", quality=100)
    half = len(whole) // 2
    (tmp_path / "damaged.jpg").write_bytes(whole[:half] + bytes(4096) + whole[half + 4096 :])
    Image.fromarray(photo(2)).save(tmp_path / "frames.gif", save_all=True, append_images=[Image.fromarray(photo(3))])
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(photo(4)).save(tmp_path / "turned.jpg", exif=turned)
    said = st.predict(coloured, tmp_path, engine=engine)
    assert {Path(one.picture).stem: one.notes for one in said} == {
        "damaged": (DAMAGED,),
        "frames": ("it has several frames; this is the first",),
        "turned": ("turned upright, as its EXIF orientation says",),
    }
    told = capfd.readouterr().err
    assert f"1 of 3 pictures is {DAMAGED}: {tmp_path / 'damaged.jpg'}" in told
    assert "Corrupt JPEG" not in told  # what libjpeg prints, of no file by name
    shown = plain_text(said, 1000)
    assert DAMAGED in shown and "several frames" in shown
    assert "turned upright" not in shown  # as every photo of a telephone is


def test_all_forms_tell_the_same(coloured_file, odd, tmp_path):
    said = st.predict(coloured_file, odd, top=2, unknown_below=0.5)
    printed = list(csv.DictReader(io.StringIO(said.to_csv())))
    assert [{key: None if value is None else str(value) for key, value in row.items()} for row in said.rows] == [
        {key: value or None for key, value in row.items()} for row in printed
    ]
    told = json.loads(said.to_json())
    assert told["rows"] == [one.to_dict() for one in said]
    assert told["model"]["sha256"] == open_shipped(coloured_file).sum
    for name in ("answers.csv", "answers.jsonl"):
        kept = st.predict(coloured_file, odd, top=2, unknown_below=0.5, output=tmp_path / name)
        assert (kept.pictures, kept.unreadable) == (9, 3)
        assert sum(kept.classes.values()) == 6  # the likeliest class of each
        assert f"6 pictures answered in {tmp_path / name}" in str(kept)
        assert json.loads(kept.to_json())["classes"] == kept.classes
    assert (tmp_path / "answers.csv").read_bytes() == said.to_csv().encode("utf-8", "surrogateescape")
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text("utf-8").splitlines()]
    assert [line.pop("model") for line in lines] == [said.model["sha256"]] * 9
    assert lines == told["rows"]


def test_only_files_of_a_folder_are_pictures(coloured_file, odd, tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    shutil.copy(odd / "b9.png", tmp_path / "folder.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")  # whoever reads it waits for somebody who writes
    for named in (tmp_path, tmp_path / "*.*", tmp_path / "**/*.*"):
        if named.name == "*.*" and named.parent == tmp_path:
            with pytest.raises(StriateError, match="no picture is called like"):
                st.predict(coloured_file, named)
        else:
            assert [one.picture for one in st.predict(coloured_file, named)] == [str(tmp_path / "folder.jpg/b9.png")]


def test_a_request_to_end_leaves_nothing_half_written(coloured_file, odd, tmp_path, monkeypatch):
    def ended(file, *_):
        file.write(b"picture,")
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("striate.ship.predict.keep", ended)
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(coloured_file), str(odd), "-o", str(tmp_path / "answers.csv")])
    assert stop.value.code == 143
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_where_no_picture_can_be_read_nothing_is_written(coloured_file, odd, tmp_path):
    with pytest.raises(StriateError, match=r"none of 2 pictures can be read: .*cut.jpg"):
        st.predict(coloured_file, odd / "cut.jpg", odd / "text.png", output=tmp_path / "answers.csv")
    with pytest.raises(StriateError, match=r"^\S*text.png is not a picture"):
        st.predict(coloured_file, odd / "text.png")
    assert not list(tmp_path.iterdir())


def test_what_is_interrupted_says_that_nothing_is_written(coloured_file, odd, tmp_path, monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("striate.ship.predict.keep", stopped)
    with pytest.raises(KeyboardInterrupt):
        st.predict(coloured_file, odd, output=tmp_path / "a.csv")
    assert "a.csv is not written" in capsys.readouterr().err.replace("\n", " ")
    assert not list(tmp_path.iterdir())


def test_what_is_unknown_has_no_probability_of_its_own(coloured_file, tmp_path):
    (tmp_path / "1.png").write_bytes(encoded(photo(1)))
    shown = plain_text(st.predict(coloured_file, tmp_path / "1.png", unknown_below=1), 200)
    assert re.search(r"1\.png +unknown +perhaps \w+ \d+\.\d %", shown)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["{file}"], "give pictures: files, folders"),
        (["{file}", "{odd}/none.jpg"], "there is no picture"),
        (["{file}", ""], "a picture has a name, but an empty one is given"),
        (["{file}", "/dev/null"], "a picture is an ordinary file, but /dev/null is a pipe or a device"),
        (["{file}", "https://example.org/a.jpg"], "but https://example.org/a.jpg is given; nothing is fetched"),
        (["{file}", "{odd}", "--top", "4"], "of 3 classes, the top 1 to 3 can be told, but --top is 4"),
        (["{file}", "{odd}", "--top", "0"], "of 3 classes, the top 1 to 3 can be told, but --top is 0"),
        (["{file}", "{odd}", "--unknown-below", "50"], "between 0 and 1, but --unknown-below is 50"),
        (["{file}", "{odd}", "--unknown-below", "nan"], "between 0 and 1, but --unknown-below is nan"),
        (["{file}", "{odd}", "--workers", "0"], "at least 1 thread"),
        (["{file}", "{odd}", "--output", "answers.txt"], "the output must end in .csv, .jsonl"),
        (["{file}", "{odd}", "--engine", "torch"], "PyTorch answers for a run"),
        (["{file}", "{odd}", "--engine", "tensorflow"], "--engine"),
        (["{odd}/nowhere.onnx", "{odd}"], "nowhere.onnx is not there"),
        (["{odd}", "{odd}"], "a run is a folder with a config.json"),
        (["{odd}/text.png", "{odd}"], "must be a whole ONNX file"),
        (["{file}", "{odd}/text.png"], "is not a picture"),
    ],
)
def test_mistakes_in_predicting_are_one_sentence(capsys, coloured_file, odd, words, sentence):
    with pytest.raises(SystemExit) as stop:
        main(["predict", *(word.format(file=coloured_file, odd=odd) for word in words)])
    printed = capsys.readouterr()
    assert stop.value.code == 2
    assert sentence in printed.err.replace("\n", " ")
    assert not printed.out


def process(code: str, *words, **options) -> subprocess.CompletedProcess:
    """A new Python that runs this."""
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, timeout=120, **options)


def test_a_file_answers_without_pytorch_from_standard_input_and_for_any_name(coloured_file, odd, tmp_path):
    code = "import sys; from striate.cli import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    (tmp_path / "standard input").write_bytes((odd / "b10.png").read_bytes())
    words = ["predict", coloured_file.resolve(), "-", odd, "standard input", "--csv"]
    done = process(code, *words, input=(odd / "b9.png").read_bytes(), env=strict, cwd=tmp_path)
    assert not done.returncode, done.stderr
    assert b"3 of 11 pictures cannot be read" in done.stderr.replace(b"\n", b" ")
    assert bytes(odd) + b"/bytes \xff.png,1," in done.stdout
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode("utf-8", "surrogateescape"))))
    (same,) = (row for row in rows if row["picture"].endswith("b9.png"))
    assert rows[0] == same | {"picture": "standard input"}
    assert {row["picture"] for row in rows[1:-1]} == {str(odd / name) for name in os.listdir(odd)}  # noqa: PTH208
    assert rows[-1]["picture"] == "standard input"
    assert rows[-1]["probability"] != rows[0]["probability"]


def test_of_a_class_called_unknown_is_told_also_where_a_file_is_written(coloured, odd, tmp_path, capsys):
    named = replace(coloured, classes=("unknown", *coloured.classes[1:]))
    st.predict(named, odd, unknown_below=0.1, engine="torch", output=tmp_path / "answers.csv")
    assert "a class of the network is called unknown, too" in capsys.readouterr().err.replace("\n", " ")


def test_a_list_of_names_is_no_picture(coloured_file, odd, monkeypatch):
    names = b"".join(bytes(odd) + b"/" + name + b"\n" for name in ODD)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(names)))
    with pytest.raises(StriateError, match=r"there is a list of names, which begins with .*bytes .xff\.png; \| xargs"):
        st.predict(coloured_file, "-")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_pictures(coloured_file, tmp_path):
    random = np.random.default_rng(0)
    rough = Image.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8)).resize((1200, 1200))
    for number in range(2000):
        height, width = random.integers(300, 1200, 2).tolist()
        rough.crop((0, 0, width, height)).save(tmp_path / f"{number}.jpg", quality=80)
    code = """
import resource, sys, striate
striate.predict(sys.argv[1], *sys.argv[4:], output=striate.ship.predict.Path(sys.argv[2]), workers=int(sys.argv[3]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    few, many = (
        int(process(code, coloured_file, tmp_path / "answers.csv", 2, *sorted(tmp_path.glob("*.jpg"))[:count]).stdout)
        for count in (200, 2000)
    )
    assert many < few + 60  # MiB
    assert (tmp_path / "answers.csv").read_text().count("\n") == 2001
