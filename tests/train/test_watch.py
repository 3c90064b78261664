"""The live view: lines that stay, a region that goes, and a step that costs nothing."""

import io
import re
import sys
from itertools import pairwise
from time import process_time

import pytest
from rich.cells import cell_len

from striate.show.progress import say
from striate.train.tell import watch as module
from striate.train.tell.telling import epoch_columns, epoch_sentence, heads, row
from striate.train.tell.watch import Watch, packed


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "perf_counter", clock)
    return clock


@pytest.fixture
def piped(capsys):
    """What was written to standard error, which is no terminal."""
    return lambda: capsys.readouterr().err


def terminal(monkeypatch) -> Terminal:
    """A standard error that is one; of the test's body, for the one of its fixtures is another."""
    file = Terminal()
    monkeypatch.setattr(sys, "stderr", file)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    return file


def line(epoch=1, best=True, top1=0.5, **others) -> dict:
    return {
        "kind": "epoch",
        "epoch": epoch,
        "step": 100 * epoch,
        "training": {"loss": 1.9, "top1": 0.6},
        "validation": {"loss": 1.4, "top1": top1, "top5": 0.9, "per_class": 0.4},
        "lr": 0.1,
        "seconds": 61.0,
        "best": best,
    } | others


def test_speed_is_of_late_and_of_steps_alone(clock):
    with Watch(10_000, 10, quiet=True) as watch:
        assert watch.speed == 0
        for step in range(1, 201):  # 100 pictures/s, and a validation of a minute after every tenth step
            clock.now += 0.5
            watch.step(step, 50, 1.0, 0.1)
            if step % 10 == 0:
                for _ in range(6):
                    clock.now += 10
                    watch.validating(1, 2)
                watch.epoch(line())
            assert watch.speed == pytest.approx(100)
        for step in range(201, 251):  # 12.5 seconds at 200 pictures/s
            clock.now += 0.25
            watch.step(step, 50, 1.0, 0.1)
        assert watch.speed == pytest.approx(200, rel=0.03)


def test_a_pipe_gets_a_line_for_each_epoch_and_each_half_minute(clock, piped):
    with Watch(200, 100, macs=10**6, peak=1e9) as watch:
        watch.say("[bold]two[/bold] pictures are skipped")
        for step in range(1, 101):
            clock.now += 1
            watch.step(step, 100, 1 / step, 0.05)
        watch.epoch(line())
    told = piped()
    lines = told.splitlines()
    assert lines[0] == "[bold]two[/bold] pictures are skipped"
    assert [re.search("step (\\d+) of", told)[1] for told in lines[1:-1]] == ["30", "60", "90"]
    assert lines[1] == (
        "epoch 1 of 2, step 30 of 200: 100 pictures/s · 30 % of this machine's 1 GMAC/s · loss 0.03333 · rate 0.05 · "
        "2 min 50 s left"
    )
    assert lines[-1] == epoch_sentence(line(), 2)
    assert "\x1b" not in told


def test_an_epoch_in_words():
    assert epoch_sentence(line(2, False), 12.5) == (
        "epoch 2 of 12.5: training loss 1.9000, 60.0 % right; validation loss 1.4000, 50.0 % right, 40.0 % per class; "
        "1 min 1 s"
    )
    several = line(training={"loss": 0.2}, validation={"loss": 0.3, "mean_average_precision": 0.75})
    assert epoch_sentence(several, 1).endswith("validation loss 0.3000, 75.0 % mAP; 1 min 1 s; the best so far")
    assert epoch_sentence(line(validation={}), 1) == "epoch 1 of 1: training loss 1.9000, 60.0 % right; 1 min 1 s"


def test_quiet_is_quiet(piped):
    with Watch(2, 1, quiet=True) as watch:
        watch.say("one")
        watch.step(1, 1, 1.0, 0.1)
        watch.epoch(line())
    assert piped() == ""


