"""How a run stands: what tables of runs show of it."""

import fcntl
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from striate.show.names import printable
from striate.show.numbers import show_size
from striate.train.learn.tally import wilson
from striate.train.run import Run

CALLED = {"epochs": "epochs planned"}  # beside those that were made
FINGERPRINT = 8  # letters that tell two apart


@dataclass(frozen=True, eq=False)
class Standing:
    """A run with its figures, and in words whether it has ended."""

    run: Run

    @cached_property
    def result(self) -> dict[str, Any] | None:
        return self.run.result

    @cached_property
    def validation(self) -> dict[str, float]:
        return (self.result["validation"] if self.result else self.run.figures) or {}

    @property
    def measure(self) -> str:
        return "mAP" if self.run.config["data"]["several"] else "top-1"

    @property
    def score(self) -> float | None:
        return _score(self.validation)

    @property
    def interval(self) -> str | None:
        """Between which shares the accuracy lies; ranks of several labels have no such formula."""
        number = self.run.config["data"]["pictures"]["val"]
        if "top1" not in self.validation or not number:
            return None
        low, high = wilson(round(self.validation["top1"] * number), number)
        return f"{100 * low:.1f}–{100 * high:.1f} %"

    @cached_property
    def epochs(self) -> float:
        return max((line["epoch"] for line in self.run.history if line["kind"] == "epoch"), default=0)

    @property
    def seconds(self) -> float:
        if self.result:
            return self.result["seconds"]
        return max((line["seconds"] for line in self.run.history if "seconds" in line), default=0)

    @property
    def state(self) -> str:
        if _held(self.run.folder / "lock"):
            return "running"
        if self.result is None:
            return "unfinished"
        return "stopped early" if self.result["stopped"] else "finished"

    @property
    def row(self) -> dict[str, Any]:
        config = self.run.config
        planned = config["recipe"].get("epochs")  # an ensemble has none of its own
        return {
            "name": self.run.name,
            "best": False,
            "network": config["network"]["name"],
            "data": Path(config["data"]["where"]).name,
            "pictures": config["data"]["pictures"]["train"],
            "epochs": self.epochs,
            "planned": planned,
            "progress": f"{round(self.epochs, 2):g}/{round(planned, 2):g}" if planned else None,
            "measure": self.measure,
            "validation": self.score,
            "interval": self.interval,
            "test": _score(self.result["test"] or {}) if self.result else None,
            "seconds": self.seconds,
            "begun": self.run.config["begun"],
            "state": self.state,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """All that may make a difference."""
        config = self.run.config
        told = {
            "network": config["network"]["name"],
            "layers": config["network"]["text"].replace("\n", " "),
            "input": show_size(tuple(config["network"]["input"])),
            "data": config["data"]["where"],
            "fingerprint of the data": config["data"]["fingerprint"][:FINGERPRINT],
            **{f"{split} pictures": number for split, number in config["data"]["pictures"].items()},
            **{CALLED.get(name, name.replace("_", " ")): value for name, value in config["recipe"].items()},
            **{f"pictures: {name}": value for name, value in self.run.preprocess.to_dict().items() if name != "size"},
            **{f"machine: {name}": value for name, value in config["machine"].items()},
            "striate": config["striate"],
        }
        if "epochs planned" in told:
            told["epochs planned"] = round(told["epochs planned"], 2)
        return {name: _plain(value) for name, value in told.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return value if value is None or isinstance(value, int | float) else printable(value)


def _score(figures: dict[str, float]) -> float | None:
    return figures.get("top1", figures.get("mean_average_precision"))


def _held(lock: Path) -> bool:
    """Whether a process writes into a run's folder: the file says who, and the system whether that is true."""
    try:
        if not lock.read_bytes():  # it is emptied at the end
            return False
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
