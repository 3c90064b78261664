"""`striate look gradients`: how gradients flow back through networks, side by side: what depth and shortcuts do."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter

from striate.data.dataset import Dataset
from striate.errors import DataError, StriateError
from striate.files import write_text
from striate.look.descent import Flow, measured
from striate.look.looked import Looked, Weights
from striate.look.subject import subject
from striate.show.charts import curves
from striate.show.drawing import write_charts
from striate.show.names import printable
from striate.show.numbers import count, exact
from striate.show.table import Column, Table, json_text
from striate.train.run import own_folder

if TYPE_CHECKING:
    import altair as alt

LEAST = 1e-30  # a norm whose logarithm is still a number


@dataclass(frozen=True, eq=False, repr=False)
class Gradients(Looked):
    """Gradients of networks, beside each other.

    Parameters
    ----------
    flows
        one for each
    """

    flows: list[Flow]

    def charts(self) -> dict[str, "alt.LayerChart"]:
        """By name: gradients on weights and on outputs by layer, stretching by block, and the steps."""

        def logarithm(value: float) -> float:
            return float(np.log10(max(value, LEAST)))

        def layers(which: str) -> dict[str, list[tuple[float, float]]]:
            return {
                each.name: [(at, logarithm(getattr(one, which))) for at, one in enumerate(each.layers, 1)]
                for each in self.flows
            }

        power = "power of ten"
        charts = {
            "weights": curves("Gradient on the weights", layers("gradient"), "layer with weights", power),
            "outputs": curves("Gradient on what a layer puts out", layers("output"), "layer with weights", power),
            "stretch": curves(
                "How much a block stretches a random change",
                {each.name: list(enumerate((b.mean for b in each.blocks.values()), 1)) for each in self.flows},
                "block",
                "times",
            ),
        }
        if self.flows[0].steps:
            names = {"loss": 0, "first": 1, "last": 2}
            for name, place in names.items():
                lines = {
                    each.name: [
                        (at, step[place] if not place else logarithm(step[place]))
                        for at, step in enumerate(each.steps, 1)
                    ]
                    for each in self.flows
                }
                told = "Loss" if not place else f"Gradient on the {name} weights"
                charts[f"steps-{name}"] = curves(told, lines, "step", "loss" if not place else power)
        return charts

    def to_json(self) -> str:
        """All of it."""
        flows = [asdict(each) for each in self.flows]
        return json_text({"rows": self.table.rows, "networks": flows, "notes": self.table.notes})

    def save(self, folder: Path) -> None:
        """Write it all down: gradients.json, blocks.csv and the charts.

        Parameters
        ----------
        folder
            made if it is not there
        """
        write_charts(folder, self.charts())
        write_text(folder / "blocks.csv", self.to_csv())
        write_text(folder / "gradients.json", self.to_json())


def gradients(
    *networks: Any,
    data: Annotated[str | Path | Dataset, Parameter(accepts_keys=False)] = "digits",
    batch_size: int = 32,
    steps: int = 0,
    lr: float = 0.05,
    weights: Weights = None,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"), metavar="FOLDER")] = None,
) -> Gradients:
    """Compare how gradients flow back through networks: resnet20 and its plain twin plain20, resnet56 and plain56.

    Parameters
    ----------
    networks
        names, texts or folders of runs; they stay as they are: copies are measured
    data
        pictures; digits comes with striate
    batch_size
        pictures of the batch on which all is measured
    steps
        after that, steps of training (SGD, momentum 0.9) after each of which loss and gradients are noted
    lr
        learning rate of these steps
    weights
        for a single network's name: a file, or a Hugging Face name
    output
        a folder for charts, gradients.json and blocks.csv
    """
    if not networks:
        raise StriateError("name one or more networks, as in: striate look gradients resnet20 plain20")
    if batch_size < 2 or steps < 0 or not 0 < lr < float("inf"):
        raise StriateError(
            "a batch has 2 pictures or more, steps are 0 or more, and a learning rate is above 0, but given are "
            f"{batch_size}, {steps} and {lr:g}"
        )
    if weights is not None and len(networks) > 1:
        raise StriateError(f"--weights belong to one network, but {len(networks)} are named")
    output = own_folder(output)
    whole = data if isinstance(data, Dataset) else Dataset.open(data)
    if whole.several:
        raise DataError(f"gradients are compared on one label a picture, but {printable(whole.where)} has several")
    flows = [measured(subject(one, weights), whole, batch_size, steps, lr) for one in networks]
    for place, each in enumerate(flows):  # two of one name are two lines of a chart
        if each.name in [other.name for other in flows[:place]]:
            flows[place] = replace(each, name=f"{each.name}, {place + 1}")
    notes = [f"{count(min(batch_size, len(whole)))} of {printable(whole.where)}; cross-entropy"]
    notes += [_sentence(each) for each in flows]
    notes += [
        "gradient: norms over the batch, on a block's weights and on what its last layer with weights puts out",
        "stretch: singular values of a block's Jacobian at the first picture, the batch's statistics held still; "
        "mean is the root of their mean square; ~: by power iteration and random directions, smallest at most that",
        "dead: channels of ReLUs that are 0 for every picture of the batch, everywhere",
    ]
    found = Gradients(_table(flows, notes), flows)
    if output is not None:
        found.save(output)
        notes.append(f"written to {printable(output)}: charts, blocks.csv, gradients.json")
    return found


def _sentence(each: Flow) -> str:
    first, last = each.layers[0], each.layers[-1]
    units, dead = sum(one.units for one in each.layers), sum(one.dead for one in each.layers)
    grown = first.output / last.output if last.output else 0.0
    return (
        f"{printable(each.name)}: loss {each.loss:.3f}; the gradient on what {first.path} puts out is {grown:.3g} "
        f"times that of {last.path}; from picture to outputs a random change is stretched {each.whole.mean:.3g} times; "
        f"dead: {exact(dead)} of {exact(units)}"
    )


def _table(flows: list[Flow], notes: list[str]) -> Table:
    rows = []
    for each in flows:
        for path, found in each.blocks.items():
            inside = [one for one in each.layers if one.path == path or one.path.startswith(f"{path}.")]
            rows.append(
                {
                    "network": each.name,
                    "block": path,
                    "weights": sum(one.gradient**2 for one in inside) ** 0.5 if inside else None,
                    "outputs": inside[-1].output if inside else None,
                    "largest": found.largest,
                    "mean": found.mean,
                    "smallest": found.smallest,
                    "exact": found.exact,
                    "dead": sum(one.dead for one in inside),
                    "units": sum(one.units for one in inside),
                }
            )
    number = lambda value: f"{value:.3g}"  # noqa: E731
    columns = [
        Column("network", "network", printable, align="left"),
        Column("block", "block", align="left"),
        Column("gradient: weights", "weights", number),
        Column("outputs", "outputs", number),
        Column("stretch: largest", "largest", number),
        Column("mean", "mean", number),
        Column("smallest", "smallest", number, narrow=2),
        Column("", "exact", lambda whole: "" if whole else "~", align="left", narrow=2),
        Column("dead", "dead", exact, narrow=1),
        Column("of", "units", exact, narrow=1),
    ]
    return Table(columns, rows, "How gradients flow back", notes=notes)
