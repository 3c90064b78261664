"""The report of a run: the numbers are those of the predictions, and nothing it holds can break the page."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from kept import history, keep

from striate.train.parts import open_parts
from striate.train.tell.album import SHOWN
from striate.train.tell.course import POINTS, _averaged
from striate.train.tell.mistakes import Answers, class_rows, confusion
from striate.train.tell.report import report, write_report

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
from made import encoded, photo


class Tags(HTMLParser):
    """Checks that tags nest."""

    def __init__(self, content: str):
        super().__init__()
        self.open = []
        self.feed(content)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def words(content: str) -> str:
    """A page's text."""
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", content))


LABELS = np.array([0, 0, 0, 1, 1, 2])
CHANCES = np.array(
    [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.9, 0.0], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [0.1, 0.1, 0.8]], np.float32
)
CLASSES = ("cat", "dog", "<b>owl</b>")


def predictions(names=None, labels=LABELS) -> dict:
    names = names or [f"val/{number}.png" for number in range(6)]
    return {"names": np.array(names), "rows": np.arange(6), "labels": labels, "probabilities": CHANCES}


@pytest.fixture
def photos(tmp_path) -> Path:
    for split in ("train", "val"):
        for number, name in enumerate(("cat", "dog", "hare")):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for turn in range(2):
                (folder / f"{turn}.png").write_bytes(encoded(photo(10 * number + turn)))
    return tmp_path / "photos"


def test_the_report_tells_verdict_settings_and_network(tmp_path):
    run = keep(tmp_path / "my run", predictions=predictions(), classes=CLASSES, test={"loss": 0.8, "top1": 0.7})
    path = write_report(run)
    assert path == tmp_path / "my run" / "report.html"
    content = path.read_text(encoding="utf-8")
    Tags(content)
    told = words(content)
    assert "On validation pictures: 75" in told
    assert "On test pictures: 70" in told
    assert "chosen by the same pictures" not in told
    assert "in 2 min 3 s; its weights are those after epoch 3" in told
    assert f"striate train --like &#x27;{tmp_path}/my run&#x27;" in told
    assert "--lr 0.05 asked for --batch-size 8 80 pictures are few" in told
    assert "epochs 4 batch size 8 lr 0.05 optimizer sgd" in told
    assert "883 parameters" in told  # 4·(3·3·3 + 1) + 3·(8·8·4 + 1)
    assert content.count("<svg") == 3
    assert "<b>" not in content
    assert "http" not in content.replace("http-equiv", "")


def test_mistakes_are_shown_the_surest_first(tmp_path, photos):
    parts = open_parts(photos, "stop")
    val = parts.val
    assert val
    kept = predictions(list(val.names), val.labels) | {"rows": val.rows}
    said = {  # of cat, dog, hare
        "val/cat/0.png": [0.9, 0.1, 0],
        "val/cat/1.png": [0.4, 0.6, 0],
        "val/dog/0.png": [0.1, 0.9, 0],
        "val/dog/1.png": [0.95, 0.05, 0],
        "val/hare/0.png": [0.1, 0.1, 0.8],
        "val/hare/1.png": [0, 0.3, 0.7],
    }
    kept["probabilities"] = np.array([said[name] for name in val.names], np.float32)
    run = keep(tmp_path / "run", predictions=kept, classes=parts.classes, where=str(photos))
    for content in (report(run), report(run, parts)):
        assert re.findall(r"\w+, taken for \w+: \d+ %", content) == [
            "dog, taken for cat: 95 %",
            "cat, taken for dog: 60 %",
        ]
        assert re.findall('<img[^>]* alt="([^"]*)"', content) == ["val/dog/1.png", "val/cat/1.png"]
        assert "2 of 6 pictures were taken for another class" in content
    (photos / "val" / "dog" / "1.png").rename(photos / "val" / "dog" / "other.png")
    content = report(run)  # at its place there is another picture by now
    assert re.findall('<img[^>]* alt="([^"]*)"', content) == ["val/cat/1.png"]
    assert "val/dog/<wbr>1.png" in content.replace("val/<wbr>", "val/")


def test_pictures_that_are_gone_are_told(tmp_path):
    run = keep(tmp_path / "run", predictions=predictions(), classes=CLASSES, where=str(tmp_path / "gone"))
    content = report(run)
    assert "They cannot be shown: " in content
    assert content.count("cannot be shown</div>") == 3
    assert "<img" not in content


def test_class_figures_are_those_of_the_predictions(tmp_path):
    answers = Answers.of(keep(tmp_path / "run", predictions=predictions(), classes=CLASSES))
    assert answers
    assert answers.counts.tolist() == [[1, 2, 0], [0, 1, 1], [0, 0, 1]]
    rows = re.findall(r"<tr>(.*?)</tr>", class_rows(answers))
    assert [words(row).split() for row in rows[1:]] == [
        ["cat", "3", "33.3", "%", "100.0", "%", "dog", "(2)"],
        ["dog", "2", "50.0", "%", "33.3", "%", "&lt;b&gt;owl&lt;/b&gt;", "(1)"],
        ["&lt;b&gt;owl&lt;/b&gt;", "1", "100.0", "%", "50.0", "%"],
    ]
    assert ">2</td>" in confusion(answers)
    assert Answers.of(keep(tmp_path / "other")) is None


