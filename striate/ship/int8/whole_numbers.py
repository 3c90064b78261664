"""A float graph's convolutions and fully connected layers in whole numbers of 8 bits, as ONNX's own operators say it.

Between two of them, activations stay whole numbers: maxima, joined branches and sums of branches are computed of them,
too. Whatever else a network computes, such as local response normalisation and the probabilities, stays float.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from striate.ship.int8.rounding import Products, rounded
from striate.show.numbers import count
from striate.show.progress import track

LAYERS = ("Conv", "Gemm")
BOUNDED = ("Relu", "Clip")  # what an engine does together with the layer before it
SORTING = ("MaxPool", "Concat")  # their outputs are numbers that went in
LEVELS = 255  # steps from the lowest to the highest activation
PAIR, BIAS = 126, 2**30  # the largest sum of two weights of an output, and the largest magnitude of what it begins with
SMALL = 1e-8  # the scale of what is zero


class Plan:
    """What becomes whole numbers in a graph of floats.

    `layers` compute with them; `groups` are the activations that become whole numbers, those of one scale together;
    `sorting` are the nodes that sort them. What is sorted as floats becomes whole afterwards, which is as good.

    Parameters
    ----------
    graph
        as `striate.ship.assembly` makes it
    """

    def __init__(self, graph: ir.Graph):
        self.layers = [node for node in graph if node.op_type in LAYERS and not _of_squares(node)]
        self.groups: list[list[ir.Value]] = []
        self._group: dict[ir.Value, list[ir.Value]] = {}
        # whole numbers arise from convolutions alone
        given = [_bounded(node.outputs[0]) for node in self.layers if node.op_type == "Conv"]
        self._known = dict.fromkeys(given, True)
        self.sorting = {node for node in graph if node.op_type in SORTING and all(map(self._whole, _activations(node)))}
        for value in [*(_input(node) for node in self.layers), *given]:
            self._add(value)

    def measured(self) -> list[list[str]]:
        """Names of activations that tell the range of each group: all that are not sorted from others of it."""
        told = [[value for value in group if value.producer() not in self.sorting] for group in self.groups]
        return [[value.name or "" for value in group] for group in told]

    def seen(self) -> dict[ir.Node, Products]:
        """What the layers will see, of those whose weights are rounded by it."""
        made = {node: Products.of(node, _weights(node)) for node in self.layers}
        return {node: product for node, product in made.items() if product}

    def _add(self, value: ir.Value) -> None:
        """A value becomes whole numbers, and so does what it is sorted or summed from, if that is made of such."""
        if value in self._group:
            return
        self._group[value] = [value]
        self.groups.append(self._group[value])
        node = value.producer()
        if node and node.op_type in BOUNDED:
            node = _input(node).producer()
        if node is None or node.op_type not in (*SORTING, "Add") or not all(map(self._whole, _activations(node))):
            return
        for each in _activations(node):
            self._add(each)
            if node.op_type in SORTING:
                self._join(self._group[each], self._group[value])

    def _whole(self, value: ir.Value) -> bool:
        """Whether a value is made of what convolutions give, and nothing else."""
        if value not in self._known:
            node = value.producer()
            kept = node is not None and node.op_type in (*BOUNDED, *SORTING, "Add") and _activations(node)
            self._known[value] = bool(kept) and all(map(self._whole, kept))
        return self._known[value]

    def _join(self, one: list[ir.Value], other: list[ir.Value]) -> None:
        """Two groups have one scale."""
        if one is not other:
            other.extend(one)
            self._group.update(dict.fromkeys(one, other))
            self.groups = [group for group in self.groups if group is not one]


def rewrite(
    graph: ir.Graph, plan: Plan, ranges: Sequence[tuple[float, float]], seen: Mapping[ir.Node, Products]
) -> None:
    """Make a graph compute in whole numbers.

    Parameters
    ----------
    graph
        of floats; it is changed
    plan
        of this graph
    ranges
        the lowest and highest number of each group of the plan; what is beyond becomes the nearest of them
    seen
        of the layers' inputs, as the plan has it, when it has seen pictures
    """
    scales: dict[ir.Value, float] = {}  # of what layers read
    for group, (low, high) in zip(plan.groups, ranges, strict=True):
        low, high = min(low, 0.0), max(high, 0.0)  # zero, with which convolutions pad, is one of the whole numbers
        scale = np.float32(max((high - low) / LEVELS, SMALL))
        zero = np.uint8(round(-low / float(scale)))
        for value in group:
            scales[_rounded(graph, plan, value, scale, zero)] = float(scale)
    twins: dict[bytes, list[ir.Value]] = {}
    for value in graph.initializers.values():
        twins.setdefault(_numbers(value).tobytes(), []).append(value)
    for node in track(plan.layers, f"rounding the weights of {count(len(plan.layers), 'layer')}", len(plan.layers)):
        weight, scale, steps = _numbers(_input(node, 1)), scales[_input(node)], _steps(node, scales[_input(node)])
        whole = _with_whole_weights(graph, node, steps, seen.get(node))
        for twin in twins[weight.tobytes()]:
            _with_whole_rows(graph, twin, *whole)
        if len(node.inputs) > 2:
            _with_whole_bias(graph, node, scale * steps.astype(np.float64))
    graph.sort()
    for name in [name for name, value in graph.initializers.items() if not value.uses()]:
        del graph.initializers[name]


def _rounded(graph: ir.Graph, plan: Plan, value: ir.Value, scale: np.float32, zero: np.uint8) -> ir.Value:
    """All that read a value read it rounded to whole steps; but what sorts floats is rounded afterwards."""
    readers = [(use.node, use.idx) for use in value.uses()]
    how = [_constant(graph, f"{value.name}.{what}", each) for what, each in (("scale", scale), ("zero", zero))]
    whole = _node(graph, "QuantizeLinear", [value, *how], f"{value.name}.whole")
    read = _node(graph, "DequantizeLinear", [whole, *how], f"{value.name}.rounded")
    for node, place in readers:
        if node.op_type not in SORTING or node in plan.sorting:
            node.replace_input_with(place, read)
    return read


def _steps(node: ir.Node, scale: float) -> np.ndarray:
    """How far apart two neighbouring weights of a layer are, (outputs,) of float32; its input has a scale.

    Processors without instructions for such sums (VNNI) add products by twos in 16 bits, and cut off what is larger.
    So the two largest weights of an output make 126 at most, and 128 if both are rounded away from zero: 255 * 128 <
    2**15, and all processors agree.
    """
    weights = _weights(node)
    ordered = np.sort(weights.reshape(len(weights), -1), 1)
    pairs = np.maximum(ordered[:, -2:].clip(min=0).sum(1), -ordered[:, :2].clip(max=0).sum(1))
    steps = np.maximum(pairs / PAIR, SMALL)
    if len(node.inputs) > 2:  # the bias is a whole number of 32 bits
        steps = np.maximum(steps, np.abs(_numbers(_input(node, 2))) / (scale * BIAS))
    return steps.astype(np.float32)


def _with_whole_weights(graph: ir.Graph, node: ir.Node, steps: np.ndarray, seen: Products | None) -> list[ir.Value]:
    """A layer gets whole weights. Gives them and their steps, as the graph keeps them."""
    weights, axis = _weights(node), _axis(node)
    whole = rounded(weights.reshape(len(weights), -1), steps, seen).reshape(weights.shape)
    whole = np.moveaxis(whole, 0, axis).astype(np.int8)
    floats, *kept = _floats(graph, f"{node.outputs[0].name}.weight", whole, steps, axis)
    node.replace_input_with(1, floats)
    return kept


def _with_whole_bias(graph: ir.Graph, node: ir.Node, steps: np.ndarray) -> None:
    """A layer gets a bias in steps of the products that it is added to, as its engines take it."""
    whole = np.rint(_numbers(_input(node, 2)) / steps).astype(np.int32)
    floats, *_ = _floats(graph, f"{node.outputs[0].name}.bias", whole, steps.astype(np.float32), 0)
    node.replace_input_with(2, floats)


def _with_whole_rows(graph: ir.Graph, weight: ir.Value, whole: ir.Value, steps: ir.Value) -> None:
    """Who takes rows of a layer's weights, for the map, takes whole ones: no weights are kept twice."""
    if whole.shape != weight.shape:  # a convolution's, of which the map takes rows as of a matrix
        whole = _constant(graph, f"{weight.name}.whole", _numbers(whole).reshape(_numbers(weight).shape))
    for node in [use.node for use in weight.uses() if use.node.op_type in ("Gather", "GatherND")]:
        name, taken = node.outputs[0].name, list(node.attributes.values())
        rows, each = (
            _node(graph, node.op_type, [kept, node.inputs[1]], f"{name}.{what}", taken)
            for what, kept in (("whole", whole), ("steps", steps))
        )
        floats = _node(graph, "Cast", [rows], f"{name}.floats", [ir.AttrInt64("to", ir.DataType.FLOAT)])
        last = _constant(graph, f"{name}.last", np.array([-1]))
        each = _node(graph, "Unsqueeze", [each, last], f"{name}.each")
        product = _node(graph, "Mul", [floats, each], f"{name}.rows")
        ir.convenience.replace_all_uses_with(node.outputs[0], product)
        graph.remove(node, safe=True)


