"""Receptive fields are the pixels on which an output really depends: those with a gradient."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from striate.measure.field import Field, Sight, Span, Unplaced
from striate.measure.shapes import measure
from striate.measure.trace import Trace, meet


class Sum(nn.ModuleList):
    """The sum of what its parts make of the same input."""

    def forward(self, x: Tensor) -> Tensor:
        first, *others = [part(x) for part in self]
        return sum(others, start=first)


class Side(nn.ModuleList):
    """The channels of all parts, one after the other."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part(x) for part in self], 1)


class Gate(nn.Module):
    """Squeeze-and-excite: every channel weighed by what the whole map says."""

    def __init__(self):
        super().__init__()
        self.squeeze, self.excite = nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.excite(self.squeeze(x))


class ChannelsLast(nn.Module):
    """As ConvNeXt does: height and width first, a fully connected layer over channels, and back."""

    def __init__(self):
        super().__init__()
        self.norm, self.fc = nn.LayerNorm(4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.fc(x.flatten(2).transpose(1, 2))  # (batch, height · width, channels)
        return tokens.transpose(1, 2).unflatten(2, x.shape[2:]) + self.fc(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


small = st.integers(1, 3)


@st.composite
def window(draw, stride: int | None = None) -> nn.Module:
    """A convolution (plain, depthwise) or an average pool, every number its own along each axis."""
    f = (draw(small), draw(small))
    s = (stride, stride) if stride else (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    if draw(st.integers(0, 3)) == 0:
        p = tuple(draw(st.integers(0, n // 2)) for n in f)
        return nn.AvgPool2d(f, s, p, ceil_mode=draw(st.booleans()))
    d = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    p = tuple(draw(st.integers(0, n)) for n in f)
    return nn.Conv2d(4, 4, f, s, p, d, groups=draw(st.sampled_from([1, 4])))


@st.composite
def branches(draw) -> nn.Module:
    """Branches that keep the size, summed or concatenated."""
    parts: list[nn.Module] = [nn.Identity()] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(2, 3))):
        f, d = draw(st.sampled_from([1, 3, 5])), draw(st.integers(1, 2))
        parts.append(nn.Conv2d(4, 4, (f, 1) if draw(st.booleans()) else f, padding="same", dilation=d))
    if draw(st.booleans()):
        return Sum(parts)
    return nn.Sequential(Side(parts), nn.Conv2d(4 * len(parts), 4, 1))


networks = st.lists(st.one_of(window(), window(), branches(), st.builds(ChannelsLast)), min_size=1, max_size=5)


@given(networks, st.booleans(), st.data())
def test_field_is_where_the_gradient_is(layers, gated, data):
    network = nn.Sequential(*layers, *([Gate()] if gated else [])).double()
    for p in network.parameters():
        nn.init.uniform_(p, 0.5, 1.0)  # positive: nothing cancels
    for m in network.modules():
        if isinstance(m, ChannelsLast):
            m.norm = nn.Identity()  # subtracts, so that something might cancel
    x = torch.rand(1, 4, 15, 13, dtype=torch.float64, requires_grad=True)
    try:
        y = network(x)
    except RuntimeError:
        return  # a window larger than the map
    ledger = measure(network, (15, 13, 4))
    assert ledger.rows, "some layer is there"
    sights = ledger.rows[-1].sights
    assert sights, ledger.rows[-1].lost
    for corner in range(3):
        i = [(0, n - 1, data.draw(st.integers(0, n - 1)))[corner] for n in y.shape[2:]]
        (gradient,) = torch.autograd.grad(y[0, :, i[0], i[1]].sum(), x, retain_graph=True)
        seen = gradient[0].sum(0).nonzero()
        if not len(seen):
            continue  # this position sees padding alone
        for axis, (sight, place) in enumerate(zip(sights, i, strict=True)):
            first, last = int(seen[:, axis].min()), int(seen[:, axis].max())
            field, span = sight
            ends = [(s, e) for s, e in [reach(field, place), reach(span, place)] if s is not None and e is not None]
            n = x.shape[2 + axis]
            start, end = max(0, min(s for s, _ in ends)), min(n - 1, max(e for _, e in ends))
            assert start <= first and last <= end
            # where a border cuts a window with gaps, the first pixel inside may be one that it jumps over
            if min(s for s, _ in ends) >= 0 and max(e for _, e in ends) < n:
                assert (first, last) == (start, end)


def reach(sight: Field | Span | None, place: int) -> tuple[int | None, int | None]:
    if isinstance(sight, Field):
        start = sight.start + place * sight.stride
        return start, start + sight.size - 1
    return (sight.start, sight.end) if sight else (None, None)


def local(size: int, stride: int, start: int) -> Sight:
    return Sight(Field(size, stride, start))


def test_sums_take_the_union():
    assert local(3, 2, -1).union(local(7, 2, 1)) == local(9, 2, -1)
    assert Sight(None, Span(0, 5)).union(local(3, 1, 0)) == Sight(Field(3, 1, 0), Span(0, 5))
    with pytest.raises(Unplaced, match="strides 1 and 2"):
        local(3, 1, 0).union(local(3, 2, 0))


def test_reshapes_keep_track_of_height_and_width():
    trace = Trace.picture(6, 4, 10)
    flat = trace.regroup((1, 10, 24)).permute((0, 2, 1))
    assert flat.dims == ((), ((6, 0), (4, 1)), ((10, None),))
    assert flat.permute((0, 2, 1)).regroup((1, 10, 6, 4)) == trace
    assert trace.regroup((1, 2, 5, 6, 4)).permute((0, 2, 1, 3, 4)).regroup((1, 10, 6, 4)) == trace  # channel shuffle
    one = Trace.picture(1, 1, 10)
    assert one.regroup((1, 10)).regroup((1, 10, 1, 1)).sights == one.sights
    with pytest.raises(Unplaced, match="cuts an axis"):
        trace.regroup((1, 10, 3, 2, 4))


def test_heights_and_widths_that_meet_are_not_placed():
    trace = Trace.picture(6, 6, 10)
    with pytest.raises(Unplaced, match="height meets width"):
        meet([trace, trace.permute((0, 1, 3, 2))], (1, 10, 6, 6))
