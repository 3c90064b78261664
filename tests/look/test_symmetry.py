"""What layers keep of a shift and of a mirror, beside what theory says: exactly, in float64."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from striate.cli import main
from striate.errors import UnknownName
from striate.look.kept import compared, joined
from striate.look.subject import Subject
from striate.look.symmetry import symmetry
from striate.measure.field import Field
from striate.preprocess import Preprocess


def network(*modules: nn.Module, side: int = 32) -> Subject:
    """These modules, with random weights."""
    torch.manual_seed(0)
    chain = nn.Sequential(*modules, nn.Flatten(), nn.LazyLinear(3))
    chain(torch.zeros(1, 3, side, side))
    return Subject(chain, Preprocess(size=(side, side), resize=None), ("a", "b", "c"), "these")


def rows(*modules: nn.Module, side: int = 32) -> dict[str, dict]:
    found = symmetry(network(*modules, side=side), by="layer")
    assert found.shifts == [1, 2, 4, 8][: 4 if side == 32 else 3]
    return {row["layer"]: row for row in found.table.rows}


def shifts(row: dict) -> list[float]:
    return [value for name, value in row.items() if name.startswith("shift_")]


def test_without_padding_and_at_stride_one_every_shift_is_kept_exactly():
    there = rows(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 5))
    for layer in ("0", "1", "2"):
        assert max(shifts(there[layer])) < 1e-12
        assert there[layer]["away"] < 1e-12
        assert there[layer]["border"] is None
        assert there[layer]["breaks"] == ""
        assert there[layer]["mirror"] > 0.05


def test_padding_breaks_it_at_the_border_alone():
    there = rows(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 5, padding=2))
    for layer in ("0", "1"):
        assert there[layer]["away"] < 1e-12
        assert there[layer]["border"] > 0.05
        assert min(shifts(there[layer])) > 1e-3
        assert there[layer]["breaks"] == "padding"


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 4, 3, stride=2), nn.MaxPool2d(2), nn.AvgPool2d(2)])
def test_a_stride_keeps_its_multiples(layer):
    row = rows(layer)["0"]
    assert row["stride"] == 2
    assert row["shift_1"] > 1e-3
    assert max(row["shift_2"], row["shift_4"], row["shift_8"]) < 1e-12
    assert row["breaks"] == "stride"


def test_columns_that_see_padding_reach_as_far_as_the_field():
    sees = Field(7, 1, -3)
    zeros = torch.zeros(2, 5, 20)
    inside = compared(zeros, zeros, 4, sees, 20).inside
    # of the columns 4 to 19, 3 at the right see padding, and so did the first 3 before they moved
    assert inside.tolist() == [False] * 3 + [True] * 10 + [False] * 3
    assert not compared(zeros, zeros, 4, Field(43, 1, -21), 20).inside.any()
    assert not compared(zeros, zeros, 4, None, 20).inside.any()


def test_symmetric_kernels_keep_a_mirror_and_others_do_not():
    even = nn.Conv2d(3, 4, 3, padding=1)
    with torch.no_grad():
        even.weight.copy_((even.weight + even.weight.flip(3)) / 2)
    there = rows(even, nn.Conv2d(4, 4, 3, padding=1))
    assert there["0"]["mirror"] < 1e-12
    assert there["0"]["off"] == 0
    assert there["1"]["mirror"] > 0.05


def test_a_stride_on_an_even_side_moves_the_mirrored_grid():
    even = nn.Conv2d(3, 4, 3, stride=2, padding=1)
    with torch.no_grad():
        even.weight.copy_((even.weight + even.weight.flip(3)) / 2)
    assert rows(even)["0"]["off"] == 1
    assert rows(even)["0"]["mirror"] > 1e-3
    odd = rows(even, side=31)["0"]
    assert odd["off"] == 0
    assert odd["mirror"] < 1e-12


def test_what_is_averaged_over_circles_stays():
    circular = nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular", bias=False).double()
    picture = torch.rand(1, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        before, after = circular(picture)[0], circular(picture.roll(3, 3))[0]
    assert (before.roll(3, 2) - after).abs().max() < 1e-12
    pooled = compared(before.mean((1, 2)), after.mean((1, 2)), 3, None, 8)
    assert (pooled.error() or 0) < 1e-12


def test_the_error_is_nothing_for_equals_and_one_for_strangers():
    random = np.random.default_rng(0)
    one, other = (torch.from_numpy(random.normal(size=(8, 40, 40))) for _ in range(2))
    assert compared(one, one.roll(3, 2), 3, Field(1, 1, 0), 40).error() == 0
    assert compared(one, other, 3, Field(1, 1, 0), 40).error() == pytest.approx(1, abs=0.02)
    assert compared(one, one.flip(2), 0, None, 40).error() == 0
    both = joined([compared(one, other, 3, None, 40), compared(one, one.roll(3, 2), 3, None, 40)])
    assert both.error() == pytest.approx(0.5**0.5, abs=0.02)
    flat = torch.zeros(2, 4, 4)
    assert compared(flat, flat, 1, None, 4).error() == 0


def test_between_two_columns_lies_a_straight_line():
    ramp = torch.arange(10, dtype=torch.float64).expand(1, 4, 10)
    assert (compared(ramp, ramp - 0.5, 1, Field(1, 2, 0), 20).error() or 0) < 1e-12


def test_the_caller_s_network_stays_what_it_is_and_answers_are_told():
    who = network(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1))
    who.network.train()
    found = symmetry(who, by="layer")
    assert who.network.training
    assert {each.dtype for each in who.network.parameters()} == {torch.float32}
    answer = found.table.rows[-1]
    assert answer["layer"] == "probabilities"
    assert 0 <= answer["shift_1"] <= 1
    assert "the answer stays" in str(found)
    assert len(found.chart().to_dict()["layer"]) > 1


def test_the_command_tells_stages_and_writes_a_chart(tmp_path, capsys):
    main(["look", "symmetry", "lenet5", "--output", str(tmp_path / "chart.svg"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [row["layer"] for row in told["rows"]] == ["stage1", "stage2", "head", "probabilities"]
    assert (tmp_path / "chart.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lenet5", "nowhere.png"], "nowhere.png"),
        (["lenet6"], "no network is called 'lenet6'"),
        (["lenet5", "--by", "colour"], "--by is layer or stage, but is 'colour'"),
        (["lenet5", "--output", "chart.txt"], "the output must end in .svg, .png"),
    ],
)
def test_mistakes_are_a_sentence(words, sentence, capsys):
    with pytest.raises(SystemExit) as exit:
        main(["look", "symmetry", *words])
    assert exit.value.code == 2
    assert sentence in capsys.readouterr().err


def test_an_unknown_grouping_is_refused_in_python():
    with pytest.raises(UnknownName):
        symmetry("lenet5", by="colour")  # type: ignore[arg-type]
