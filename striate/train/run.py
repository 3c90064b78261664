"""Run: a folder with all that a training asked, did and found. Everything after training starts from it."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import StriateError, WeightsError
from striate.files import write_whole
from striate.nets.build import net
from striate.nets.net import Net
from striate.preprocess import Preprocess
from striate.show.names import printable
from striate.show.table import json_text
from striate.train.keep.history import read_history
from striate.train.keep.sealed import load_sealed
from striate.train.learn.tally import wilson
from striate.train.parts import Parts, Where, absolute, open_parts
from striate.train.recipe import Recipe
from striate.train.tell.telling import left_out

FORMAT = 1
MODEL, CONFIG = "model.safetensors", "config.json"


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A training and what came of it.

    Parameters
    ----------
    folder
        where it lies
    config
        what was asked for and what was chosen: docs/design.md lists it
    classes
        names, in the order of the network's outputs
    preprocess
        the network's input
    """

    folder: Path
    config: dict[str, Any]
    classes: tuple[str, ...]
    preprocess: Preprocess

    @property
    def name(self) -> str:
        """What the folder is called."""
        return self.folder.resolve().name

    @cached_property
    def recipe(self) -> Recipe:
        """Every setting."""
        return Recipe.from_dict(self.config["recipe"])

    @property
    def members(self) -> dict[str, "Run"]:
        """The runs that an ensemble averages, by their names; none of any other."""
        return {}

    @property
    def epoch_chosen(self) -> bool:
        """Whether validation chose the epoch; a single one, or a head that was solved, leaves no choice."""
        return self.config["recipe"]["epochs"] > 1

    def may_know(self, where: str, split: str | None) -> bool:
        """Whether the network may have learned from pictures.

        Parameters
        ----------
        where
            they are
        split
            val or test; None is all of them
        """
        return split is None and absolute(where) == self.config["data"]["where"]

    @property
    def history(self) -> list[dict[str, Any]]:
        """What was noted on the way: steps, epochs and notes."""
        return read_history(self.folder / "history.jsonl")

    @property
    def result(self) -> dict[str, Any] | None:
        """How it ended; None while it has not."""
        path = self.folder / "result.json"
        return read_json(path) if path.exists() else None

    @property
    def figures(self) -> dict[str, float] | None:
        """The validation of the weights that are kept; None where there are none yet, or nothing to validate by."""
        epochs = [line for line in self.history if line["kind"] == "epoch" and line["best"]]
        return (epochs[-1]["validation"] or None) if epochs else None

    @property
    def predictions(self) -> dict[str, np.ndarray] | None:
        """Names, rows, labels and probabilities of the validation pictures, and of test pictures as test_names, …"""
        path = self.folder / "predictions.npz"
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError) as error:
            raise StriateError(f"{path} holds predictions, but cannot be read: {error}") from error

    def weights(self) -> Path:
        """The file of the best weights, if there is one yet."""
        path = self.folder / MODEL
        if not path.exists():
            raise WeightsError(
                f"{self.folder} has no weights yet: they are kept when the first epoch ends; "
                f"`striate train --resume {self.folder}` goes on with it"
            )
        return path

    def net(self) -> Net:
        """The network with the best weights, as it is used."""
        tensors, _ = load_sealed(self.weights())
        made = self.untrained()
        try:
            made.load_state_dict(tensors)
        except RuntimeError as error:
            raise WeightsError(f"the weights of {self.folder} are not those of its network: {error}") from error
        return made.eval()

    def untrained(self, side_heads: bool = False) -> Net:
        """The network with its first weights.

        Parameters
        ----------
        side_heads
            as it is trained, if it has any
        """
        about = self.config["network"]
        text = about["trained" if side_heads else "text"]
        made = net(text, input=tuple(about["input"]), classes=self.classes, seed=self.recipe.seed)
        made.name, made.preprocess, made.origin = about["name"], self.preprocess, about["origin"]
        return made

    def parts(self, where: Where | None = None) -> Parts:
        """The pictures, opened again, with the classes in the order of this run.

        Parameters
        ----------
        where
            other pictures with the same classes
        """
        about = self.config["data"]
        return open_parts(
            about["where"] if where is None else where,
            about["on_bad"],
            about["pictures"]["train"] if about["stream"] else None,
            about["validation"],
            self.classes,
            self.folder / "classes.json",
        )

    def to_json(self) -> str:
        """What was asked and how it ended."""
        return json_text({**self.config, "classes": self.classes, "result": self.result})

    def __repr__(self) -> str:
        return f"<Run {printable(self.folder)}: {self.config['network']['name']}, {len(self.classes)} classes>"

    def __rich__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        ended = self.result
        if ended is None:
            return f"{self.name} has not ended: `striate train --resume {self.folder}` goes on with it"
        lines = [f"stopped early: {ended['stopped']}"] if ended["stopped"] else []
        whose = f" of the weights of epoch {ended['epoch']:g}" if self.epoch_chosen else ""
        for split, name in (("validation", "val"), ("test", "test")):
            if ended[split]:
                figures = accuracy(ended[split], self.config["data"]["pictures"][name])
                lines.append(f"{split}{whose}: {figures}")
        if not ended["validation"] and not ended["test"]:
            lines.append("nothing was held out, so nobody knows how good it is")
        lines += left_out(ended["skipped"])
        lines.append(f"kept in {printable(self.folder)}: weights, predictions, history, and a page to read:")
        lines.append(printable(self.folder / "report.html"))
        return "\n".join(lines)