def _floats(graph: ir.Graph, name: str, whole: np.ndarray, steps: np.ndarray, axis: int) -> list[ir.Value]:
    """What whole numbers mean, with steps along an axis; these numbers; the steps."""
    zero = np.zeros(len(steps), whole.dtype)  # which need not be stated, but engines rewrite what is
    kept = [
        _constant(graph, f"{name}.{what}", each) for what, each in (("whole", whole), ("steps", steps), ("zero", zero))
    ]
    return [_node(graph, "DequantizeLinear", kept, name, [ir.AttrInt64("axis", axis)]), *kept[:2]]


def _node(
    graph: ir.Graph, kind: str, inputs: Sequence[ir.Value | None], name: str, how: Sequence[ir.Attr] = ()
) -> ir.Value:
    node = ir.Node("", kind, inputs, how, name=f"whole_numbers/{name}")
    node.outputs[0].name = name
    graph.append(node)
    return node.outputs[0]


def _constant(graph: ir.Graph, name: str, numbers: np.ndarray | np.generic) -> ir.Value:
    tensor = ir.tensor(np.asarray(numbers), name=name)
    shape = ir.Shape(np.shape(numbers))
    value = ir.Value(name=name, const_value=tensor, type=ir.TensorType(tensor.dtype), shape=shape)
    graph.initializers[name] = value
    return value


