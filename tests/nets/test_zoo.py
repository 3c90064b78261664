"""Every network of the papers: its size, its text, and that PyTorch's tools take it."""

import pytest
import torch

from striate.errors import GeometryError, StriateError
from striate.nets.build import net
from striate.nets.zoo import zoo

PARAMETERS = {
    "lenet5": 62_958,
    "lenet5_1998": 61_706,
    "alexnet": 62_378_344,
    "alexnet_towers": 60_965_224,
    "alexnet_torchvision": 61_100_840,
    "nin": 7_595_176,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg16_bn": 138_365_992,
    "googlenet": 6_998_552,
    "googlenet(auxiliary)": 13_378_280,
    "googlenet_torchvision": 6_624_904,
    "googlenet_torchvision(auxiliary)": 13_004_888,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "mobilenet_v1": 4_231_976,
    "mobilenet_v2": 3_504_872,
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616,
    "efficientnet_b5": 30_389_784,
    "efficientnet_b6": 43_040_704,
    "efficientnet_b7": 66_347_960,
    "convnext_tiny": 28_589_128,
}
# the smallest of each family, at a small size, for what needs a real forward pass
SMALL = {
    "lenet5": "32x32x3",
    "lenet5_1998": "32x32x1",
    "alexnet": "67x67x3",
    "alexnet_towers": "67x67x3",
    "alexnet_torchvision": "64x64x3",
    "nin": "67x67x3",
    "vgg11": "32x32x3",
    "googlenet": "64x64x3",
    "googlenet(naive)": "64x64x3",
    "resnet18": "64x64x3",
    "resnet50": "64x64x3",
    "resnet20": "32x32x3",
    "resnet20(shortcut=B)": "32x32x3",
    "resnet20(shortcut=C)": "32x32x3",
    "plain20": "32x32x3",
    "mobilenet_v1": "64x64x3",
    "mobilenet_v2": "64x64x3",
    "efficientnet_b0": "64x64x3",
    "convnext_tiny": "64x64x3",
}


def on_meta(name: str, **settings):
    with torch.device("meta"):
        return net(name, **settings)


def picture(built, batch: int = 1) -> torch.Tensor:
    height, width, channels = built.input
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels, height, width, generator=generator)


def parameters(built) -> int:
    return sum(p.numel() for p in built.parameters())


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_those_of_the_papers(name):
    built = on_meta(name)
    assert all(p.is_meta for p in built.parameters())
    assert parameters(built) == PARAMETERS[name]


def test_plain_twins_have_as_many_parameters_as_their_residual_ones():
    for depth in (20, 32, 44, 56, 110):
        assert parameters(on_meta(f"plain{depth}")) == parameters(on_meta(f"resnet{depth}"))


def test_lenet_layer_by_layer():
    built = on_meta("lenet5")
    counts = [sum(p.numel() for p in m.parameters(recurse=False)) for m in built.modules()]
    assert [n for n in counts if n] == [608, 3_216, 48_120, 10_164, 850]


@pytest.mark.parametrize("name", zoo())
def test_text_builds_the_same_network_again(name):
    built = on_meta(name)
    again = on_meta(built.notation)
    assert again.notation == built.notation
    assert str(again) == str(built)
    shapes, expected = ([(k, v.shape) for k, v in n.state_dict().items()] for n in (again, built))
    assert shapes == expected


@pytest.mark.parametrize("name", zoo())
def test_stages_are_named_in_order(name):
    names = [stage for stage, _ in on_meta(name).named_children()]
    numbered = [stage for stage in names if stage.startswith("stage")]
    assert numbered == [f"stage{n}" for n in range(int(numbered[0][5:]), len(numbered) + int(numbered[0][5:]))]
    assert names == [*(["stem"] if names[0] == "stem" else []), *numbered, *(["head"] if names[-1] == "head" else [])]


DOUBLES = {"googlenet(naive)", "alexnet_towers", "resnet20(shortcut=B)", "plain20", "mobilenet_v1", "vgg11"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in DOUBLES else name for name in SMALL]
)
def test_runs_compiles_and_exports(name):
    built = net(name, input=SMALL[name], classes=7).eval()
    x = picture(built)
    with torch.no_grad():
        logits = built(x)
        assert logits.shape == (1, 7)
        assert torch.isfinite(logits).all()
        torch._dynamo.reset()
        torch.testing.assert_close(torch.compile(built, fullgraph=True, backend="eager")(x), logits)
        torch.testing.assert_close(torch.export.export(built, (x,)).module()(x), logits)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(zoo()) - {name.partition("(")[0] for name in SMALL}))
def test_every_other_one_compiles_and_exports(name):
    size = min(64, int(zoo()[name].input.split("x")[0]))
    built = net(name, input=(size, size, 3), classes=7).eval()
    x = picture(built)
    with torch.no_grad():
        logits = built(x)
        torch._dynamo.reset()
        torch.testing.assert_close(torch.compile(built, fullgraph=True, backend="eager")(x), logits)
        torch.testing.assert_close(torch.export.export(built, (x,)).module()(x), logits)


@pytest.mark.parametrize("name", ["vgg11", "resnet18", "googlenet", "mobilenet_v2", "convnext_tiny"])
@pytest.mark.parametrize("size", ["64x96x1", "97x75x5"])
def test_takes_any_picture_that_the_geometry_allows(name, size):
    built = on_meta(name, input=size, classes=3)
    height, width, channels = built.input
    assert built(torch.empty(2, channels, height, width, device="meta")).shape == (2, 3)