def test_a_class_without_pictures_has_no_figure(tmp_path):
    kept = predictions(labels=np.array([0, 0, 0, 1, 1, 1]))
    answers = Answers.of(keep(tmp_path / "run", predictions=kept, classes=CLASSES))
    assert answers
    last = re.findall(r"<tr>(.*?)</tr>", class_rows(answers))[-1]
    assert words(last).split() == ["&lt;b&gt;owl&lt;/b&gt;", "0", "0.0", "%"]


def test_several_labels(tmp_path):
    labels = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]])
    run = keep(tmp_path / "run", predictions=predictions(labels=labels), classes=CLASSES, several=True)
    content = report(run)
    Tags(content)
    told = words(content)
    assert "mean average precision 0.75" in told
    assert "What was taken for what" not in told
    # of the first picture dog is missing (10 %), of the third cat is (10 %) and dog is too much (90 %)
    assert re.findall(r"(?:no )?\w+, but (?:only )?\d+ %", told) == ["dog, but only 10 %", "cat, but only 10 %"]
    assert "2 of 6 pictures have at least one class wrong" in told
    assert "cat 2 0.667 50.0 % 100.0 %" in told  # one is first, the other among the last six: (1/1 + 2/6) / 2
    assert content.count("<svg") == 3


def test_a_run_that_has_not_ended(tmp_path):
    content = report(keep(tmp_path / "run", ended=False, lines=[]))
    assert "It has not ended" in content
    assert "No epoch has ended" in content
    Tags(content)


def test_one_epoch_is_no_curve(tmp_path):
    (line,) = (line for line in history(1) if line["kind"] == "epoch")
    content = report(keep(tmp_path / "run", lines=[line]))
    assert "<svg" not in content
    assert "Curves" not in content
    assert "chosen by the same pictures" not in content  # there was nothing to choose from
    assert "<svg" not in report(keep(tmp_path / "few", lines=[*history(1)[:5], line]))
    steps = [{"kind": "step", "step": n, "loss": 1.0, "lr": 0.1, "seconds": n} for n in range(1, 13)]
    content = report(keep(tmp_path / "steps", lines=[*steps, line]))
    assert re.findall('font-size="14px"[^>]*>([^<]*)<', content) == ["Loss", "Learning rate"]
    assert "validation is 2.1 at 1" in content  # its only one


def test_what_was_left_out_is_told(tmp_path):
    run = keep(tmp_path / "run", skipped=["cat/<b>.png", "dog/1.png", "dog/2.png", "dog/3.png"])
    names = "cat/&lt;b&gt;.png, dog/1.png, dog/2.png, dog/3.png"
    assert f"4 pictures left out, which cannot be used: {names}<" in report(run)
    assert "4 pictures left out, which cannot be used: cat/<b>.png, dog/1.png, dog/2.png and 1 more; " in str(run)
    other = keep(tmp_path / "other")
    assert "left out" not in report(other) + str(other)


def test_the_end_names_the_weights_that_are_judged_and_the_page(tmp_path):
    lines = str(keep(tmp_path / "run", pictures=40)).splitlines()
    assert lines[0].startswith("validation of the weights of epoch 3: 75.0 % right (95 %: ")
    assert lines[-1] == str(tmp_path / "run" / "report.html")
    single = keep(tmp_path / "one", settings={"epochs": 1.0}, lines=history(1))
    assert str(single).startswith("validation: 75.0 % right")  # there was nothing to choose from


def test_where_nothing_was_held_out_nobody_knows(tmp_path):
    run = keep(tmp_path / "run", pictures=0)
    result = run.result
    assert result
    (run.folder / "result.json").write_text(json.dumps(result | {"validation": None}))
    assert str(run).startswith("nothing was held out, so nobody knows how good it is\n")


def test_a_head_that_was_solved_says_so(tmp_path):
    (line,) = (line for line in history(1) if line["kind"] == "epoch")
    run = keep(tmp_path / "run", settings={"freeze": "all", "members": 5, "views": 4}, lines=[line | {"lr": 0.0}])
    told = words(report(run))
    assert "solved directly, without steps, from 4 views of each picture; it is the mean of 5 heads" in told
    assert "after epoch" not in told
    assert "What concerns steps had no effect" in told
    assert "Curves" not in told
    assert "solved directly" not in words(report(keep(tmp_path / "other")))


def test_many_mistakes_and_many_steps_make_no_large_page(tmp_path):
    random = np.random.default_rng(0)
    classes = tuple(f"class {number}" for number in range(300))
    chances = random.random((3000, 300), np.float32)
    kept = {
        "names": np.array([f"val/{number}.jpg" for number in range(3000)]),
        "rows": np.arange(3000),
        "labels": random.integers(0, 300, 3000),
        "probabilities": chances / chances.sum(1, keepdims=True),
    }
    steps = [{"kind": "step", "step": n, "loss": 1.0, "lr": 0.1, "seconds": n} for n in range(1, 20_001)]
    run = keep(tmp_path / "run", predictions=kept, classes=classes, lines=[*steps, *history(3)[-1:]], pictures=3000)
    content = report(run)
    assert len(content) < 300_000
    assert content.count("<figure>") == SHOWN
    assert "shown are the 200 worst of 300 classes" in content


@pytest.mark.parametrize("count", [1, POINTS, POINTS + 1, 12_345])
def test_means_over_neighbours_keep_the_mean(count):
    points = [(float(x), float(x % 7)) for x in range(count)]
    few = _averaged(points)
    assert len(few) <= POINTS
    assert few[0][0] <= points[-1][0] / 2 + 1
    if count % len(few) == 0:
        assert np.mean([y for _, y in few]) == pytest.approx(np.mean([y for _, y in points]))
