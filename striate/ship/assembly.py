"""A run's network as one ONNX model: bytes of pictures of any size in, probabilities out."""

from importlib.metadata import version

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common
import torch
from onnxscript import GraphBuilder
from torch import Tensor, nn

from striate import __version__
from striate.engine.export import exported
from striate.engine.quick import quick
from striate.look.cam import Closed, closed_form
from striate.look.looked import passing
from striate.ship.about import KEY, MAP, PICTURES, PROBABILITIES, About
from striate.ship.fitting import fit
from striate.train.keep.sealed import stated_sum
from striate.train.run import MODEL, Run

VERSIONS = ("torch", "onnx", "onnx-ir", "onnxscript", "pillow", "opencv-python-headless")


class Answering(nn.Module):
    """A network that gives probabilities; and where its likeliest class is seen, if that has a closed form.

    Parameters
    ----------
    network
        gives logits
    several
        whether a picture may have several labels
    closed
        the layer whose maps the classes weigh
    """

    def __init__(self, network: nn.Module, several: bool, closed: Closed | None):
        super().__init__()
        self.network, self.several, self.closed = network, several, closed

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(batch, channels, height, width) -> (batch, classes) and, with a closed form, (batch, rows, columns)."""
        if self.closed is None:
            return (self._probabilities(self.network(x)),)
        with passing(self.network, self.closed.layer) as seen:
            probabilities = self._probabilities(self.network(x))
        maps, top = seen[self.closed.layer], probabilities.argmax(1)
        if self.closed.weights is None:  # a map for each class
            return probabilities, maps.gather(1, top[:, None, None, None].expand(-1, 1, *maps.shape[2:]))[:, 0]
        return probabilities, (self.closed.weights[top][:, :, None, None] * maps).sum(1)

    def _probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid() if self.several else logits.softmax(1)


def assembled(run: Run) -> onnx.ModelProto:
    """A run's network as a model: pictures (batch, height, width, 3) of uint8 -> probabilities (batch, classes).

    It has a second output, map (batch, rows, columns), where the logits are means of maps: what each position says for
    the likeliest class. A tensor on the way, `fitted`, holds what the network sees of the pictures, still as bytes.

    Parameters
    ----------
    run
        whose network
    """
    about = about_run(run)
    model = ir.from_proto(onnx.load_model_from_string(network_model(run, about)))
    graph = model.graph
    (input,) = graph.inputs
    bytes_ = ir.TensorType(ir.DataType.UINT8)
    pictures = ir.Value(name=PICTURES, type=bytes_, shape=ir.Shape(["batch", "height", "width", 3]))
    input.name = "normalised"
    graph.inputs[0] = pictures
    builder = GraphBuilder(graph)
    builder.push_module("fitting")  # the names of its values begin so
    ir.convenience.replace_all_uses_with(input, fit(builder.op, pictures, about.preprocess))
    for output in graph.outputs:
        assert output.shape is not None
        output.shape = ir.Shape(["batch", *output.shape[1:]])
    for tidy in (
        common.TopologicalSortPass(),
        common.RemoveUnusedNodesPass(),
        common.DeduplicateHashedInitializersPass(
            size_limit=2**31
        ),  # the map weighs with the very weights that name the classes
        common.ClearMetadataAndDocStringPass(),  # where the exporter ran is nobody's business
    ):
        tidy(model)
    model.metadata_props[KEY] = about.to_json()
    model.producer_name, model.producer_version = "striate", __version__
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def network_model(run: Run, about: About) -> bytes:
    """The network alone: normalised pixels in, probabilities (and map) out."""
    network = quick(run.net())
    rows, columns = about.preprocess.size
    shape = (1 if about.preprocess.channels == "L" else 3, rows, columns)
    example = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network(example)  # what is computed once and kept, such as bands, is a constant of the graph
        closed = closed_form(network, example)
    names = [PROBABILITIES, MAP] if closed else [PROBABILITIES]
    return exported(Answering(network, about.several, closed).eval(), shape, names)


def about_run(run: Run) -> About:
    """What a file made from a run says of itself."""
    trained = run.members.values() or (run,)  # an ensemble is one file, too
    origins = [each.config["network"]["origin"] or {} for each in trained]
    licences = dict.fromkeys(origin.get("licence", "") for origin in origins)
    return About(
        name=run.config["network"]["name"],
        classes=run.classes,
        several=run.config["data"]["several"],
        preprocess=run.preprocess,
        licence="; ".join(filter(None, licences)),
        run=stated_sum(run.folder / MODEL),
        fingerprint=run.config["data"]["fingerprint"],
        versions={"striate": __version__, **{name: version(name) for name in VERSIONS}},
    )