def test_a_picture_that_is_too_small_is_explained():
    with pytest.raises(GeometryError, match=r"'maxpool 3 s2', gets 2×2×256: .* 3 on 2 leaves no output"):
        on_meta("alexnet", input="32x32x3")


def test_auxiliary_heads_exist_in_training_only():
    built = net("googlenet(auxiliary)", input="224x224x3", classes=5)
    x = picture(built)
    logits = built.train()(x)
    assert [tuple(part.shape) for part in logits] == [(1, 5)] * 3
    sum(part.sum() for part in logits).backward()
    assert all(p.grad is not None for p in built.parameters())
    assert all(head.collected is None for head in built.side_heads)
    torch._dynamo.reset()
    assert len(torch.compile(built, fullgraph=True, backend="eager")(x)) == 3
    assert built.eval()(x).shape == (1, 5)
    assert parameters(built) - parameters(on_meta("googlenet", classes=5)) > 3_000_000


def test_a_residual_block_without_weights_is_the_identity_after_relu():
    block = net("((conv 3x3x4 p1, relu, conv 3x3x4 p1)+, relu)", input="8x8x4")
    with torch.no_grad():
        for p in block.parameters():
            p.zero_()
    x = picture(block).abs()
    assert torch.equal(block(x), x)


def test_shortcut_a_keeps_every_second_pixel_and_adds_zero_channels():
    built = net("widen 6 s2", input="5x4x3")
    x = picture(built)
    y = built(x)
    assert y.shape == (1, 6, 3, 2)
    assert torch.equal(y[:, 1:4], x[:, :, ::2, ::2])
    assert not y[:, [0, 4, 5]].any()


def test_multipliers():
    # table 6 of the MobileNet paper: 4.2, 2.6, 1.3 and 0.5 million parameters
    sizes = [parameters(on_meta("mobilenet_v1", width=width)) / 1e6 for width in (1.0, 0.75, 0.5, 0.25)]
    assert [round(size, 1) for size in sizes] == [4.2, 2.6, 1.3, 0.5]
    assert parameters(on_meta("mobilenet_v2(width=1.4)")) == 6_108_776
    # compound scaling by hand: B3 is B0 wider and deeper, at its own resolution
    by_hand = on_meta("efficientnet_b0(width=1.2, depth=1.4)", input="300x300x3")
    assert parameters(by_hand) == parameters(on_meta("efficientnet_b3"))
    with pytest.raises(StriateError, match="above 0, but is -1"):
        on_meta("mobilenet_v2", width=-1)


def test_the_paper_put_the_stride_of_a_bottleneck_first():
    stage = on_meta("resnet50", stride_first=True)["stage2"]
    strides = [m.stride for m in stage.modules() if isinstance(m, torch.nn.Conv2d)]
    assert strides[:4] == [(2, 2), (1, 1), (1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("resnet19", {}, "no network is called 'resnet19'; did you mean resnet18"),
        ("resnet20", {"shortcut": "D"}, "a shortcut is A .* but is D"),
        ("resnet20(shortcut=)", {}, "an option is written name=value"),
        ("resnet18(width=2)", {}, "resnet18 has no option 'width'"),
        ("vgg16", {"auxiliary": True}, "vgg16 has no option 'auxiliary'"),
        ("resnet18", {"classes": 0}, "at least 1 class, but 0"),
        ("resnet18", {"input": "224x224"}, "height×width×channels, as in 224x224x3, but 224×224 has 2 parts"),
        ("resnet18", {"input": "0x224x3"}, "at least 1 and at most 1,000,000, but the size is 0x224x3"),
        ("resnet18", {"input": "big"}, "but is 'big'"),
        ("resnet18", {"input": 224}, "an input is written '224x224x3' or"),
        ("resnet18", {"input": (3, 224, 224)}, r"looks like channels first; \(224, 224, 3\) would fit"),
        ("resnet18", {"classes": "cat"}, "a number or a list of names"),
        ("resnet18", {"classes": ["cat", "dog", "cat"]}, "'cat' stands there twice"),
        ([], {"input": "32x32x3"}, "a network is a name, a text in the layer notation or a list of layers, but is"),
        (None, {}, "a network is a name, .* but is None"),
        ([3], {"input": "32x32x3"}, "a list of layers holds texts and modules, but one is 3"),
        ("resnet18", {"classes": 2.5}, "a number or a list of names"),
        ("resnet18", {"classes": True}, "a number or a list of names"),
        ("googlenet(naive=no)", {}, "naive of googlenet is true or false, as in naive=False, but is no"),
        ("mobilenet_v2(width=nan)", {}, "width of mobilenet_v2 is a number"),
        ("mobilenet_v2", {"width": "wide"}, "width of mobilenet_v2 is a number, as in width=1.0, but is wide"),
        ("resnet", {}, "did you mean resnet18"),
    ],
)
def test_mistakes_are_told(name, options, sentence):
    with pytest.raises(StriateError, match=sentence):
        on_meta(name, **options)


@pytest.mark.parametrize("name", ["ResNet-18", "RESNET18", "Res-Net_18"])
def test_names_may_be_written_as_people_write_them(name):
    assert on_meta(name).name == "resnet18"
