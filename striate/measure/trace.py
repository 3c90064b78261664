"""What is known of a tensor on its way through a network: which dimensions walk where, and what each value sees.

A tensor's dimensions need not be (batch, channels, height, width): a `Trace` knows which of them walk along which axis
of the picture, through permutations and reshapes. What cannot be placed says so (`Unplaced`); nothing is guessed.
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import NamedTuple

from striate.measure.field import Field, Sight, Unplaced

HEIGHT, WIDTH = 0, 1

# A dimension is a product of factors, slowest first: (length, axis of the picture that it walks along, or None).
# Flattening height and width merges their factors into one dimension, and a later reshape splits them again.
Dim = tuple[tuple[int, int | None], ...]


def plain(n: int) -> Dim:
    """A dimension that walks along no axis of the picture: channels, batch, heads."""
    return ((n, None),) if n > 1 else ()


def length(dim: Dim) -> int:
    """Positions of a dimension."""
    return prod(n for n, _ in dim)


def axes(dim: Dim) -> list[int]:
    """The axes of the picture that a dimension walks along."""
    return [axis for _, axis in dim if axis is not None]


class Trace(NamedTuple):
    """What is known of a tensor: its dimensions, its sight along each axis of the picture, its depth.

    Parameters
    ----------
    dims
        the factors of each dimension; None where they are not known
    sights
        along height and width; None where the field cannot be placed
    depth
        layers with weights on the longest path from the picture
    lost
        what could not be placed, first on the way here
    """

    dims: tuple[Dim, ...] | None
    sights: tuple[Sight, ...] | None
    depth: int = 0
    lost: str = ""

    @staticmethod
    def picture(height: int, width: int, channels: int) -> "Trace":
        """A picture as a tensor. # (1, channels, height, width)"""
        pixel = Sight(Field(1, 1, 0))
        return Trace(((), plain(channels), ((height, HEIGHT),), ((width, WIDTH),)), (pixel, pixel))

    def unplace(self, why: str, dims: tuple[Dim, ...] | None = None) -> "Trace":
        """The trace of what follows from here, but cannot be placed."""
        return Trace(dims, None, self.depth, self.lost or why)

    @property
    def mixed(self) -> bool:
        """Whether a dimension steps through the picture otherwise than by a stride, as where each position is repeated.

        In a single row of values, flattened for a fully connected layer, nobody looks for that.
        """
        dims = self.dims or ()
        return len(dims) > 2 and any(axes(dim) and len(axes(dim)) < len(dim) for dim in dims)

    def _dims(self) -> tuple[Dim, ...]:
        if self.dims is None:
            raise Unplaced("its dimensions are not known")
        return self.dims

    def _see(self, axis: int, sight: Sight) -> tuple[Sight, ...] | None:
        """The sights with one of them replaced."""
        return self.sights and tuple(sight if i == axis else old for i, old in enumerate(self.sights))

    def set_dim(self, dim: int, new: Dim) -> "Trace":
        """The trace with one dimension replaced."""
        dims = list(self._dims())
        dims[dim] = new
        return self._replace(dims=tuple(dims))

    def window(self, dim: int, f: int, s: int, p: int, n: int, dilation: int = 1) -> "Trace":
        """After a window over one dimension (convolution, pooling, padding, slicing) that leaves n positions."""
        factors = self._dims()[dim]
        on = axes(factors)
        if not on:
            return self.set_dim(dim, plain(n))
        if len(factors) > 1:
            raise Unplaced("a window runs over height and width in one dimension")
        sights = self.sights
        if sights and (field := sights[on[0]].field):
            sights = self._see(on[0], Sight(field.window(f, s, p, dilation), sights[on[0]].span))
        return self.set_dim(dim, ((n, on[0]),))._replace(sights=sights)

    def gate(self, *dims: int) -> "Trace":
        """After each value met all others along these dimensions (softmax, group norm): its field and their span."""
        trace = self
        for dim in dims if self._dims() else ():  # a single number takes 0 for a dimension, and has none
            for n, axis in self._dims()[dim]:
                if axis is not None and trace.sights:
                    field, span = trace.sights[axis]
                    assert field, "an axis that is walked along has a field"
                    whole = Sight(None, span).union(Sight(None, field.over(n)))
                    trace = trace._replace(sights=trace._see(axis, Sight(field, whole.span)))
        return trace

    def gather(self, *dims: int, keep: bool = True) -> "Trace":
        """After a sum, mean or product over whole dimensions: what all of their positions see together."""
        dims = dims if self._dims() else ()
        on = {axis for dim in dims for axis in axes(self._dims()[dim])}
        trace = self.gate(*dims)
        if trace.sights:
            trace = trace._replace(
                sights=tuple(Sight(None, s.span) if i in on else s for i, s in enumerate(trace.sights))
            )
        gone = {dim % len(self._dims()) for dim in dims}
        left = [() if i in gone else dim for i, dim in enumerate(self._dims()) if keep or i not in gone]
        return trace._replace(dims=tuple(left))

    def permute(self, order: Sequence[int]) -> "Trace":
        """After dimensions changed places."""
        dims = self._dims()
        return self._replace(dims=tuple(dims[i] for i in order))

    def regroup(self, shape: Sequence[int]) -> "Trace":
        """After a reshape: the same factors in the same order, cut anew."""
        factors = join(factor for dim in self._dims() for factor in dim)
        dims: list[Dim] = []
        for n in shape:
            group: list[tuple[int, int | None]] = []
            while n > 1 or (not group and factors and factors[0][0] == 1):
                if not factors:
                    raise Unplaced("a reshape changes the number of values")
                size, axis = factors.pop(0)
                if n % size == 0:
                    group.append((size, axis))
                    n //= size
                    if size == 1 and n == 1:
                        break
                elif axis is None and size % n == 0:
                    group.append((n, None))
                    factors.insert(0, (size // n, None))
                    n = 1
                else:
                    raise Unplaced("a reshape cuts an axis of the picture in pieces")
            dims.append(tuple(group))
        if factors and dims:
            dims[-1] += tuple(factors)
        return self._replace(dims=tuple(tuple(join(dim)) for dim in dims))


def join(factors: Iterable[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    """Neighbouring factors along no axis made one."""
    joined: list[tuple[int, int | None]] = []
    for n, axis in factors:
        if axis is None and joined and joined[-1][1] is None:
            joined[-1] = (joined[-1][0] * n, None)
        else:
            joined.append((n, axis))
    return joined


def meet(traces: Sequence[Trace], shape: Sequence[int]) -> Trace:
    """The trace of a value that depends on one value of each tensor, broadcast to `shape` (sums, products, gates)."""
    aligned = [_broadcast(trace, shape) for trace in traces]
    dims: list[Dim] = []
    for i, n in enumerate(shape):
        found = {trace._dims()[i] for trace in aligned if axes(trace._dims()[i])}
        if len(found) > 1:
            raise Unplaced("height meets width, or another cut of the picture")
        dims.append(found.pop() if found else plain(n))
    walked = [axis for dim in dims for axis in axes(dim)]
    if len(set(walked)) < len(walked):
        raise Unplaced("two dimensions walk along one axis of the picture")
    depth = max(trace.depth for trace in traces)
    for trace in traces:
        if trace.sights is None:
            return Trace(tuple(dims), None, depth, trace.lost)
    sights = list(aligned[0].sights or ())
    for trace in aligned[1:]:
        sights = [a.union(b) for a, b in zip(sights, trace.sights or (), strict=True)]
    return Trace(tuple(dims), tuple(sights), depth)


def _broadcast(trace: Trace, shape: Sequence[int]) -> Trace:
    dims = trace._dims()
    missing = len(shape) - len(dims)
    single = [i for i, dim in enumerate(dims) if length(dim) == 1 and shape[i + missing] > 1]
    gathered = trace.gather(*single) if single else trace
    return gathered._replace(dims=((),) * missing + gathered._dims())


def concat(traces: Sequence[Trace], dim: int, shape: Sequence[int]) -> Trace:
    """The trace of tensors laid one after the other along a dimension that walks along no axis of the picture."""
    dim %= len(shape)
    if any(axes(trace._dims()[dim]) for trace in traces):
        raise Unplaced("maps are laid one after the other along an axis of the picture")
    open_shape = [1 if i == dim else n for i, n in enumerate(shape)]
    return meet([trace.set_dim(dim, ()) for trace in traces], open_shape).set_dim(dim, plain(shape[dim]))


def matmul(left: Trace | None, right: Trace | None, shape: Sequence[int]) -> Trace:
    """The trace of a matrix product; None stands for weights. # (…, m, k) · (…, k, n)"""
    traces = []
    if left:
        traces.append(left.gather(-1))
    if right:
        right = right.gather(-2)
        if left and set(axes(right._dims()[-1])) & set(axes(left._dims()[-2])):
            right = right.gather(-1)  # attention: each position on the left meets all of those on the right
        traces.append(right)
    return meet(traces, shape)
