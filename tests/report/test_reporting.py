"""`striate report`: the page holds what was found, names what is missing, and is written whole or not at all."""

import json
import re
import shutil
import sys
from html import escape, unescape
from pathlib import Path

import numpy as np
import pytest
from reported import CLASSES, NET, made_run

import striate as st
from striate.cli import main
from striate.errors import StriateError
from striate.evaluate.evaluate import evaluate
from striate.measure.shapes import measure
from striate.report.drawing import drawing
from striate.report.report import report


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made_run(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def content(run):
    return report(run).read_text(encoding="utf-8")


def words(content: str) -> str:
    """A page's text."""
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", content)))


def test_the_page_is_where_a_run_s_page_is_and_small(run, content):
    assert (run.folder / "report.html").read_text(encoding="utf-8") == content
    assert len(content) < 2e6
    assert not [path for path in run.folder.iterdir() if path.name.endswith(".part")]


def test_every_part_is_there(content):
    heads = [unescape(head) for head in re.findall("<h2[^>]*>(.*?)</h2>", content)]
    answers = ["Result", "What was taken for what", "Classes", "How sure it may be", "Pictures", "Inside"]
    assert heads == [*answers, "Curves", "Settings", "Data", "Network", "What it costs", "Versions and sums"]


def test_the_figures_are_those_of_evaluate(run, content):
    told = words(content)
    found = evaluate(run)
    for row in found.table.rows:
        assert f"{row['name']} {row['value']}" in told
    assert run.config["data"]["fingerprint"] in told
    assert f"{measure(run.config['network']['text'], (16, 16, 3), classes=3).totals.parameters:,} parameters" in told


def test_nobody_is_told_in_which_folders_things_lie(run, content):
    assert run.config["data"]["where"] not in content
    assert Path(run.config["data"]["where"]).name in content


def test_names_are_only_text(content):
    assert "<script" not in content
    assert escape(CLASSES[0]) in content
    assert escape(CLASSES[1]) in content


def test_each_cell_with_pictures_opens_them(run, content):
    counts = _counts(run)
    for a, b in np.argwhere(counts).tolist():
        assert content.count(f'href="#cell{a}-{b}"') == content.count(f'id="cell{a}-{b}"') == 1
        group = content.split(f'id="cell{a}-{b}"')[1].split('class="cell"')[0].split("</section>")[0]
        assert group.count("<figure>") == min(8, counts[a, b])
    assert content.count('id="cell') == np.count_nonzero(counts)


def _counts(run) -> np.ndarray:
    said = evaluate(run).said
    counts = np.zeros((3, 3), int)
    np.add.at(counts, (said.data.labels, said.scores.argmax(1)), 1)
    return counts


def test_a_run_without_pictures_to_judge_it_by_is_refused(tmp_path, capsys):
    alone = made_run(tmp_path, ("train",), ("a", "b", "c"), each=2)
    before = (alone.folder / "report.html").read_bytes()
    with pytest.raises(SystemExit) as ended:
        main(["report", str(alone.folder)])
    assert ended.value.code == 2
    assert "name others: striate evaluate RUN DATA" in capsys.readouterr().err
    assert (alone.folder / "report.html").read_bytes() == before


def test_an_ensemble_has_a_page_too(run, tmp_path):
    other = st.train(
        run.config["data"]["where"],
        NET,
        size="16x16",
        epochs=1,
        batch_size=8,
        seed=1,
        quiet=True,
        output=tmp_path / "b",
    )
    whole = st.ensemble([run, other], output=tmp_path / "both")
    told = words(report(whole).read_text(encoding="utf-8"))
    assert "It is 2 networks side by side" in told
    assert "never for serving customers" in told
    assert "What was taken for what" in told


def test_pictures_that_are_gone_are_told_of(run, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config["data"]["where"] = str(tmp_path / "gone")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(SystemExit) as ended:
        main(["report", str(folder)])
    assert ended.value.code == 2
    assert "gone" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "words"), [("page.txt", "must end in .html"), ("no/page.html", "folder must exist")])
def test_where_it_cannot_be_written_is_told_before_anything_is_judged(run, tmp_path, name, words, monkeypatch):
    monkeypatch.setattr(sys.modules["striate.report.report"], "evaluate", None)
    with pytest.raises(StriateError, match=words):
        st.report(run, output=tmp_path / name)


def test_a_drawing_has_a_box_for_each_stage():
    drawn = drawing(measure("resnet18", by="stage"))
    assert drawn.count("<path") == 3 * (1 + 6)
    for size in ("224×224×3", "56×56×64", "28×28×128", "14×14×256", "7×7×512"):
        assert size in drawn
    assert "11,689,512 parameters" in drawn
