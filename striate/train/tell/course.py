"""The course of a training, as charts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.errors import StriateError
from striate.show.charts import POINTS
from striate.show.charts import curves as curves_of
from striate.show.drawing import inline
from striate.show.looks import title_of
from striate.show.names import printable
from striate.show.page import text
from striate.train.run import Run, open_run

if TYPE_CHECKING:
    import altair as alt

FEW = 10  # points within a single epoch, of which fewer make no curve

Line = list[tuple[float, float]]


def epochs_of(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was noted at the end of each epoch."""
    return [line for line in history if line["kind"] == "epoch"]


def course(run: Run, history: Sequence[dict[str, Any]]) -> str:
    """Charts over the epochs, for a page; "" where there are no lines to draw: after one epoch of few steps.

    Parameters
    ----------
    run
        what it is about
    history
        its own
    """
    if not any(line["kind"] in ("epoch", "step") for line in history):
        return "<p>No epoch has ended.</p>"
    if not (drawn := charts(run, history)):
        return ""
    recipe = run.config["recipe"]
    harder = [name for name in ("label_smoothing", "mixup", "cutmix", "dropout") if recipe[name]]
    harder += ["distortion"] if recipe["distortion"] != "none" else []
    words = ", ".join(name.replace("_", " ") for name in harder)
    note = f'<p class="faint">Training is harder than validation, by {text(words)}.</p>' if harder else ""
    return f'<div class="charts">{"".join(map(inline, drawn))}</div>{note}'


def charts(run: Run, history: Sequence[dict[str, Any]]) -> "list[alt.LayerChart]":
    """The same as charts of their own.

    Parameters
    ----------
    run
        what they are about
    history
        its own
    """
    epochs, steps = epochs_of(history), [line for line in history if line["kind"] == "step"]
    if not epochs and not steps:
        return []
    per_epoch = run.config["steps"] / run.config["recipe"]["epochs"]

    def of(part: str, figure: str, factor: float = 1) -> Line:
        return [(line["epoch"], factor * line[part][figure]) for line in epochs if figure in line[part]]

    by_step = [(line["step"] / per_epoch, line["loss"]) for line in steps]
    training = _averaged(by_step) if len(steps) > len(epochs) else of("training", "loss")
    right = {"training": of("training", "top1", 100), "validation": of("validation", "top1", 100)}
    right |= {"first five": of("validation", "top5", 100)}
    rates = sorted((line["step"] / per_epoch, line["lr"]) for line in [*steps, *epochs])
    best = {"best": run.result["epoch"]} if run.result and len(epochs) > 1 else {}
    told = [
        ("Loss", {"training": training, "validation": of("validation", "loss")}, "loss", best),
        ("Right answers", right, "%", best),
        ("Mean average precision", {"validation": of("validation", "mean_average_precision")}, "precision", best),
        ("Learning rate", {"rate": rates}, "rate", {}),
    ]
    least = 2 if len(epochs) > 1 else FEW  # points of one line, without which there is nothing to see
    return [
        curves_of(title, series, "epoch", y, marks=marks)
        for title, series, y, marks in told
        if any(len(points) >= least for points in series.values())
    ]


def curves(run: str | Path | Run) -> "alt.ConcatChart":
    """Draw how a training went, for a notebook: an Altair chart, to look at, to change and to `save`.

    Parameters
    ----------
    run
        a run's folder
    """
    import altair as alt

    run = run if isinstance(run, Run) else open_run(run)
    if not (drawn := charts(run, run.history)):
        raise StriateError(
            f"curves need two epochs, or {FEW} steps of one, but {printable(run.folder)} has none to draw yet"
        )
    told = ". ".join(each.description for each in drawn)
    return alt.concat(*drawn, columns=2, title=title_of(run.name, 16, 18), description=told).resolve_scale(
        color="independent", strokeDash="independent"
    )


def _averaged(points: Sequence[tuple[float, float]]) -> Line:
    """Means over equally many neighbours, so that a line has few points."""
    size = -(-len(points) // POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]
