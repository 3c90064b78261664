"""How a training begins: from a folder of pictures, like an earlier run, or from where one stopped."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

import striate
from striate.data.dataset import OnBad
from striate.errors import DataError, StriateError
from striate.nets.net import Net
from striate.preprocess import Preprocess
from striate.show.names import printable
from striate.train.choosing import Choice, choose
from striate.train.machine import command
from striate.train.parts import Parts
from striate.train.recipe import Recipe, option
from striate.train.run import FORMAT, Run

# settings that a training may go on with when they differ: they change no number
FREE = ("workers", "cache", "save_every", "quiet", "device")


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
    """

    parts: Parts
    network: Net
    preprocess: Preprocess
    recipe: Recipe
    asked: dict[str, Any]
    choices: list[Choice]

    def config(self, on_bad: OnBad, steps: int, machine: dict[str, Any]) -> dict[str, Any]:
        """What a run keeps of it."""
        network = self.network
        return {
            "format": FORMAT,
            "striate": striate.__version__,
            "command": command(),
            "network": {
                "name": network.name,
                "text": network.without_side_heads().notation,
                "trained": network.notation,
                "input": network.input,
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
    chosen = choose(parts.train, net, asked, device)
    settings = {**chosen.recipe, **{name: value for name, value in asked.items() if name in chosen.recipe}}
    return Plan(parts, chosen.network, chosen.preprocess, Recipe.from_dict(settings), asked, chosen.choices)


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
    return Plan(parts, seeded.untrained(side_heads=True), run.preprocess, recipe, asked, choices)


def again(
    run: Run, parts: Parts, net: Net | str | None, asked: Mapping[str, Any], accept_data_change: bool
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
    """
    before = run.config["recipe"]
    changed = [
        f"{option(name)} was {before[name]} and is {value}"
        for name, value in asked.items()
        if name in before and before[name] != value and run.config["asked"].get(name) != value
    ]
    network = run.untrained(side_heads=True)
    if net is not None and run.config["network"]["name"] != (net if isinstance(net, str) else net.name):
        changed.append(f"--net was {run.config['network']['name']} and is {net if isinstance(net, str) else net.name}")
    if changed:
        raise StriateError(
            f"a training goes on with the settings that it began with, but {'; '.join(changed)}; "
            f"leave them out, or begin anew with --like {run.folder}"
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
    plan = Plan(parts, network, run.preprocess, run.recipe, run.config["asked"], [])
    return plan, notes


def _counts(pictures: dict[str, int]) -> str:
    return ", ".join(f"{number:,} for {split}" for split, number in pictures.items())
