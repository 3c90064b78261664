"""One pass of any module: rows, parameters and MACs; and nothing is changed by it."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as modules
from torch.nn.utils import spectral_norm as old_spectral_norm
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.flop_counter import FlopCounterMode

from striate.errors import StriateError
from striate.measure.shapes import measure


class Whatever(nn.Module):
    """A module whose forward pass is a function."""

    def __init__(self, function, *parts: nn.Module):
        super().__init__()
        self.parts, self.function = nn.ModuleList(parts), function

    def forward(self, x: Tensor):
        return self.function(x, *self.parts)


def last(function, *parts: nn.Module, size=(12, 8, 4)):
    return measure(Whatever(function, *parts), size).rows[-1]


def field(row):
    return row.sights and tuple(sight.field for sight in row.sights)


def test_rows_are_leaves_and_what_containers_do_themselves():
    def forward(x, conv, norm):
        return torch.flatten(F.relu(norm(conv(x)) + x), 1)

    ledger = measure(Whatever(forward, nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)), (12, 8, 4))
    assert [(row.path, row.kind, row.output) for row in ledger] == [
        ("parts.0", "conv 3×3", (12, 8, 4)),
        ("parts.1", "batch norm", (12, 8, 4)),
        ("", "add", (12, 8, 4)),
        ("", "relu", (12, 8, 4)),
    ]
    assert [row.parameters for row in ledger] == [148, 8, 0, 0]
    assert ledger.rows[0].macs == 12 * 8 * 9 * 4 * 4
    assert field(ledger.rows[-1]) == ((3, 1, -1), (3, 1, -1))


@pytest.mark.parametrize(
    ("layer", "kind", "sizes"),
    [
        (nn.Conv2d(4, 4, 3, 2, 1), "conv 3×3 s2", ((3, 2, -1), (3, 2, -1))),
        (nn.Conv2d(4, 8, (1, 3), groups=2, dilation=2), "conv 1×3 dilation 2, 2 groups", ((1, 1, 0), (5, 1, 0))),
        (nn.Conv2d(4, 8, 3, groups=4), "depthwise 3×3", ((3, 1, 0), (3, 1, 0))),
        (nn.MaxPool2d(3, 2, 1, ceil_mode=True), "maxpool 3×3 s2", ((3, 2, -1), (3, 2, -1))),
        (nn.AvgPool2d((2, 1)), "avgpool 2×1 s2×1", ((2, 2, 0), (1, 1, 0))),
        (nn.AdaptiveAvgPool2d((4, 8)), "avgpool to 4×8", ((3, 3, 0), (1, 1, 0))),
        (nn.LocalResponseNorm(5), "lrn", ((1, 1, 0), (1, 1, 0))),
        (nn.ReflectionPad2d(2), "reflection pad2d", ((1, 1, -2), (1, 1, -2))),
        (nn.ChannelShuffle(2), "channel shuffle", ((1, 1, 0), (1, 1, 0))),
        (nn.PReLU(4), "prelu", ((1, 1, 0), (1, 1, 0))),
        (nn.PixelUnshuffle(2), "pixel unshuffle", None),
        (nn.ConvTranspose2d(4, 4, 2, 2), "transposed conv 2×2 s2", None),
        (nn.Upsample(scale_factor=2), "upsample to 24×16", None),
        (nn.AdaptiveAvgPool2d(5), "avgpool to 5×5", None),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), "conv 3×3", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_layers(layer, kind, sizes):
    ledger = measure(nn.Sequential(layer), (12, 8, 4))
    row = ledger.rows[-1]
    assert field(row) == sizes
    if sizes:
        assert row.kind == kind
    else:
        assert row.lost and any("unplaced from" in note for note in ledger.notes)
        assert row.output[-1] == (16 if "unshuffle" in kind else 4)  # height, width, channels all the same


def test_global_pools_gates_and_fully_connected():
    pooled = last(lambda x: F.adaptive_avg_pool2d(x, 1))
    assert pooled.kind == "global avgpool"
    assert [tuple(s.span) for s in pooled.sights] == [(0, 11), (0, 7)]
    assert field(pooled) == (None, None)
    flat = last(lambda x, fc: fc(x.flatten(1)), nn.Linear(384, 10))
    assert (flat.kind, flat.output, flat.recipe) == ("fc", (10,), "(384 + 1)·10")
    assert [tuple(s.span) for s in flat.sights] == [(0, 11), (0, 7)]
    gated = last(lambda x, conv: x * conv(x.mean((2, 3), keepdim=True)).sigmoid(), nn.Conv2d(4, 4, 1))
    assert field(gated) == ((1, 1, 0), (1, 1, 0))
    assert [tuple(s.span) for s in gated.sights] == [(0, 11), (0, 7)]
    norm = last(lambda x, norm: norm(x), nn.GroupNorm(2, 4))
    assert field(norm) == ((1, 1, 0), (1, 1, 0))
    assert [tuple(s.span) for s in norm.sights] == [(0, 11), (0, 7)]


@pytest.mark.parametrize(
    ("function", "sizes"),
    [
        (lambda x: x[:, :, ::2, 1::3] + 0, ((1, 2, 0), (1, 3, 1))),
        (lambda x: F.pad(x[:, 1:3], (1, 2, 0, 0, 0, 2)) + 0, ((1, 1, 0), (1, 1, -1))),
        (lambda x: torch.cat(x.chunk(2, 1)[::-1], 1), ((1, 1, 0), (1, 1, 0))),
        (lambda x: sum(x.split([3, 9], 2)[1].unbind(1)), ((1, 1, 3), (1, 1, 0))),
        (lambda x: torch.stack([x, x], 1).flatten(1, 2).relu(), ((1, 1, 0), (1, 1, 0))),
        (lambda x: x.permute(0, 2, 3, 1).softmax(-1).permute(0, 3, 1, 2), ((1, 1, 0), (1, 1, 0))),
        (lambda x: torch.einsum("bchw,dc->bdhw", x, torch.ones(5, 4)), ((1, 1, 0), (1, 1, 0))),
        (lambda x: x.roll(1, 2) + 0, None),
        (lambda x: x[:, :, :8] + x[:, :, :8].transpose(2, 3), None),
        (lambda x: F.unfold(x, 3).relu(), None),
        (lambda x: x[:, :, ::2].repeat_interleave(2, 3) * 2, None),
        (lambda x: x.repeat(1, 1, 1, 2) * 2, None),
        (lambda x: x.repeat_interleave(2, 3).mean(3, keepdim=True).expand(x.shape) + x, ((1, 1, 0), (1, 1, 0))),
        (lambda x: torch.cat([x, x[:, :, :1]], 2), None),
        (lambda x: x + F.avg_pool2d(x, 2)[:, :, :1, :1].expand(-1, -1, 12, 8), ((1, 1, 0), (1, 1, 0))),
    ],
)
def test_operations(function, sizes):
    row = last(function)
    assert field(row) == sizes
    assert bool(row.lost) == (sizes is None)


@pytest.mark.parametrize(
    "layer", [nn.CircularPad2d(1), nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")], ids=["pad", "conv"]
)
def test_a_circular_border_has_no_field_and_says_why(layer):
    ledger = measure(nn.Sequential(layer, nn.ReLU()), (12, 8, 4))
    assert {row.lost for row in ledger} == {"the circular border of 0 sees the other end of the map"}


def test_a_single_number_has_dimensions_too():
    for function in (lambda x: x.mean().mean(0), lambda x: x.sum().softmax(0), lambda x: x.mean().squeeze(0) + 1):
        row = last(function)
        assert row.output == () and [tuple(sight.span) for sight in row.sights] == [(0, 11), (0, 7)]


def test_what_is_written_in_parts_is_not_guessed():
    def forward(x, conv):
        y = torch.empty_like(x)
        y[:, :, 1:] = conv(x)[:, :, :-1]
        y[:, :, :1] = x[:, :, :1]
        return F.relu(y)

    row = last(forward, nn.Conv2d(4, 4, 3, padding=1))
    assert row.kind == "relu"
    assert row.sights is None and "written in parts" in row.lost


def test_attention_sees_everything():
    row = last(
        lambda x, attend: attend(*[x.flatten(2).transpose(1, 2)] * 3)[0], nn.MultiheadAttention(4, 2, batch_first=True)
    )
    assert row.sights
    assert [tuple(s.span) for s in row.sights] == [(0, 11), (0, 7)]


def test_shared_weights_count_once():
    conv = nn.Conv2d(4, 4, 3, padding=1)
    ledger = measure(nn.Sequential(conv, nn.ReLU(), conv), (12, 8, 4))
    assert [(row.parameters, row.shared) for row in ledger] == [(148, 0), (0, 0), (0, 148)]
    assert ledger.totals.parameters == 148
    assert any("148" in note and "used again" in note for note in ledger.notes)


def test_unused_weights_are_told():
    ledger = measure(Whatever(lambda x, conv, side: conv(x), nn.Conv2d(4, 4, 1), nn.Linear(7, 2)), (4, 4, 4))
    assert ledger.totals.parameters == 20 + 16
    assert any(note.startswith("16 parameters are not used") for note in ledger.notes)


def test_in_place_layers_store_nothing():
    rows = measure(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(inplace=True)), (4, 4, 4)).rows
    assert [row.activation for row in rows] == [256, 0]


@pytest.mark.parametrize("part", [
    nn.Sequential(nn.Conv2d(4, 6, 3, 2, groups=2), nn.ConvTranspose2d(6, 4, 3)),
    nn.Sequential(nn.Flatten(2), nn.Linear(96, 5), nn.Linear(5, 3, bias=False)),
    Whatever(lambda x: x.flatten(2) @ x.flatten(2).transpose(1, 2)),
    Whatever(lambda x, fc: x.flatten(2) + fc(torch.eye(4, 3, device=fc.weight.device)), nn.Linear(3, 96)),
    Whatever(lambda x, fc: fc(x.flatten(1)) + fc.bias @ fc.weight, nn.Linear(384, 384)),
    Whatever(lambda x, fc: fc(x.flatten(1)) + (fc.weight @ fc.weight).sum(1), nn.Linear(384, 384)),
])  # fmt: skip
def test_macs_are_half_of_torchs_own_count(part):
    with FlopCounterMode(display=False) as counter:
        part.train()(torch.zeros(1, 4, 12, 8))
    assert measure(part, (12, 8, 4)).totals.macs == counter.get_total_flops() // 2


def state(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_nothing_is_changed():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(144, 2))
    network[1].eval()
    before, modes, random = state(network), [m.training for m in network.modules()], torch.get_rng_state()
    ledger = measure(network, (8, 8, 3))
    assert ledger.memory.forward
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [m.training for m in network.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert all(p.grad is None for p in network.parameters())
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 2)


class Assigns(nn.Module):
    """A module that keeps what it sees in itself: an attribute, a buffer, a counter, a new name."""

    def __init__(self):
        super().__init__()
        self.conv, self.mask, self.runs = nn.Conv2d(3, 3, 1), None, 0
        self.register_buffer("steps", torch.zeros(()))
        self.register_buffer("average", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        if self.mask is None:
            self.mask = torch.ones_like(x)
        self.runs, self.steps, self.seen = self.runs + 1, self.steps + 1, x
        self.average = 0.9 * self.average + 0.1 * x.mean((0, 2, 3))
        return self.conv(x) * self.mask


@pytest.mark.parametrize("network", [Assigns(), old_spectral_norm(nn.Conv2d(3, 4, 3))])
def test_what_a_module_assigns_to_itself_is_undone(network):
    before, held = state(network), dict(vars(network))
    assert measure(nn.Sequential(network), (8, 8, 3)).memory.forward
    assert vars(network).keys() == held.keys() and all(vars(network)[name] is value for name, value in held.items())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network(torch.zeros(1, 3, 8, 8)).device.type == "cpu"


@pytest.mark.parametrize("around", [torch.inference_mode, lambda: torch.autocast("cpu"), torch.no_grad])
def test_modes_around_change_nothing(around):
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2))
    outside, named = measure(network, (8, 8, 3)), measure("lenet5")
    assert outside.totals.macs == 9 * 27 * 4 + 36 * 2
    with around():
        inside, named_inside = measure(network, (8, 8, 3)), measure("lenet5")
        assert (inside.rows, inside.memory) == (outside.rows, outside.memory)
        assert (named_inside.rows, named_inside.memory) == (named.rows, named.memory)


def made_in_inference_mode():
    with torch.inference_mode():
        return nn.Conv2d(3, 4, 3)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: torch.jit.script(nn.Conv2d(3, 4, 3)), "0 is compiled by torch.jit"),
        (lambda: nn.LazyConv2d(4, 3), "0 takes its sizes from its first input"),
        (lambda: nn.LazyBatchNorm2d(), "0 takes its sizes from its first input"),
        (
            lambda: nn.LSTM(3, 4),
            "0: PyTorch runs recurrent layers on sizes alone only if their weights are on the meta device",
        ),
        (made_in_inference_mode, "0 was made in inference mode"),
    ],
)
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
def test_modules_that_cannot_be_measured(make, sentence):
    with pytest.raises(StriateError, match=sentence):
        measure(nn.Sequential(make()), (8, 8, 3))


def test_recurrent_layers_are_measured_without_values():
    recurrent = Whatever(lambda x, lstm: lstm(x.mean(1))[0], nn.LSTM(8, 5, batch_first=True)).to("meta")
    assert measure(recurrent, (12, 8, 4)).totals.macs == 12 * (8 + 5) * 4 * 5


def test_input_and_name_may_be_layers():
    network = nn.Sequential()
    network.input, network.name = nn.Conv2d(3, 4, 3), nn.ReLU()
    ledger = measure(network, (8, 8, 3))
    assert ledger.name == "Sequential" and [row.path for row in ledger] == ["input", "name"]
    with pytest.raises(StriateError, match="Sequential does not say how large"):
        measure(network)


def test_what_is_written_into_a_buffer_stays_unwritten():
    network = spectral_norm(nn.Conv2d(3, 4, 3))
    before = state(network)
    memory = measure(network, (8, 8, 3)).memory
    assert memory.forward > memory.parameters and memory.saved
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("error", [ValueError("mine"), KeyError("k"), RuntimeError("other")])
def test_hooks_are_gone_and_other_errors_are_passed_on(error):
    def forward(x, conv):
        conv(x)
        raise error

    hooks = len(modules._global_forward_hooks), len(modules._global_forward_pre_hooks)
    network = Whatever(forward, nn.Conv2d(4, 4, 1)).train()
    with pytest.raises(type(error)) as caught:
        measure(network, (4, 4, 4))
    assert caught.value is error
    assert (len(modules._global_forward_hooks), len(modules._global_forward_pre_hooks)) == hooks
    assert network.training


def test_a_decision_by_values_is_told():
    with pytest.raises(StriateError, match="decides by values"):
        measure(Whatever(lambda x: x if x.sum() > 0 else -x), (4, 4, 4))


def test_real_numbers_of_its_own_stay_real():
    def forward(x):
        rates = [rate.item() for rate in torch.linspace(0, 1, 3)]
        return x * rates[1] + torch.ones(4, 1, 1)

    assert last(forward).output == (12, 8, 4)


def test_an_error_that_the_module_catches_is_no_error():
    def forward(x, conv, other):
        try:
            x = other(x)
        except RuntimeError:
            x = conv(x)
        return x

    ledger = measure(Whatever(forward, nn.Conv2d(4, 4, 1), nn.Conv2d(5, 4, 1)), (4, 4, 4))
    assert [row.path for row in ledger] == ["parts.0"]
