"""The layer notation: what it builds, prints, remarks and refuses."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from striate.errors import GeometryError, NotationError, StriateError
from striate.nets.build import net

odd = st.sampled_from((1, 3, 5))
details = st.builds(
    "{}{}{}".format,
    st.sampled_from(("", " s2", " s2x1")),
    st.sampled_from(("", " p1", " p0x2")),
    st.sampled_from(("", " d2")),
)
borders = st.sampled_from(("", " nobias", " reflect", " replicate", " circular"))
convolutions = st.builds("conv {}x{}x{}{}{}".format, odd, odd, st.integers(1, 6), details, borders)
simple = st.one_of(
    convolutions,
    st.builds("depthwise {}x{} same".format, odd, odd),
    st.builds(
        "{} {}{}{}".format,
        st.sampled_from(("maxpool", "avgpool")),
        st.integers(2, 3),
        st.sampled_from(("", " s1", " s2")),
        st.sampled_from(("", " ceil", " p1")),
    ),
    st.sampled_from(("relu", "tanh", "silu", "gelu", "leakyrelu", "identity", "bn", "bn eps 1e-3", "layernorm")),
    st.sampled_from(("lrn 5", "lrn 3 k 2", "dropout 0.3", "scale 0.5", "droppath 0.1")),
)


def grouped(items):
    body = st.lists(items, min_size=1, max_size=3).map(", ".join)
    return st.one_of(
        st.builds("({})".format, body),
        st.builds("({})x{}".format, body, st.integers(2, 3)),
        st.builds("(conv 3x3x4 p1, {} | conv 1x1x4)+".format, st.sampled_from(("relu", "bn", "sigmoid"))),
        st.builds("[conv 1x1x2, relu | conv 3x3x{} same | maxpool 3 s1 p1]".format, st.integers(1, 4)),
        st.just("(globalpool, conv 1x1x1, sigmoid)*"),
    )


layers = st.lists(st.one_of(simple, grouped(simple)), min_size=1, max_size=5)


@given(layers, st.sampled_from(("", ", fc 7", ", fc 8, relu, dropout 0.2, fc 7", ", globalpool, flatten, fc 7")))
def test_any_text_builds_what_it_says_or_is_refused(parts, head):
    text = ", ".join(parts) + head
    try:
        built = net(text, input="17x16x3").eval()
    except GeometryError as mistake:
        assert "layer " in str(mistake)
        return
    with torch.no_grad():
        before = built(torch.rand(2, 3, 17, 16, generator=torch.Generator().manual_seed(0)))
    again = net(built.notation).eval()
    assert again.notation == built.notation
    with torch.no_grad():  # the seed and the paths are the same, so the weights are, too
        assert torch.equal(again(torch.rand(2, 3, 17, 16, generator=torch.Generator().manual_seed(0))), before)


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("conv 5x5x6", nn.Conv2d(3, 6, 5)),
        ("conv 5 x 5 x 6, stride 2, pad 1", nn.Conv2d(3, 6, 5, 2, 1)),
        ("CONV1: 5×5×6 s=2 p=2", nn.Conv2d(3, 6, 5, 2, 2)),
        ("CONV1: 6 5x5 filters at stride 2, pad 1", nn.Conv2d(3, 6, 5, 2, 1)),
        ("conv f5 n6", nn.Conv2d(3, 6, 5)),
        ("conv 3x5x6 same", nn.Conv2d(3, 6, (3, 5), 1, (1, 2))),
        ("conv 3x3x6 g3 d2 nobias", nn.Conv2d(3, 6, 3, dilation=2, groups=3, bias=False)),
        ("conv 3x3x6 p1 mirror", nn.Conv2d(3, 6, 3, padding=1, padding_mode="reflect")),
        ("depthwise 3x3 p1", nn.Conv2d(3, 3, 3, padding=1, groups=3)),
        ("pointwise 8", nn.Conv2d(3, 8, 1)),
        ("MAX POOL2: 3x3 filters at stride 2", nn.MaxPool2d(3, 2)),
        ("average pool 2", nn.AvgPool2d(2)),
        ("maxpool 3x2 s2x1 p1 ceil", nn.MaxPool2d((3, 2), (2, 1), 1, ceil_mode=True)),
        ("global average pooling", nn.AdaptiveAvgPool2d(1)),
        ("NORM1: Normalization layer", nn.LocalResponseNorm(5)),
        ("batch normalization", nn.BatchNorm2d(3)),
    ],
)
def test_layers_may_be_written_as_notes_write_them(text, module):
    built = net(text, input="16x16x3")
    (made,) = (m for m in built.modules() if not isinstance(m, nn.Sequential))
    x = torch.rand(1, 3, 16, 16)
    module.load_state_dict(made.state_dict())
    assert torch.equal(made.eval()(x), module.eval()(x))


def test_a_list_from_lecture_notes_can_be_pasted():
    built = net(
        """
        [227x227x3] INPUT
        [55x55x96] CONV1: 96 11x11 filters at stride 4, pad 0
        [27x27x96] MAX POOL1: 3x3 filters at stride 2
        [27x27x96] NORM1: Normalization layer
        [27x27x256] CONV2: 256 5x5 filters at stride 1, pad 2
        [13x13x256] MAX POOL2: 3x3 filters at stride 2
        [13x13x256] NORM2: Normalization layer
        [13x13x384] CONV3: 384 3x3 filters at stride 1, pad 1
        [13x13x384] CONV4: 384 3x3 filters at stride 1, pad 1
        [13x13x256] CONV5: 256 3x3 filters at stride 1, pad 1
        [6x6x256] MAX POOL3: 3x3 filters at stride 2
        [4096] FC6: 4096 neurons
        [4096] FC7: 4096 neurons
        [1000] FC8: 1000 neurons (class scores)"""
    )
    assert sum(p.numel() for p in built.parameters()) == 62_378_344
    assert not any("the formula gives" in note for note in built.notes)
    assert any("no activation stands between" in note for note in built.notes)


def test_what_the_notes_print_wrongly_is_told():
    built = net("[54x54x96] CONV1: 11 x 11 x 96, Stride 4", input="227x227x3")
    assert "conv1: 11x11x96 stride 4: the text says 54×54×96, the formula gives 55×55×96" in built.notes


def test_rows_left_over_are_a_note():
    built = net("conv 3x3x4 s3, relu, fc 2", input="7x7x1")
    (note,) = built.notes
    assert note.startswith(
        "conv 3x3x4 s3: (7 + 2·0 − 3)/3 + 1 = 2.33 → 2: 1 row and 1 column are never seen; p 1 or s 2"
    )


def test_stages_can_be_named_and_blocks_repeated():
    built = net("stem: conv 3x3x8; body: ((conv 3x3x8 same, relu)+)x3; head: globalpool, fc 4", input="9x9x3")
    assert [name for name, _ in built.named_children()] == ["stem", "body", "head"]
    assert len(built["body"]) == 3
    assert "body: ((conv 3x3x8 p1, relu)+)x3" in built.notation


def test_a_list_of_layers_mixes_texts_and_modules():
    layers = ["conv 5x5x6", nn.ReLU(), "maxpool 2", nn.LazyConv2d(16, 5), "relu, maxpool 2", "fc 10"]
    built = net(layers, input="32x32x3")
    assert [name for name, _ in built.named_children()] == ["stage1", "stage2", "head"]
    assert built(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    with pytest.raises(GeometryError, match="cannot take 28×28×6"):
        net(["conv 5x5x6", nn.Conv2d(3, 8, 3)], input="32x32x3")


@pytest.mark.parametrize(
    "text",
    [
        "conv 3x3x4, bn eps 1.23456789e-5, lrn 5 k 1e6, dropout 0.123456789, scale 1234567.5, fc 2",
        "globalpool, flatten, flatten, fc 3",
        "fc 8, flatten, fc 4",
        "(flatten, fc 9)x2, fc 4",
        "relu, aux (flatten, fc 3), fc 4",
    ],
)
def test_no_digit_and_no_layer_is_lost_on_the_way_back(text):
    built = net(text, input="8x8x3")
    again = net(built.notation)
    assert str(again) == str(built)
    assert again.notation == built.notation


@pytest.mark.parametrize(
    "module",
    [
        nn.LeakyReLU(0.3),
        nn.GELU("tanh"),
        nn.AvgPool2d(2, count_include_pad=False),
        nn.Softmax(2),
        nn.Flatten(2),
        nn.BatchNorm2d(3, affine=False),
        nn.Conv2d(3, 4, 3, padding="same"),
        nn.AdaptiveAvgPool2d((7, None)),
        nn.Dropout(1),
        nn.PReLU(),
        type("Odd", (nn.ReLU,), {"forward": lambda self, x: x})(),
    ],
    ids=str,
)
def test_a_layer_that_words_cannot_make_again_is_not_written(module):
    with pytest.raises(NotationError, match="the layer notation has no word"):
        _ = net([module], input="8x8x3").notation


def test_ready_modules_run_in_evaluation_and_count_as_layers():
    built = net(["conv 5x5x6, globalpool", nn.BatchNorm2d(6), nn.ReLU(), "conv 1x1x4"], input="8x8x3")
    assert built.notes == [
        "the network ends in a map of 1×1×4; end it with fc, or with globalpool and flatten, to classify"
    ]
    assert built[0][0].training
    assert isinstance(net([nn.ReLU(inplace=True), "fc 2"], input="8x8x3").notation, str)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "at least one layer"),
        ("conv 5x5x6, rel", "layer 2: no layer or detail of one is called 'rel'; did you mean relu"),
        ("cnov 3x3x3", "layer 1: no layer or detail of one is called 'cnov'; did you mean conv"),
        ("conv 3x3", "needs its number of filters, as in conv 3x3x16"),
        ("conv 3x3x4x5", "height x width x filters"),
        ("conv", "conv needs its window"),
        ("conv 3x3x4 5", "one number too many"),
        ("conv 3x3x4 s0", "layer 1, 'conv 3x3x4 s0', gets 32×32×3: a stride .* at least 1, but is 0"),
        ("conv 3x3x4 s2.5", "a stride must be a whole number .* but is 2.5"),
        ("conv 3x3x4 s1x2x3", "one number, or height x width"),
        ("conv 3x3x4 s2 stride 3", "'s' is given twice"),
        ("conv -3x3x4", "a window .* at least 1, but is -3"),
        ("conv 3x3x0", "number of filters .* but is 0"),
        ("conv 3x3x4 p-1", "a padding .* at least 0, but is -1"),
        ("conv 3x3x4 p40 reflect", "a reflect border can be at most 31 wide on a side of 32, but p is 40"),
        ("conv 3x3x4 reflect circular", "has one border"),
        ("conv 3x3x4 g2", "groups must divide .* 2 groups get 3 channels and 4 filters"),
        ("conv 2x2x4 same", "f must be odd, but f is 2×2"),
        ("conv 3x3x4 same p1", "padding is given twice"),
        ("conv 3x3x4 valid p1", "valid means no padding"),
        ("conv 40x40x4", "40 on 32 leaves no output; f 32 or less, p 4 or more"),
        ("conv 5x5x6, maxpool 99", "layer 2, 'maxpool 99', gets 28×28×6: .* 99 on 28"),
        ("maxpool 2 p2", "at most half its window, 1, but p is 2"),
        ("maxpool 3x3x8", "keeps the number of channels"),
        ("maxpool 2 nobias", "maxpool has no 'nobias'; it takes ceil"),
        ("relu 3", "relu takes no numbers"),
        ("fc", "fc needs its number of outputs"),
        ("fc 10 s2", "fc has no option 's'"),
        ("fc 10, conv 3x3x3", "works on a map .* gets a vector of 10"),
        ("fc 0", "outputs of fc must be a whole number of at least 1, but is 0"),
        ("fc ten", "layer 2: no layer or detail of one is called 'ten'"),
        ("bn eps nan", "'eps' is a detail of a layer and needs its number"),
        ("conv 3.5x3x8", "a window must be a whole number .* but is 3.5"),
        ("conv 3x3x999999999999", "number of filters can be at most 10,000,000, but is 999,999,999,999"),
        ("conv 1x1x9999999, relu, conv 32x32x9999999 p9999999", "for its weights, which cpu does not give"),
        ("(conv 1x1x9999999, relu, conv 9999x9999x9999999 p9999999)", "more weights than can be counted"),
        ("(" * 2000 + "relu" + ")" * 2000, "groups can stand 50 deep"),
        ("[" * 2000, "groups can stand 50 deep"),
        ("((((relu)x1000)x1000)x1000)", "can have 10,000 layers"),
        ("conv 3x3x1e400", "number of filters must be a whole number .* but is inf"),
        ("(relu)x" + "9" * 5000, "1 to 1000 times"),
        ("dropout 0.5 p0.3", "dropout takes one number, but 'dropout 0.5 p0.3' has 2"),
        ("fc 10 n20", "fc takes one number"),
        ("conv 5x5x6 n8", "one number too many"),
        ("depthwise 3x3x32", "one filter for each channel, .* conv 3x3x6 g3 has two"),
        ("aux (relu | relu)+, fc 2", "a side head is written"),
        ("aux (fc 10)x3, fc 2", "a side head is written"),
        ("()x9", "a group needs at least one layer"),
        ("fc 2.5", "outputs of fc must be a whole number"),
        ("dropout 3", "at least 0 and below 1, but 3"),
        ("adaptpool", "adaptpool needs the size"),
        ("widen 2", "widen can only add channels, but 3 arrive and 2"),
        ("(conv 3x3x8)+", "32×32×3, to its body's output, 30×30×8, .* same padding"),
        ("(conv 3x3x8 p1)+", r"\( … \| conv 1x1x8 \)\+ would fit"),
        ("(conv 3x3x8 p1 s2)+", r"\( … \| conv 1x1x8 s2 \)\+ would fit"),
        ("(conv 3x3x8 | conv 1x1x8)+", "adds its shortcut, 32×32×8"),
        ("[conv 3x3x3 | conv 1x1x2]", "height and width must agree, but they are 30×30×3, 32×32×2"),
        ("(conv 1x1x5)*", "a gate multiplies"),
        ("(relu", r"opened and not closed; '\)' is missing"),
        ("relu)", "was not opened"),
        ("(relu]", r"must be closed with '\)'"),
        ("(relu | relu)", "'|' divides branches"),
        ("(relu)x0", "1 to 1000 times, but x0"),
        ("aux relu", r"written aux \( … \)"),
        ("relu, input 3x3x3", "stands once, before all layers"),
        ("relu $", "'\\$' does not belong to a layer"),
        ("(5x5)", "'5x5' does not belong to a layer"),
        ("a: relu, a: relu", "two stages are called 'a'"),
        ("relu, a: relu", "the first layers have none"),
        ("a: relu, b:", "stage 'b' has no layers"),
        ("forward: relu", "cannot be called 'forward'"),
        ("train: relu", "cannot be called 'train'"),
    ],
)
def test_mistakes_say_where_and_what_would_fit(text, sentence):
    with pytest.raises(StriateError, match=sentence) as caught:
        net(text, input="32x32x3")
    assert "\n" not in str(caught.value)


def test_a_text_needs_an_input():
    with pytest.raises(StriateError, match="needs the size of its input"):
        net("conv 3x3x4, relu")
    assert net("input 8x9x1, conv 3x3x4").input == (8, 9, 1)
    with pytest.raises(NotationError, match="layers only"):
        net(["a: relu"], input="3x3x3")


@given(st.text(alphabet="conv maxpolfcrelu 0123456789x()[]|+*:,.-spg\n", max_size=60))
def test_no_text_ends_in_another_exception(text):
    try:
        with torch.device("meta"):
            net(text, input="9x9x3")
    except StriateError:
        pass
