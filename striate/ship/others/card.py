"""The model card: what weights are, how they came about, how good they are, and what they are no good for."""

import json
import re
from typing import Any, NamedTuple

import numpy as np

from striate.measure.shapes import measure
from striate.preprocess import Preprocess
from striate.ship.assembly import about_run
from striate.ship.others.licences import licence_of
from striate.show.names import printable
from striate.show.numbers import count, duration, exact, percent, short, show_size
from striate.train.learn.tally import wilson
from striate.train.recipe import Recipe
from striate.train.run import Run, accuracy

MARK = "<!-- written by striate export; delete this line after editing, then it is not written over -->"
SPLITS = {"test": "test", "validation": "val"}  # of a result, and of the numbers of pictures; the best one first
# told of a training in any case, and where they are not as they are by themselves
SETTINGS = ("epochs", "batch_size", "optimizer", "lr", "schedule", "weight_decay", "distortion", "seed")
FURTHER = ("label_smoothing", "dropout", "mixup", "cutmix", "balance", "ema", "clip", "precision")
WORST = 3  # classes that are told
HALF = 0.5  # of its pictures, below which a class may well be missed more often than found
LONGEST = 60  # letters of a network's name, which may be its text


class Judged(NamedTuple):
    """A set of pictures that a run was judged by."""

    split: str
    figures: dict[str, float]
    pictures: int


class Found(NamedTuple):
    """How often a class was recognised."""

    name: str
    right: int
    pictures: int

    @property
    def between(self) -> tuple[float, float]:
        """The true share, with 95 % confidence."""
        return wilson(self.right, self.pictures)


def card(run: Run, library: str, use: str) -> str:
    """The card of a run's weights, in Markdown, with the header that Hugging Face reads.

    Parameters
    ----------
    run
        whose weights
    library
        what opens them
    use
        how, in Markdown
    """
    judged, worst = _judged(run), _worst(run)
    number = count(len(run.classes), "class")
    what = f"names which of {number} a picture shows"
    if run.config["data"]["several"]:
        what = f"says of each of {number} whether a picture shows it"
    sections = {
        "Figures": _figures(judged, worst),
        "Classes": "In the order of the answers: " + ", ".join(code(name) for name in run.classes),
        "Data": _data(run),
        "Training": _training(run),
        "What it is not for": "\n".join(f"- {limit}" for limit in _limits(run, judged, worst)),
        "Licence": licence_of(run).told,
        "Input": _input(run.preprocess),
        "Cost": _cost(run),
        "Use": use,
        "Made with": _made_with(run),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    lead = f"# {plain(run.name)}\n\nA convolutional network that {what}."
    return f"---\n{_header(run, library, judged)}\n---\n\n{MARK}\n\n{lead}\n\n{body}\n"


def code(text: object) -> str:
    """Any name as it is.

    >>> code("a `b`")
    '`` a `b` ``'
    """
    shown = printable(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))  # longer than any inside
    return f"{fence} {shown} {fence}" if fence[1:] else f"`{shown}`"


def plain(text: object) -> str:
    r"""Any name where nothing in it means anything to Markdown.

    >>> plain("<b> of #1")
    '\\<b\\> of \\#1'
    """
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|" else sign for sign in printable(text))