def _numbers(value: ir.Value) -> np.ndarray:
    assert value.const_value is not None
    return value.const_value.numpy()


def _weights(node: ir.Node) -> np.ndarray:
    """Of a layer, (outputs, …)."""
    return np.moveaxis(_numbers(_input(node, 1)), _axis(node), 0)


def _input(node: ir.Node, place: int = 0) -> ir.Value:
    value = node.inputs[place]
    assert value is not None
    return value


def _axis(node: ir.Node) -> int:
    """Along which the outputs of a layer lie in its weights."""
    return 0 if node.op_type == "Conv" or node.attributes["transB"].as_int() else 1


def _activations(node: ir.Node) -> list[ir.Value]:
    """What a node computes of, without what says how."""
    return [_input(node, place) for place in range(len(node.inputs) if node.op_type in ("Concat", "Add") else 1)]


def _bounded(value: ir.Value) -> ir.Value:
    """A layer's output, or what alone is made of it by a bound."""
    readers = [use.node for use in value.uses()]
    return readers[0].outputs[0] if len(readers) == 1 and readers[0].op_type in BOUNDED else value


def _of_squares(node: ir.Node) -> bool:
    """Whether a convolution sums squares: that of local response normalisation."""
    product = _input(node).producer()
    return product is not None and product.op_type == "Mul" and product.inputs[0] is product.inputs[1]
