"""Recipe: every setting that changes what a network learns."""

from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any, Literal, get_origin, get_type_hints

from striate.data.distort.distortion import distortion
from striate.errors import StriateError, one_of

Optimizer = Literal["sgd", "adamw"]
Schedule = Literal["one-cycle", "cosine", "step", "constant"]
Balance = Literal["none", "weights", "sampling"]
Precision = Literal["float32", "bfloat16", "float16", "float64"]

# what each number may be, and what it is
RANGES = {
    "epochs": (1e-4, 100_000, "times that each picture is seen"),
    "batch_size": (1, 100_000, "pictures in a step"),
    "lr": (1e-12, 1000, "the highest learning rate"),
    "warm_up": (0, 0.9, "a share of the steps"),
    "weight_decay": (0, 1, "a share of a weight that a step takes away, before the learning rate"),
    "label_smoothing": (0, 0.9, "a share of each label"),
    "dropout": (0, 0.95, "a share of the values"),
    "mixup": (0, 100, "a strength"),
    "cutmix": (0, 100, "a strength"),
    "ema": (0, 0.99999, "the share of the old average that a step keeps"),
    "clip": (0, 1_000_000, "the largest norm of the gradient, 0 for any"),
    "accumulate": (1, 4096, "parts in which a batch is computed"),
    "patience": (0, 100_000, "epochs without a better result, 0 never stops"),
    "views": (1, 1000, "how often each picture passes the frozen part"),
    "members": (1, 100, "heads that are averaged"),
    "seed": (0, 2**63 - 1, "by which everything random is drawn"),
}


@dataclass(frozen=True)
class Recipe:
    """How a network learns; `striate.train` says what each setting is."""

    epochs: float
    batch_size: int
    lr: float
    optimizer: Optimizer = "sgd"
    schedule: Schedule = "one-cycle"
    warm_up: float = 0.25
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    dropout: float | None = None
    distortion: str = "none"
    mixup: float = 0.0
    cutmix: float = 0.0
    balance: Balance = "none"
    ema: float = 0.0
    clip: float = 0.0
    accumulate: int = 1
    patience: int = 0
    precision: Precision = "float32"
    compile: bool = False
    deterministic: bool = False
    freeze: str = "none"
    thaw: bool = False
    views: int = 2
    members: int = 1
    adapt_input: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check(asdict(self))
        object.__setattr__(self, "distortion", str(distortion(self.distortion)))  # one text for one distortion
        if self.accumulate > self.batch_size:
            raise StriateError(
                f"a batch is computed in at most as many parts as it has pictures, but accumulate is {self.accumulate} "
                f"for {self.batch_size}"
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """Back from a file."""
        names = {field.name for field in fields(cls)}
        if values.keys() != names:
            raise StriateError(f"a recipe holds {', '.join(sorted(names))}, but here {', '.join(sorted(values))}")
        return cls(**values)


def check(settings: dict[str, Any]) -> None:
    """Refuse settings that a recipe cannot hold; those that are None are still to be chosen.

    Parameters
    ----------
    settings
        by name
    """
    for name, value in settings.items():
        if value is None or name not in Recipe.__dataclass_fields__:
            continue
        hint = HINTS[name]
        if name in RANGES:
            low, high, unit = RANGES[name]
            whole = hint is int
            kind = int if whole else int | float
            if (
                isinstance(value, bool)
                or not isinstance(value, kind)
                or not isfinite(value)
                or not low <= value <= high
            ):
                count = "a whole number" if whole else "a number"
                if isinstance(value, float) and value.is_integer():
                    value = int(value)  # as it was typed
                raise StriateError(
                    f"{option(name)} is {count} from {low:,} to {high:,} ({unit}), but is {value!r}".replace("'", "")
                )
        elif get_origin(hint) is Literal:
            one_of(option(name), value, hint)
        elif hint is bool and not isinstance(value, bool):
            raise StriateError(f"{option(name)} is on or off, but is {value!r}")
    if settings.get("distortion") is not None:
        distortion(settings["distortion"])


def option(name: str) -> str:
    """A setting as it is written on the command line."""
    return f"--{name.replace('_', '-')}"


HINTS = get_type_hints(Recipe)
