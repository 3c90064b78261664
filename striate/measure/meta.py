"""Run a module for its sizes alone: nothing is computed, allocated or changed, wherever its weights are."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from striate.measure.kernels import KERNELS

aten = torch.ops.aten


class Failure:
    """An operation that raised: its name, what it was given, and the error."""

    def __init__(self, function: Any, args: tuple, error: Exception):
        self.function, self.args, self.error = function, args, error


class MetaMode(TorchDispatchMode):
    """Answers every operation with tensors on the meta device, which have a shape and no values.

    Parameters
    ----------
    module
        the module that will run; its parameters and buffers are never read or written, only their sizes are used
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.own = {id(tensor): tensor for tensor in chain(module.parameters(), module.buffers())}
        self.stand_ins: dict[int, Tensor] = {}  # a tensor's id -> its double on the meta device
        self.originals: dict[int, Tensor] = {}  # a double's id -> the tensor (kept, so that its id stays its own)
        self.failure: Failure | None = None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # otherwise PyTorch wraps __torch_dispatch__ in a decorator that imports torch._dynamo, which takes a second
        return False

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given, kwargs = args, kwargs or {}
        if kwargs or not all(type(arg) is Tensor and arg.is_meta for arg in args):
            tensors = [
                t for arg in chain(args, kwargs.values()) for t in (arg if type(arg) in (list, tuple) else (arg,))
            ]
            tensors = [t for t in tensors if isinstance(t, Tensor)]
            if not any(t.is_meta for t in tensors) and self._stays_real(function, tensors):
                return function(*args, **kwargs)
            args = tuple(self._stand_in(arg) for arg in args)
            kwargs = {name: self._stand_in(value) for name, value in kwargs.items()}
        if kwargs.get("device") is not None and args and isinstance(args[0], Tensor):
            kwargs = {**kwargs, "device": torch.device("meta")}  # x.to("cpu") has no values to bring
        try:
            rule = KERNELS.get(function)
            result = rule(*args, **kwargs) if rule else None
            if result is None:
                result = function(*args, **kwargs)
        except Exception as error:
            self.failure = Failure(function, args, error)
            raise
        self.see(function, given, args, kwargs, result)
        return self.originals.get(id(result), result)  # written in place: the caller's tensor, not its double

    def see(self, function: Any, given: tuple, args: tuple, kwargs: dict[str, Any], result: Any) -> None:
        """Called after each operation: `given` are its arguments as the module gave them, `args` their doubles."""

    def _stays_real(self, function: Any, tensors: list[Tensor]) -> bool:
        """Whether to compute with values: on tensors that the pass itself makes, writing none of the module's."""
        if function is aten._local_scalar_dense.default:
            return True
        own = [t for t in tensors if id(t) in self.own]
        writes = any(argument.alias_info and argument.alias_info.is_write for argument in function._schema.arguments)
        return not any(isinstance(t, nn.Parameter) for t in own) and not (own and writes)

    def _stand_in(self, value: Any) -> Any:
        """A tensor's double on the meta device; other values as they are."""
        if isinstance(value, Tensor):
            if value.is_meta:
                return value
            if id(value) not in self.stand_ins:
                double = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
                self.stand_ins[id(value)], self.originals[id(double)] = double, value
            return self.stand_ins[id(value)]
        if type(value) in (list, tuple):
            return type(value)(self._stand_in(item) for item in value)
        return value


@contextmanager
def undisturbed(module: nn.Module, training: bool) -> Iterator[None]:
    """Run a module in a mode: afterwards it holds what it held before, and random numbers go on where they were.

    Parameters
    ----------
    module
        the module; what it assigns to itself or to its children inside is undone
    training
        whether its modules are in training mode inside
    """
    held: list[dict[str, Any]] = []
    for child in module.modules():
        held += vars(child), child._parameters, child._buffers
    before = [dict(values) for values in held]
    state = torch.get_rng_state()
    try:
        for child in module.modules():
            child.training = training  # not by train(), which a module may override to do more
        with ExitStack() as around:
            around.enter_context(torch.inference_mode(False))  # in it, operations would not arrive in their parts
            for device in {"cpu", *(p.device.type for p in module.parameters())} - {"meta"}:
                around.enter_context(torch.autocast(device, enabled=False))
            yield
    finally:
        torch.set_rng_state(state)
        for values, old in zip(held, before, strict=True):
            for name in values.keys() - old.keys():
                del values[name]
            values.update(old)