def test_a_terminal_keeps_epochs_and_gets_its_cursor_back(clock, monkeypatch):
    screen = terminal(monkeypatch)
    with pytest.raises(KeyboardInterrupt), Watch(1000, 100, macs=10**6, peak=1e9) as watch:
        watch.say("[bold]")
        for step in range(1, 51):
            clock.now += 1
            watch.step(step, 100, 2.0, 0.05)
        assert "epoch 1 of 10" in screen.getvalue()
        assert "30 % of this machine's 1 GMAC/s" in screen.getvalue()
        watch.validating(1, 4)
        clock.now += 1
        watch.validating(2, 4)
        assert "validation 50 %" in screen.getvalue()
        watch.epoch(line())
        watch.epoch(line(2, False))
        assert "best 50.0 % right in epoch 1" in screen.getvalue()
        raise KeyboardInterrupt
    told = screen.getvalue()
    assert told.rindex("\x1b[?25h") > told.rindex("\x1b[?25l")  # shown again after it was hidden
    kept = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", told)
    assert kept.count("validation\n") == 1  # the heads stand there once
    assert len(re.findall(r"\r +[12] +1\.9000 +1\.4000 +50\.0 %", kept)) == 2


def test_the_region_never_shrinks_and_takes_no_style_from_what_is_printed_above(clock, monkeypatch):
    screen = terminal(monkeypatch)
    heights = []
    with Watch(1000, 100, macs=10**6, peak=1e9) as watch:
        for step in range(1, 1001):
            clock.now += 1
            watch.step(step, 100, 2.0, 0.05)
            heights.append(len(watch._live.renderable.renderables))
            if step % 100 == 0:
                watch.epoch(line(step // 100))
    assert heights == sorted(heights)
    assert len(watch._parts) < 6  # nothing is left to wait for, and yet it is as high
    assert "all" in screen.getvalue()
    bold = re.findall("\x1b\\[1m([^\x1b]*)", screen.getvalue())
    assert [told.split()[0] for told in bold] == ["training", "epoch"]


def test_what_is_told_is_broken_between_words_on_a_terminal_alone(monkeypatch, capsys):
    told = "decoded pictures take " + "many " * 20 + ":a: [b]name[/b]"
    say(told)
    assert capsys.readouterr().err == f"{told}\n"
    screen = terminal(monkeypatch)
    say(told)
    lines = screen.getvalue().splitlines()
    assert len(lines) == 3
    assert all(len(line) <= 60 for line in lines)
    assert " ".join(line.strip() for line in lines) == told


def test_a_loss_that_is_not_known_yet_is_not_shown(clock, piped):
    with Watch(200, 100) as watch:
        clock.now += 31
        watch.step(1, 10, None, 0.05)
    assert "0.3 pictures/s · rate 0.05" in piped()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_the_table_of_epochs_fits(width):
    columns = epoch_columns(line(), width)
    for told in [*heads(columns), row(columns)]:
        assert cell_len(told) <= width
    assert ("validation", "top-1") in columns
    assert (("validation", "top-5") in columns) == (width >= 100)
    first = heads(columns)[1].rindex("top-1" if width == 40 else "loss")
    assert heads(columns)[0].index("validation") == first


@pytest.mark.parametrize("width", [10, 25, 60])
def test_lines_hold_whole_parts(width):
    parts = ["a" * 5, "b" * 12, "c" * 9, "d", "e" * 24]
    lines = packed(parts, width)
    assert " · ".join(lines).split(" · ") == parts
    assert all(len(told) <= width or told in parts for told in lines)
    for one, other in pairwise(lines):
        assert len(f"{one} · {other.split(' · ')[0]}") > width  # no line could have held more


def test_a_step_costs_next_to_nothing(piped):
    with Watch(10**6, 1000) as watch:

        def seconds() -> float:
            start = process_time()
            for step in range(2000):
                watch.step(step, 64, 1.0, 0.1)
            return (process_time() - start) / 2000

        assert min(seconds() for _ in range(5)) < 5e-6
