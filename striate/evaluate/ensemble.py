"""`striate ensemble`: several runs as one, whose probabilities are averaged."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter

import striate
from striate.engine.fastest import FEW, SECONDS, fastest
from striate.evaluate.held_out import PREFIXES, SPLITS, Said, held_out
from striate.evaluate.joining import check_different, check_output, members
from striate.files import write_whole, writing
from striate.measure.shapes import measure
from striate.nets.ensemble import ensemble as side_by_side
from striate.nets.net import Net
from striate.show.names import printable
from striate.show.numbers import count
from striate.train.ensemble import PURPOSE
from striate.train.keep.sealed import save_sealed
from striate.train.learn.tally import wilson
from striate.train.machine import command, machine, pick_device
from striate.train.run import CONFIG, FORMAT, MODEL, Run, open_run, write_json
from striate.train.transfer.compare import compare


def ensemble(
    runs: Annotated[Sequence[Path | Run], Parameter(accepts_keys=False, negative="")],
    *,
    output: Path,
    device: str | None = None,
) -> Run:
    """Make several runs into one, whose probabilities are the mean of theirs, and tell what that brings and costs.

    The new run holds the weights of all, so it opens wherever it lies.

    Parameters
    ----------
    runs
        folders of two runs or more with the same classes, which see the same part of a picture
    output
        the new run's folder
    device
        where it is timed: cpu, cuda, cuda:1, …
    """
    begun, runs = perf_counter(), members(runs)
    output, place = Path(output), pick_device(device)
    check_output(output, runs)
    networks = [run.net() for run in runs]
    check_different(runs, networks)
    whole = side_by_side(networks, runs[0].config["data"]["several"])
    assert whole.preprocess
    said, apart = held_out(runs)
    rows = _rows(runs, [*networks, whole], said, place)
    figures = {split: said[split].figures(said[split].mean) if split in said else None for split in SPLITS}
    arrays: dict[str, Any] = {}
    for split, one in said.items():
        kept = {"names": one.names, "rows": one.rows, "labels": one.labels, "probabilities": one.mean}
        arrays |= {f"{PREFIXES[split]}{name}": values for name, values in kept.items()}
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
    save_sealed(output / MODEL, whole.state_dict(), {})
    write_whole(output / "predictions.npz", lambda file: np.savez_compressed(file, **arrays))
    write_json(output / "classes.json", runs[0].classes)
    write_json(output / "preprocess.json", whole.preprocess.to_dict())
    result = {
        "validation": figures["val"],
        "test": figures["test"],
        "seconds": round(perf_counter() - begun, 3),
        "stopped": "",
        "skipped": [],
        "members": rows,
        "told": [*_quality(runs, rows, said, apart), _price(rows)],
    }
    write_json(output / "result.json", result)
    write_json(output / CONFIG, _config(runs, whole, apart, place))  # the last one: it makes the folder a run
    return open_run(output)


def _config(runs: Sequence[Run], whole: Net, apart: str, device: torch.device) -> dict[str, Any]:
    """What makes it a run: the keys that a training's has, as far as they mean something, and the members'."""
    first, texts = runs[0].config, dict.fromkeys(run.config["network"]["text"] for run in runs)
    data = {**first["data"]}
    if apart:
        places = dict.fromkeys(run.config["data"]["where"] for run in runs)
        data |= {"where": ", ".join(places), "fingerprint": "", "pictures": {"train": None, "val": 0, "test": 0}}
    return {
        "format": FORMAT,
        "striate": striate.__version__,
        "kind": "ensemble",
        "command": command(),
        "begun": datetime.now().astimezone().isoformat(timespec="seconds"),
        "network": {"name": whole.name, "text": f"the mean of {len(runs)}: {'; '.join(texts)}", "input": whole.input},
        "data": data,
        "recipe": {name: value for name, value in first["recipe"].items() if name != "epochs" and _agree(runs, name)},
        "machine": machine(device, 1),
        "apart": apart,
        "members": {
            name: {
                "folder": str(run.folder.resolve()),
                "classes": run.classes,
                "preprocess": run.preprocess.to_dict(),
                "config": run.config,
            }
            for name, run in zip(_names(runs), runs, strict=True)
        },
    }


def _agree(runs: Sequence[Run], setting: str) -> bool:
    return all(run.config["recipe"][setting] == runs[0].config["recipe"][setting] for run in runs)


def _names(runs: Sequence[Run]) -> list[str]:
    """What members are called, each otherwise."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.folder) for run in runs]


