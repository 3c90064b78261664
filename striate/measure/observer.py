"""The observer: one pass of any module on the meta device, a row for each layer.

A row is one call of a module without children, or one operation that a container does itself (`x + identity`). Views
make no row. Nothing is computed and the module is as before afterwards.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as modules

from striate.measure.call import Call, is_view, makes, makes_map, slides, tensors_in, writes
from striate.measure.field import Unplaced
from striate.measure.kinds import MODULES, kind
from striate.measure.meta import MetaMode, aten
from striate.measure.rows import Row, recipe, size_of
from striate.measure.rules import macs, rule_of
from striate.measure.trace import HEIGHT, WIDTH, Dim, Trace, plain

Size = tuple[int, int, int]  # of a picture: height, width, channels

# the same values under another name or at another place: no layer of its own
QUIET = {
    aten.clone.default,
    aten._to_copy.default,
    aten.lift_fresh.default,
    aten._unsafe_view.default,
    aten.copy_.default,
}


@dataclass
class Frame:
    """A module that is running: the shape it was given, a leaf's operations, and since its last row what it used.

    That is weights, and multiply-adds of weights alone: a table of relative positions, for example.
    """

    path: str
    module: nn.Module | None
    leaf: bool
    given: tuple[int, ...] | None = None
    calls: list[Call] = field(default_factory=list)
    parameters: int = 0
    shared: int = 0
    macs: int = 0


rule_of_cached = cache(rule_of)


class Observer(MetaMode):
    """Watches one pass. Afterwards `rows` holds the layers, and `frames` the path to where an error stopped it.

    Parameters
    ----------
    network
        the module that will run
    batch
        pictures in a batch, for the bytes of activations; the pass itself takes one
    width
        bytes of a floating-point number
    """

    def __init__(self, network: nn.Module, batch: int = 1, width: int = 4):
        super().__init__(network)
        self.batch, self.width = batch, width
        self.rows: list[Row] = []
        self.paths = {id(child): path for path, child in network.named_modules()}
        self.frames = [Frame("", None, leaf=False)]
        self.traces: dict[int, Trace] = {}
        self.views: dict[int, list[Tensor]] = {}  # a tensor's id -> all tensors that share its memory
        self.alive: list[Any] = []  # results, kept so that their ids stay their own
        self.makers: dict[int, str] = {}  # a tensor's id -> the layer that it comes from
        self.counted: set[int] = set()

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Know which module is running, by PyTorch's global hooks, which are gone afterwards."""
        before = modules.register_module_forward_pre_hook(self._enter)
        after = modules.register_module_forward_hook(self._leave)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def run(self, network: nn.Module, size: Size) -> Any:
        """Pass one picture of a size (height, width, channels) through the network."""
        height, width, depth = size
        dtype = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)
        picture = torch.empty(1, depth, height, width, dtype=dtype, device="meta")
        self.traces[id(picture)] = Trace.picture(height, width, depth)
        self.alive.append(picture)
        self.makers[id(picture)] = "the picture"
        self.thread = threading.get_ident()
        with torch.no_grad(), self.hooked(), self:
            return network(picture)

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        path = self.paths.get(id(module))
        if path is not None and threading.get_ident() == self.thread:
            given = next((tuple(value.shape) for value in inputs if isinstance(value, Tensor)), None)
            self.frames.append(Frame(path, module, not module._modules, given))

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if id(module) not in self.paths or threading.get_ident() != self.thread:
            return
        while (frame := self.frames.pop()).module is not module:
            pass  # a module below raised, and this one caught it
        if frame.calls:
            self._add(frame, self._output(output, frame))
        else:
            self.frames[-1].parameters += frame.parameters
            self.frames[-1].shared += frame.shared
            self.frames[-1].macs += frame.macs

    def _output(self, output: Any, frame: Frame) -> Tensor:
        """The (first) tensor that comes from the picture among what a module returns, or else of its last operation."""
        known = [t for t in tensors_in((output,)) if id(t) in self.traces]
        return known[0] if known else tensors_in((frame.calls[-1].result,))[0]

    def see(self, function: Any, given: tuple, args: tuple, kwargs: dict[str, Any], result: Any) -> None:
        self.alive.append(result)
        self._count_weights(given)
        if is_view(function):  # also of what does not come from the picture: the picture may be written into it
            group = self.views.setdefault(id(args[0]), [args[0]])
            for tensor in tensors_in((result,)):
                group.append(tensor)
                self.views[id(tensor)] = group
        traces = self.traces
        if makes(function):
            return
        call = Call(function, args, kwargs, result, traces)
        work = macs(call)
        if not any(id(t) in traces for t in (args if all(type(a) is Tensor for a in args) else tensors_in(args))):
            self.frames[-1].macs += work
            return
        self._place(call, weighted=work > 0 and self.frames[-1].parameters + self.frames[-1].shared > 0)
        quiet = is_view(function) or function in QUIET
        if not quiet:
            frame = self.frames[-1]
            frame.calls.append(call)
            if not frame.leaf:
                self._add(frame, tensors_in((call.result,))[0])

    def _count_weights(self, given: tuple) -> None:
        for tensor in tensors_in(given):
            if isinstance(tensor, nn.Parameter) and id(tensor) in self.own:
                if id(tensor) in self.counted:
                    self.frames[-1].shared += tensor.numel()
                else:
                    self.counted.add(id(tensor))
                    self.frames[-1].parameters += tensor.numel()

    def _place(self, call: Call, weighted: bool) -> None:
        """Find the traces of a call's results, and note them."""
        before = [trace for t in tensors_in(call.args) if (trace := self.traces.get(id(t)))]
        depth = max(trace.depth for trace in before) + weighted
        lost = next((trace.lost for trace in before if trace.lost), "")
        results = tensors_in((call.result,))
        try:
            rule = rule_of_cached(call.function)
            if rule is None:
                raise Unplaced(str(call.function).removeprefix("aten.").partition(".")[0].strip("_"))
            placed = rule(call)
        except Unplaced as why:
            at = self.frames[-1].path
            because = lost or (f"{why} at {at}" if at else str(why))
            dims = map_dims(results[0].shape) if makes_map(call.function) else None
            placed = Trace(dims, None, depth, because)
        found = placed if isinstance(placed, list) else [placed] * len(results)
        for tensor, trace in zip(results, found, strict=True):
            self._note(call, tensor, trace._replace(depth=depth))

    def _note(self, call: Call, tensor: Tensor, trace: Trace) -> None:
        if is_view(call.function) or call.function in QUIET:
            self.makers[id(tensor)] = self.makers.get(id(call.args[0]), "")
        if writes(call.function) and self.traces.get(id(tensor)) != trace:
            for other in self.views.get(id(tensor), ()):
                if other is not tensor:  # a part was written through a view: what the whole sees now is not followed
                    self.traces[id(other)] = trace.unplace(in_parts(self.frames[-1]), map_dims(other.shape))
        self.traces[id(tensor)] = trace

    def bytes(self, tensor: Tensor) -> int:
        """Memory of a tensor for the whole batch, floating-point numbers as wide as asked for."""
        return self.batch * tensor.numel() * (self.width if tensor.is_floating_point() else tensor.element_size())

    def _add(self, frame: Frame, output: Tensor) -> None:
        """Make a row of a frame's calls."""
        self.makers[id(output)] = frame.path
        trace, calls = self.traces[id(output)], frame.calls
        if trace.sights and trace.mixed:  # of this row alone: after a global pool all is known again
            trace = trace.unplace("a dimension that does not step through the picture alone", trace.dims)
        work = [macs(call) for call in calls]
        main = calls[work.index(max(work))]
        name = kind(main)
        in_place = all(writes(call.function) for call in calls)
        if frame.leaf and len(calls) > 1 and not max(work):
            single = [call for call in calls if rule_of_cached(call.function) is not rule_of_cached(aten.relu.default)]
            class_name = type(frame.module).__name__
            name = kind(single[0]) if len(single) == 1 else MODULES.get(class_name, class_name)
        self.rows.append(
            Row(
                path=frame.path,
                kind=name,
                output=size_of(output, trace),
                parameters=frame.parameters,
                shared=frame.shared,
                recipe=recipe(main, frame.parameters),
                macs=sum(work) + frame.macs,
                activation=0 if in_place else self.bytes(output),
                sights=trace.sights,
                depth=trace.depth,
                lost=trace.lost,
                slides=slides(main.function, main.args),
            )
        )
        frame.calls, frame.parameters, frame.shared, frame.macs = [], 0, 0, 0


def in_parts(frame: Frame) -> str:
    """Why a tensor that a module writes in parts has no field."""
    if isinstance(frame.module, nn.modules.padding._CircularPadNd) or (
        getattr(frame.module, "padding_mode", "") == "circular"
    ):
        return f"the circular border of {frame.path} sees the other end of the map"
    return f"written in parts at {frame.path}"


def map_dims(shape: torch.Size) -> tuple[Dim, ...] | None:
    """The dimensions of a map. # (batch, channels, height, width)"""
    if len(shape) != 4:
        return None
    return ((), plain(shape[1]), ((shape[2], HEIGHT),), ((shape[3], WIDTH),))
