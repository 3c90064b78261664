"""How a training went, as a chart in a notebook and as a file."""

import altair as alt
import pytest
from kept import history, keep
from PIL import Image

import striate as st
from striate.cli import main
from striate.errors import StriateError
from striate.train.tell.runs import runs


def test_curves_of_a_run_are_a_chart_of_all_that_the_page_shows(tmp_path):
    run = keep(tmp_path / "run")
    chart = st.curves(tmp_path / "run")
    assert isinstance(chart, alt.ConcatChart)
    told = chart.to_dict()
    titles = [each["title"]["text"] for each in told["concat"]]
    assert titles == ["Loss", "Right answers", "Learning rate"]
    assert told["title"]["text"] == "run"
    assert "validation goes from 2.1 at 1" in told["description"]
    assert st.curves(run).to_dict() == told


def test_a_run_without_lines_has_no_curves(tmp_path):
    run = keep(tmp_path / "run", ended=False, lines=history(1)[-1:])
    with pytest.raises(StriateError, match=r"curves need two epochs, or 10 steps of one, but .*run has none"):
        st.curves(run)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_command_line_writes_it(tmp_path, capsys, monkeypatch, ending):
    monkeypatch.setenv("COLUMNS", "500")  # so that no path is broken
    keep(tmp_path / "run")
    file = tmp_path / f"course.{ending}"
    main(["runs", str(tmp_path / "run"), "--chart", str(file)])
    assert f"written: {file}" in capsys.readouterr().out
    if ending == "svg":
        assert "Right answers" in file.read_text(encoding="utf-8")
    else:
        with Image.open(file) as image:
            assert min(image.size) > 800


def test_one_run_is_drawn_and_no_folder_of_them(tmp_path):
    keep(tmp_path / "run")
    file = tmp_path / "course.png"
    with pytest.raises(StriateError, match=r"--chart draws one run, but .* is none; `striate runs runs/NAME --chart"):
        runs(tmp_path, chart=file)
    with pytest.raises(StriateError, match="--chart draws one run, but 2 are given"):
        runs(tmp_path / "run", tmp_path / "run", chart=file)
    with pytest.raises(StriateError, match=r"must end in \.svg, \.png"):
        runs(tmp_path / "run", chart=tmp_path / "course.pdf")
    assert not file.exists()
