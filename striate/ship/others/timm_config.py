"""How timm is told of weights: its config.json, as in its folders on Hugging Face."""

from math import floor
from typing import Any

from torch import Tensor

from striate.errors import StriateError
from striate.nets.placing import own_tensors
from striate.preprocess import Preprocess
from striate.ship.others.licences import licence_of
from striate.train.run import Run

MODES = {"crop": "center", "pad": "border", "squash": "squash"}


def timm_config(run: Run, model: str, state: dict[str, Tensor]) -> tuple[dict[str, Any], list[str]]:
    """The configuration, and what it cannot say.

    Parameters
    ----------
    run
        whose network
    model
        timm's name of it
    state
        its weights under timm's names
    """
    preprocess = run.preprocess
    if preprocess.channels == "BGR":
        raise StriateError("timm shows networks red, green, blue, but this one learned from blue, green, red")
    names = own_tensors(state)
    first, last = names[0].rpartition(".")[0], names[-1].rpartition(".")[0]
    channels = len(preprocess.mean)
    config: dict[str, Any] = {
        "architecture": model,
        "num_classes": len(run.classes),
        "num_features": state[f"{last}.weight"].shape[1],
        "label_names": list(run.classes),
        "model_args": {"in_chans": channels} if channels != 3 else {},
        "pretrained_cfg": {
            "tag": "striate",
            "custom_load": False,
            "input_size": [channels, *preprocess.size],
            "fixed_input_size": False,
            "interpolation": preprocess.interpolation,
            "crop_pct": _share(preprocess),
            "crop_mode": MODES[preprocess.fit],
            "mean": [value / preprocess.scale for value in preprocess.mean],
            "std": [value / preprocess.scale for value in preprocess.std],
            "num_classes": len(run.classes),
            "pool_size": None,
            "first_conv": first,
            "classifier": last,
            "license": licence_of(run).id,
        },
    }
    notes = []
    if preprocess.fit == "pad":
        notes.append("timm pads pictures with their mean colour, striate with the preprocess' background")
    if run.config["data"]["several"]:
        notes.append("timm takes the classes for exclusive; here each has a probability of its own, sigmoid(logit)")
    return {name: value for name, value in config.items() if value != {}}, notes


def _share(preprocess: Preprocess) -> float:
    """Which share of the resized short side is seen; timm divides by it and rounds down.

    >>> _share(Preprocess((224, 224), 256))
    0.875
    """
    if preprocess.fit != "crop" or not preprocess.resize:
        return 1.0
    side, resized = min(preprocess.size), preprocess.resize
    share = side / resized
    return share if floor(side / share) == resized else side / (resized + 0.5)