def accuracy(figures: dict[str, float], count: int) -> str:
    """A figure of accuracy with its uncertainty.

    Parameters
    ----------
    figures
        of `count` pictures
    count
        how many
    """
    if "top1" not in figures:
        return f"mean average precision {figures['mean_average_precision']:.3f} of {count:,} pictures"
    low, high = wilson(round(figures["top1"] * count), count)
    return f"{100 * figures['top1']:.1f} % right (95 %: {100 * low:.1f} to {100 * high:.1f} %, {count:,} pictures)"


def is_run(folder: str | Path) -> bool:
    """Whether a folder holds a run."""
    return (Path(folder) / CONFIG).is_file()


def own_folder(output: str | Path | None) -> Path | None:
    """Where files are to be written, if that is no run.

    Parameters
    ----------
    output
        what was asked for
    """
    if output is None:
        return None
    output = Path(output)
    if is_run(output) or (output.exists() and not output.is_dir()):
        raise StriateError(f"--output is a folder of its own, but {printable(output)} is a run or a file")
    return output


def open_run(folder: str | Path) -> Run:
    """Open a run, wherever it was made.

    Parameters
    ----------
    folder
        a training's output, such as runs/pets
    """
    folder = Path(folder)
    if not is_run(folder):
        what = "is not there" if not folder.exists() else "has none"
        raise StriateError(f"a run is a folder with a config.json, but {printable(folder)} {what}; see `striate runs`")
    config = read_json(folder / CONFIG)
    if config.get("format") != FORMAT:
        raise StriateError(
            f"this version of striate opens runs of format {FORMAT}, but {printable(folder)} is of format "
            f"{config.get('format')!r}, by striate {config.get('striate')}"
        )
    from striate.train.ensemble import Ensemble  # which is a run itself, so its file needs this one

    classes, preprocess = tuple(read_json(folder / "classes.json")), read_json(folder / "preprocess.json")
    kind = Ensemble if config.get("kind") == "ensemble" else Run
    return kind(folder, config, classes, Preprocess.from_dict(preprocess))


def read_json(path: Path) -> Any:
    """What a file of a run holds."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise StriateError(f"{printable(path)} is part of a run, but cannot be read: {why}") from error


def write_json(path: Path, value: Any) -> None:
    """Write a file of a run."""
    content = json_text(value).encode("utf-8")
    write_whole(path, lambda file: file.write(content))
