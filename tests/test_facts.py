"""The numbers that papers and lecture notes give for whole networks, as the ledger tells them."""

import pytest
import torch

import striate as st

MACS = {  # multiply-adds of convolutions and fully connected layers at the native size
    "alexnet": 1_135_256_096,
    "alexnet_towers": 724_406_816,
    "alexnet_torchvision": 714_188_480,
    "vgg16": 15_470_264_320,
    "googlenet_torchvision": 1_498_376_192,
    "resnet18": 1_814_073_344,
    "resnet50": 4_089_184_256,
    "resnet152": 11_513_626_624,
    "mobilenet_v1": 568_740_352,
    "mobilenet_v2": 300_774_272,
}
FIELDS = {  # pixels that one position of the last stage sees
    "alexnet": 195,
    "vgg16": 212,
    "googlenet": 715,
    "googlenet_torchvision": 379,
    "resnet18": 435,
    "resnet50": 427,
    "resnet50(stride_first)": 483,
    "resnet152": 1_451,
    "resnet152(stride_first)": 1_507,
    "mobilenet_v1": 315,
    "mobilenet_v2": 491,
}


def rows(name: str, *kinds: str):
    return [row for row in st.shapes(name) if row.kind.split()[0] in kinds]


@pytest.mark.parametrize("name", MACS)
def test_multiply_adds(name):
    assert st.shapes(name).totals.macs == MACS[name]


@pytest.mark.parametrize("name", FIELDS)
def test_receptive_fields(name):
    sights = st.shapes(name).map_sights
    assert sights
    assert [sight.field.size for sight in sights if sight.field] == [FIELDS[name]] * 2


@pytest.mark.parametrize(("name", "before"), [("vgg16", 196), ("alexnet", 163)])
def test_the_field_before_the_last_pool(name, before):
    *_, last = rows(name, "conv")
    assert last.sights
    assert last.sights[0].field
    assert last.sights[0].field.size == before


def test_squeeze_and_excite_sees_the_whole_picture_and_the_local_field_is_told_too():
    told = [line["field"] for line in st.shapes("efficientnet_b0").table.rows]
    first = next(n for n, field in enumerate(told) if "whole" in field)
    assert "851 + whole" in told
    assert not any("whole" in field for field in told[:first])
    assert all("whole" in field for field in told[first:])


def test_lenet_shrinks_in_the_steps_of_the_notes():
    assert [row.output for row in rows("lenet5", "conv", "maxpool", "fc")] == [
        (28, 28, 8),
        (14, 14, 8),
        (10, 10, 16),
        (5, 5, 16),
        (120,),
        (84,),
        (10,),
    ]
    assert 28 * 28 * 8 == 6_272 > 32 * 32 * 3  # the notes' "activations shrink": not at first


def test_alexnet_in_the_steps_of_the_notes():
    assert [row.output[0] for row in rows("alexnet", "conv", "maxpool")] == [55, 27, 27, 13, 13, 13, 13, 6]
    assert [row.output for row in rows("alexnet", "fc")] == [(4096,), (4096,), (1000,)]
    first = rows("alexnet", "conv")[0]
    assert first.parameters == 11 * 11 * 3 * 96 + 96 == 34_944


def test_most_memory_of_vgg_is_early_and_most_parameters_are_late():
    ledger = st.shapes("vgg16")
    early = sum(row.activation for row in ledger if row.path.split(".")[0] in ("stage1", "stage2"))
    assert early > 0.7 * ledger.totals.activations
    first_fc = rows("vgg16", "fc")[0]
    assert first_fc.parameters == 102_760_448 + 4_096
    assert sum(row.parameters for row in rows("vgg16", "fc")) > 0.89 * ledger.totals.parameters


def test_googlenet_has_about_nine_times_fewer_parameters_than_alexnet():
    googlenet, alexnet = (st.shapes(name).totals.parameters for name in ("googlenet", "alexnet"))
    assert round(alexnet / googlenet) == 9


def test_the_lesson_of_the_exercise():
    text = "conv 3x3x10, conv 5x5x20 s2, conv 5x5x40 s2, flatten"
    outputs = [row.output for row in st.shapes(text, input="39x39x3") if row.kind.startswith("conv")]
    assert outputs == [(37, 37, 10), (17, 17, 20), (7, 7, 40)]
    with torch.device("meta"):
        assert st.net(text, input="39x39x3")(torch.empty(1, 3, 39, 39)).shape == (1, 1_960)


def test_a_bottleneck_saves_nine_tenths_of_the_multiplications():
    direct = st.shapes("conv 5x5x32 same", input="28x28x192").totals.macs
    through = st.shapes("conv 1x1x16, relu, conv 5x5x32 same", input="28x28x192").totals.macs
    assert (direct, through) == (120_422_400, 12_443_648)


def test_depthwise_separable_convolution():
    full = st.shapes("conv 3x3x5", input="6x6x3").totals.macs
    depthwise, pointwise = [row.macs for row in st.shapes("depthwise 3x3, pointwise 5", input="6x6x3")]
    assert (full, depthwise, pointwise) == (2_160, 432, 240)
    assert (depthwise + pointwise) / full == pytest.approx(1 / 5 + 1 / 9)


def test_one_by_one_and_first_layers():
    one = st.shapes("conv 1x1x32 nobias", input="28x28x192").totals
    assert (one.parameters, one.macs) == (6_144, 4_816_896)
    assert st.shapes("conv 5x5x10 p2", input="32x32x3").totals.parameters == 760
    assert st.shapes("conv 5x5x6", input="32x32x3").totals.parameters == 456
    assert st.shapes("conv 3x3x10", input="9x9x3").totals.parameters == 280
    assert st.shapes("fc 4704 nobias", input="32x32x3").totals.parameters == 14_450_688
    assert st.shapes("fc 64 nobias", input="128x128x3").totals.parameters == 3_145_728
    assert st.shapes("fc 1000 nobias", input="1000x1000x3").totals.parameters == 3_000_000_000


@pytest.mark.parametrize(("stride", "side"), [(1, 5), (2, 3), (3, 2)])
def test_seven_by_seven(stride, side):
    (row,) = st.shapes(f"conv 3x3x1 s{stride}", input="7x7x1")
    assert row.output == (side, side, 1)
