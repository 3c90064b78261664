"""How a training begins: from a folder of pictures, like an earlier run, or from where one stopped."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

import striate
from striate.data.dataset import OnBad
from striate.errors import DataError, StriateError, WeightsError
from striate.nets.build import net as build
from striate.nets.net import Net
from striate.ops.size import parse_size
from striate.preprocess import Preprocess
from striate.show.names import printable
from striate.show.numbers import count, show_size
from striate.train.choose.choosing import Choice, choose
from striate.train.choose.frozen import check_frozen
from striate.train.choose.weights import begun, fingerprint
from striate.train.machine import command
from striate.train.parts import Parts
from striate.train.recipe import Recipe, option
from striate.train.run import FORMAT, Run, is_run


@dataclass
class Plan:
    """A training before its first step.

    Parameters
    ----------
    parts
        the pictures
    network
        with its first weights, on the processor
    preprocess
        its input
    recipe
        how it learns
    asked
        what the user said of that
    choices
        what was chosen, and why
    weights
        where those come from that the network begins with; None is from scratch
    """

    parts: Parts
    network: Net
    preprocess: Preprocess
    recipe: Recipe
    asked: dict[str, Any]
    choices: list[Choice]
    weights: str | None = None

    def config(self, on_bad: OnBad, steps: int, machine: dict[str, Any]) -> dict[str, Any]:
        """What a run keeps of it."""
        network = self.network
        return {
            "format": FORMAT,
            "striate": striate.__version__,
            "command": command(),
            "begun": datetime.now().astimezone().isoformat(timespec="seconds"),
            "network": {
                "name": network.name,
                "text": network.without_side_heads().notation,
                "trained": network.notation,
                "input": network.input,
                "weights": self.weights and _placed(self.weights),
                "first": fingerprint(network) if self.weights else None,
                "origin": network.origin,
            },
            "data": self.parts.about(on_bad),
            "recipe": asdict(self.recipe),
            "asked": self.asked,
            "steps": steps,
            "chosen": [[choice.name, choice.value, choice.why] for choice in self.choices],
            "machine": machine,
        }


def fresh(parts: Parts, net: Net | str | None, asked: dict[str, Any], device: torch.device) -> Plan:
    """Everything that was not asked for is chosen.

    Parameters
    ----------
    parts
        the pictures
    net
        a network, its name or its text
    asked
        settings
    device
        where it will learn
    """
    chosen = choose(parts.train, net, asked, device, parts.pictures)
    _set_dropout(chosen.network, asked)
    settings = {**chosen.recipe, **{name: value for name, value in asked.items() if name in chosen.recipe}}
    settings["freeze"] = chosen.recipe["freeze"]
    recipe = Recipe.from_dict(settings)
    return Plan(parts, chosen.network, chosen.preprocess, recipe, asked, chosen.choices, chosen.weights)


def repeated(run: Run, parts: Parts, asked: dict[str, Any]) -> Plan:
    """The same again, but for what is asked for.

    Parameters
    ----------
    run
        whose settings are taken
    parts
        its pictures, or others with the same classes
    asked
        what is to be different
    """
    recipe = Recipe.from_dict({**run.config["recipe"], **asked})
    seeded = Run(run.folder, {**run.config, "recipe": asdict(recipe)}, run.classes, run.preprocess)
    choices = [Choice("like", run.name, f"all that was not asked for is as in {printable(run.folder)}")]
    about = run.config["network"]
    check_frozen(None, about["weights"], {**asked, "freeze": recipe.freeze, "thaw": recipe.thaw})
    if about["weights"] is None:
        if recipe.adapt_input:
            raise StriateError(f"--adapt-input adapts weights, but {printable(run.folder)} began with none")
        network = seeded.untrained(side_heads=True)
    else:
        name = None if is_run(about["weights"]) else about["name"]
        input = tuple(about["input"])
        channels = input[2] if recipe.adapt_input else None
        network, _, how = begun(name, input, about["weights"], run.classes, recipe.seed, channels)
        choices += [Choice("--adapt-input", *how)] if how else []
        if recipe.seed == run.recipe.seed and fingerprint(network) != about["first"]:
            raise WeightsError(f"{printable(run.folder)} began with other weights than are now in {about['weights']}")
    _set_dropout(network, asked)
    return Plan(parts, network, run.preprocess, recipe, asked, choices, about["weights"])


def _set_dropout(network: Net, asked: dict[str, Any]) -> None:
    if asked.get("dropout") is None:
        return
    layers = [module for module in network.modules() if isinstance(module, nn.Dropout)]
    if not layers:
        raise StriateError(f"--dropout sets all dropout layers of a network, but {network.name} has none")
    for layer in layers:
        layer.p = asked["dropout"]


def again(
    run: Run, parts: Parts, net: Net | str | None, asked: Mapping[str, Any], accept_data_change: bool, more: bool
) -> tuple[Plan, list[str]]:
    """The plan of a training that goes on, and what there is to say; refused where it would be another one.

    Parameters
    ----------
    run
        what goes on
    parts
        its pictures
    net, asked
        what the user said this time
    accept_data_change
        go on with pictures that have changed
    more
        whether there is time for what a limit cut off
    """
    before = run.config["recipe"]
    changed = [
        f"{option(name)} was {before[name]} and is {value}"
        for name, value in asked.items()
        if name in before and before[name] != value and run.config["asked"].get(name) != value
    ]
    # what is frozen is in the weights that are kept, and in no checkpoint
    network = run.untrained(side_heads=True) if run.recipe.freeze == "none" else run.net()
    if net is not None:
        name, input = run.config["network"]["name"], tuple(run.config["network"]["input"])
        other = build(net, input=input, classes=run.classes) if isinstance(net, str) else net
        _set_dropout(other, run.config["asked"])
        if other.notation != network.notation:
            changed.append(f"--net was {name} and is {other.name}")
    if "size" in asked and (size := parse_size(asked["size"])) != tuple(run.config["network"]["input"])[: len(size)]:
        changed.append(f"--size was {show_size(run.config['network']['input'])} and is {asked['size']}")
    if asked.get("fit", run.preprocess.fit) != run.preprocess.fit:
        changed.append(f"--fit was {run.preprocess.fit} and is {asked['fit']}")
    if changed:
        own = any(said.startswith(("--net ", "--size ", "--fit ")) for said in changed)  # --like leaves these
        raise StriateError(
            f"a training goes on with the settings that it began with, but {'; '.join(changed)}; "
            f"leave them out, or begin anew{'' if own else f' with --like {run.folder}'}"
        )
    if run.result:
        how = run.result["stopped"] or f"all {count(run.config['steps'], 'step')} are done"
        late = "time limit" in how
        if not (late and more):
            remedy = "--minutes says for how much longer it goes on, and " if late else ""
            raise StriateError(
                f"only an interrupted training goes on, but that of {printable(run.folder)} has ended: {how}; "
                f"{remedy}--like {printable(run.folder)} begins another"
            )
    notes = []
    if parts.fingerprint != run.config["data"]["fingerprint"]:
        was, now = run.config["data"]["pictures"], parts.counts
        what = f"it had {_counts(was)} and has {_counts(now)}"
        if was == now:
            what = "names, sizes, labels or splits differ"
        if not accept_data_change:
            raise DataError(
                f"a training goes on with the pictures that it began with, but {printable(parts.where)} changed: "
                f"{what}; --accept-data-change goes on all the same"
            )
        notes.append(f"going on although the data changed: {what}")
    plan = Plan(parts, network, run.preprocess, run.recipe, run.config["asked"], [], run.config["network"]["weights"])
    return plan, notes


def _placed(weights: str) -> str:
    """Weights that are a file or a run, by their whole path."""
    return str(Path(weights).resolve()) if Path(weights).exists() else weights


def _counts(pictures: dict[str, int]) -> str:
    return ", ".join(f"{number:,} for {split}" for split, number in pictures.items())
