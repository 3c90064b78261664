"""The course of a training, as charts of a page."""

from collections.abc import Sequence
from typing import Any

from striate.show.charts import POINTS, curves, thinned
from striate.show.page import text
from striate.train.run import Run

FEW = 10  # points within a single epoch, of which fewer make no curve

Line = list[tuple[float, float]]


def epochs_of(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was noted at the end of each epoch."""
    return [line for line in history if line["kind"] == "epoch"]


def course(run: Run, history: Sequence[dict[str, Any]]) -> str:
    """Charts over the epochs; "" where there are no lines to draw: after one epoch of few steps.

    Parameters
    ----------
    run
        what it is about
    history
        its own
    """
    recipe = run.config["recipe"]
    per_epoch = run.config["steps"] / recipe["epochs"]
    epochs, steps = epochs_of(history), [line for line in history if line["kind"] == "step"]
    if not epochs and not steps:
        return "<p>No epoch has ended.</p>"

    def of(part: str, figure: str, factor: float = 1) -> Line:
        return [(line["epoch"], factor * line[part][figure]) for line in epochs if figure in line[part]]

    by_step = [(line["step"] / per_epoch, line["loss"]) for line in steps]
    training = _averaged(by_step) if len(steps) > len(epochs) else of("training", "loss")
    right = {"training": of("training", "top1", 100), "validation": of("validation", "top1", 100)}
    right |= {"first five": of("validation", "top5", 100)}
    rates = sorted((line["step"] / per_epoch, line["lr"]) for line in [*steps, *epochs])
    marks = {"best": run.result["epoch"]} if run.result and len(epochs) > 1 else {}
    least = 2 if len(epochs) > 1 else FEW
    charts = [
        _chart("Loss", {"training": training, "validation": of("validation", "loss")}, "loss", least, marks),
        _chart("Right answers", right, "%", least, marks),
        _chart("Mean average precision", {"validation": of("validation", "mean_average_precision")}, "", least, marks),
        _chart("Learning rate", {"rate": thinned(rates)}, "", least, {}),
    ]
    if not any(charts):
        return ""
    harder = [name for name in ("label_smoothing", "mixup", "cutmix", "dropout") if recipe[name]]
    harder += ["distortion"] if recipe["distortion"] != "none" else []
    words = ", ".join(name.replace("_", " ") for name in harder)
    note = f'<p class="faint">Training is harder than validation, by {text(words)}.</p>' if harder else ""
    return f'<div class="charts">{"".join(charts)}</div>{note}'


def _chart(title: str, series: dict[str, Line], y: str, least: int, marks: dict[str, float]) -> str:
    """Lines, of which one must have at least so many points; "" where none has."""
    enough = any(len(points) >= least for points in series.values())
    return curves(title, series, "epoch", y, marks=marks) if enough else ""


def _averaged(points: Sequence[tuple[float, float]]) -> Line:
    """Means over equally many neighbours, so that a line has few points."""
    size = -(-len(points) // POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]
