"""What happens to the receptive field where values only move: reshapes, permutations, slices, splits, copies."""

from striate.measure.call import Call, aten
from striate.measure.field import Unplaced
from striate.measure.trace import Trace, length, meet


def reshape(call: Call) -> Trace:
    """The same values in the same order under another shape."""
    return call.first.regroup(call.shape)


def permute(call: Call) -> Trace:
    """Dimensions change places."""
    n_dims = len(call.shape)
    order = list(range(n_dims))
    if call.function is aten.permute.default:
        order = [i % n_dims for i in call.args[1]]
    elif n_dims > 1:
        i, j = call.args[1:3] if len(call.args) > 2 else (0, 1)  # t() swaps the two that a matrix has
        order[i], order[j] = order[j], order[i]
    return call.first.permute(order)


def unsqueeze(call: Call) -> Trace:
    """A dimension of length 1 more."""
    dims = list(call.first._dims())
    dims.insert(call.args[1] % (len(dims) + 1), ())
    return call.first._replace(dims=tuple(dims))


def squeeze(call: Call) -> Trace:
    """Dimensions of length 1 fewer."""
    x = call.args[0]
    dims = call.args[1] if len(call.args) > 1 else range(x.dim())
    single = [i for i in ([dims] if isinstance(dims, int) else dims) if x.dim() and x.shape[i] == 1]
    return call.first.gather(*single, keep=False)


def expand(call: Call) -> Trace:
    """Dimensions of length 1 repeated."""
    return meet([call.first], call.shape)


def cut(trace: Trace, dim: int, start: int, n: int, before: int, step: int = 1) -> Trace:
    """Positions start, start + step … of a dimension, n of them."""
    return trace if (n, step) == (before, 1) else trace.window(dim, 1, step, -start, n)


def slice_(call: Call) -> Trace:
    """Some positions of a dimension."""
    before = call.args[0].shape
    dim = call.get("dim", 0) % len(before)
    start = call.get("start", 0)
    start = max(start + before[dim], 0) if start < 0 else min(start, before[dim])
    return cut(call.first, dim, start, call.shape[dim], before[dim], call.get("step", 1))


def select(call: Call) -> Trace:
    """One position of a dimension, which is gone afterwards."""
    n, dim = call.args[0].shape, call.args[1] % call.args[0].dim()
    return cut(call.first, dim, call.args[2] % n[dim], 1, n[dim]).gather(dim, keep=False)


def split(call: Call) -> list[Trace]:
    """Parts of a dimension, one after the other."""
    before = call.args[0].shape
    dim = call.get("dim", 0) % len(before)
    traces, start = [], 0
    for part in call.result:
        traces.append(cut(call.first, dim, start, part.shape[dim], before[dim]))
        start += part.shape[dim]
    return traces


def unbind(call: Call) -> list[Trace]:
    """Every position of a dimension as a tensor of its own."""
    n, dim = call.args[0].shape, call.get("dim", 0) % call.args[0].dim()
    return [cut(call.first, dim, i, 1, n[dim]).gather(dim, keep=False) for i in range(n[dim])]


def unchanged(call: Call) -> Trace:
    """The same values."""
    return call.first


def written(call: Call) -> Trace:
    """A copy over another tensor's values."""
    source = call.trace(call.args[1])
    return meet([source], call.shape) if source else call.first


def restride(call: Call) -> Trace:
    """The same memory stepped through otherwise: known where there is one line of channels alone."""
    trace = call.first
    if [length(dim) for dim in trace._dims()] != list(call.shape) or sum(n > 1 for n in call.shape) > 1:
        raise Unplaced("as strided")
    return trace