def _rows(
    runs: Sequence[Run], networks: Sequence[Net], said: dict[str, Said], device: torch.device
) -> list[dict[str, Any]]:
    """What each member is and costs, and all of them together."""
    rows = []
    for place, (network, milliseconds) in enumerate(zip(networks, _milliseconds(networks, device), strict=True)):
        shares = {split: _share(one, place) for split, one in said.items()}
        totals = measure(network).totals
        number = 0 if "val" not in said or said["val"].labels.ndim == 2 else len(said["val"].names)
        low, high = (100 * bound for bound in wilson(round(shares.get("val", 0) * number), number))
        rows.append(
            {
                "name": [*_names(runs), f"all {len(runs)}"][place],
                "network": network.name,
                "validation": shares.get("val"),
                "interval": f"{low:.1f} … {high:.1f} %" if number else None,
                "test": shares.get("test"),
                "parameters": totals.parameters,
                "macs": totals.macs,
                "milliseconds": milliseconds,
            }
        )
    return rows


def _milliseconds(networks: Sequence[Net], device: torch.device) -> list[float]:
    """For a picture, the best of several turns: what else the machine does then disturbs all alike."""
    height, width, channels = networks[0].input or (0, 0, 0)
    example = torch.rand(FEW, channels, height, width, generator=torch.Generator().manual_seed(0))
    engines = [fastest(network, example, device, pictures=FEW) for network in networks]
    begun = perf_counter()
    while perf_counter() - begun < SECONDS:
        for engine in engines:
            engine.time(example)
    return [1000 * engine.seconds / FEW for engine in engines]


def _share(said: Said, place: int) -> float:
    """Of right answers, or the mean average precision: of a member, or of all after the last."""
    figures = said.figures([*said.probabilities, said.mean][place])
    return figures.get("top1", figures.get("mean_average_precision", 0.0))


def _quality(runs: Sequence[Run], rows: list[dict[str, Any]], said: dict[str, Said], apart: str) -> list[str]:
    """What the figures are worth."""
    if apart:
        return [f"no figures: {apart}, so what one of them held out another may have learned"]
    if not said:
        return ["nothing was held out, so nobody knows how good it is"]
    chosen = any(run.epoch_chosen for run in runs)
    told = [
        f"{SPLITS[split]}: {count(len(one.names))} that no member learned from"
        + (", but by which epochs were chosen, so all is a little too good" * (split == "val" and chosen))
        for split, one in said.items()
    ]
    split = "test" if "test" in said else "val"
    best, one = _best(rows), said[split]
    found = compare(one.mean, one.probabilities[rows.index(best)], one.labels)
    return [*told, f"beside {printable(best['name'])}, its best member ({SPLITS[split]}): {found}"]


def _best(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The best member, by test pictures if there are any; without figures the one that takes the least time."""
    return max(rows[:-1], key=lambda row: (row["test"] or 0, row["validation"] or 0, -row["milliseconds"]))


def _price(rows: list[dict[str, Any]]) -> str:
    one, all = _best(rows), rows[-1]
    return (
        f"a picture takes {all['milliseconds'] / one['milliseconds']:.1f} times as long as with "
        f"{printable(one['name'])} alone (PyTorch, {FEW} at a time): {PURPOSE}"
    )