def _header(run: Run, library: str, judged: list[Judged]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    licence, data = licence_of(run), _place(run)
    key, metric = ("mean_average_precision", "mAP") if run.config["data"]["several"] else ("top1", "accuracy")
    results = [
        EvalResult("image-classification", data, data, metric, figures[key], dataset_split=split)
        for split, figures, _ in judged
    ]
    told: dict[str, Any] = {"model_name": printable(run.name), "eval_results": results, "metrics": [metric]}
    about = ModelCardData(
        license=licence.id,
        license_name=licence.name,
        library_name=library,
        pipeline_tag="image-classification",
        tags=["image-classification", "striate"],
        **(told if results else {}),
    )
    return about.to_yaml().strip()


def _judged(run: Run) -> list[Judged]:
    ended, numbers = run.result, run.config["data"]["pictures"]
    return [Judged(split, ended[split], numbers[name]) for split, name in SPLITS.items() if ended and ended[split]]


def _worst(run: Run) -> list[Found]:
    """The classes of which the smallest share was recognised, in test pictures if there are any."""
    kept = run.predictions
    if not kept or run.config["data"]["several"]:
        return []
    prefix = next((prefix for prefix in ("test_", "") if f"{prefix}labels" in kept), None)
    if prefix is None:
        return []
    labels, answers = kept[f"{prefix}labels"], kept[f"{prefix}probabilities"].argmax(1)
    numbers = np.bincount(labels, minlength=len(run.classes))
    right = np.bincount(labels[answers == labels], minlength=len(run.classes))
    found = [Found(name, int(right[place]), int(numbers[place])) for place, name in enumerate(run.classes)]
    return sorted((one for one in found if one.pictures), key=lambda one: one.right / one.pictures)[:WORST]


def _figures(judged: list[Judged], worst: list[Found]) -> str:
    if not judged:
        return "Nothing was held out, so nobody knows how good it is."
    names = {"per_class": "recognised, mean of the classes", "top5": "among the first five"}
    lines = []
    for split, figures, pictures in judged:
        more = [f"{name}: {percent(figures[key], 1)}" for key, name in names.items() if key in figures]
        lines.append(f"**{split}**: {'; '.join([accuracy(figures, pictures), *more])}")
    if worst:
        rows = []
        for one in worst:
            name, between = code(one.name).replace("|", "\\|"), " to ".join(map(percent, one.between))
            rows.append(f"| {name} | {one.right:,} of {one.pictures:,} | {between} |")
        lines.append("\n".join(["| least often recognised | right | 95 % |", "|---|---|---|", *rows]))
    return "\n\n".join(lines)


def _data(run: Run) -> str:
    data = run.config["data"]
    numbers = [f"{exact(number)} {name}" for name, number in data["pictures"].items() if number]
    return f"{code(_place(run))}, pictures: {', '.join(numbers)}; fingerprint {code(data['fingerprint'])}"


def _place(run: Run) -> str:
    """What the folder or file of the pictures is called, not where somebody has it."""
    return printable(run.config["data"]["where"].rstrip("/").rpartition("/")[2])


def _training(run: Run) -> str:
    about, recipe, ended = run.config["network"], run.config["recipe"], run.result
    name = plain(about["name"]) if len(about["name"]) <= LONGEST else "A network of its own text"
    began = "began from scratch"
    if origin := about["origin"]:
        began = f"began with {plain(origin['publisher'])}'s {code(origin['name'])}, {plain(origin['source'])}"
    elif about["weights"]:
        began = f"began with the weights {code(about['weights'].rpartition('/')[2])}"
    lines = [f"{name} {began}."]
    if recipe["freeze"] != "none":
        what = "all but the last layer" if recipe["freeze"] == "all" else f"all up to {code(recipe['freeze'])}"
        lines.append(f"Frozen was {what}{', at first' if recipe['thaw'] else ''}.")
    if any(line["kind"] == "epoch" and line["lr"] == 0 for line in run.history):
        lines.append(f"The head was solved directly, from {count(recipe['views'], 'view')} of each picture.")
    else:
        further = [key for key in FURTHER if recipe[key] != getattr(Recipe, key)]
        told = [f"{key} {_setting(recipe[key])}".replace("_", " ") for key in (*SETTINGS, *further)]
        lines.append(f"{', '.join(told)}.")
    lines.append(f"It took {duration(ended['seconds'])}." if ended else "It has not ended.")
    return f"{' '.join(lines)}\n\n```\n{about['text']}\n```"


def _setting(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _limits(run: Run, judged: list[Judged], worst: list[Found]) -> list[str]:
    """What follows from how it learned, from what it was judged by, and from no more than that."""
    told = []
    if not run.config["data"]["several"]:
        told.append("Pictures that show none of its classes: it names one all the same, and may be sure of it.")
    told.append(
        f"Pictures of another kind than those in {code(_place(run))}, such as of other cameras, places or seasons: "
        "on such nothing was measured."
    )
    if not judged:
        told.append("Whatever depends on its answers: nothing was held out, so nobody knows how often it is wrong.")
    elif "top1" in judged[0].figures:
        split, figures, pictures = judged[0]
        wrong = pictures - round(figures["top1"] * pictures)
        told.append(
            f"Decisions that nobody checks and where a mistake does harm: of {exact(pictures)} {split} pictures "
            f"{exact(wrong)} were named wrongly, and more may be, as the interval says."
        )
    if weak := [one.name for one in worst if one.between[0] < HALF]:
        told.append(f"Finding all pictures of {', '.join(map(code, weak))}: it may miss every second one, or more.")
    if judged and judged[0].split == "validation" and run.epoch_chosen:
        told.append(
            "Comparisons with figures of pictures that decided nothing: the epoch was chosen by these validation "
            "pictures, so its figures are a little too good."
        )
    return told


def _input(preprocess: Preprocess) -> str:
    (rows, columns), order = preprocess.size, {"RGB": "red, green, blue", "BGR": "blue, green, red", "L": "brightness"}
    shape = f"{rows}×{columns}"
    short_side = preprocess.resize or min(preprocess.size)
    how = {
        "crop": f"resized until its short side has {short_side} pixels, of which the middle {shape} is seen",
        "pad": f"resized to fit into {shape}, on a background of {preprocess.background}",
        "squash": f"resized to {shape}, whatever its shape",
    }[preprocess.fit]
    levels = "levels / 255" if preprocess.scale == 1 else "levels from 0 to 255"
    return (
        f"A picture is turned upright as its EXIF says, laid on {preprocess.background} where it is transparent, {how} "
        f"({preprocess.interpolation}, antialiased). Channels are {order[preprocess.channels]}; the network takes "
        f"({levels} − mean) / std.\n\n```json\n{json.dumps(preprocess.to_dict())}\n```"
    )


def _cost(run: Run) -> str:
    about = run.config["network"]
    ledger = measure(about["text"], tuple(about["input"]), classes=len(run.classes))
    return (
        f"{exact(ledger.totals.parameters)} parameters; {short(ledger.totals.macs)} MACs for a picture of "
        f"{show_size(tuple(about['input']))}."
    )


def _made_with(run: Run) -> str:
    about, machine = about_run(run), run.config["machine"]
    trained = ", ".join(f"{name} {machine[name]}" for name in ("python", "torch", "numpy", "opencv") if name in machine)
    now = ", ".join(f"{name} {version}" for name, version in about.versions.items())
    return (
        f"Trained {run.config['begun'][:10]} with striate {run.config['striate']}, {trained}; written with {now}. "
        f"SHA-256 of the run's weights: {code(about.run)}."
    )
