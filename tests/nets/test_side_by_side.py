"""Networks side by side, beside the mean of what each says alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from scipy.special import expit, softmax

from striate.data.normalise import normalised
from striate.errors import StriateError
from striate.nets.build import net
from striate.nets.ensemble import common_input, ensemble, mean_answer
from striate.preprocess import Preprocess

TEXT = "conv 3x3x4 same, relu, globalpool, fc 3"
OWN = Preprocess(size=(8, 8), resize=None)


def member(seed, preprocess=OWN, classes=("ash", "elm", "oak")):
    made = net(TEXT, input=(8, 8, 3), classes=list(classes), seed=seed)
    made.preprocess = preprocess
    return made.eval()


@given(some.integers(0, 10**6), some.integers(1, 5), some.booleans(), some.sampled_from([0.1, 1.0, 30.0]))
def test_the_answer_is_the_mean_of_probabilities(seed, members, several, size):
    scores = size * np.random.default_rng(seed).normal(size=(4, members, 3))
    found = mean_answer(torch.from_numpy(scores), several).numpy()
    if several:
        assert np.allclose(expit(found), expit(scores).mean(1))
    else:
        assert np.allclose(np.exp(found), softmax(scores, axis=2).mean(1))


@pytest.mark.parametrize("several", [True, False])
def test_no_probability_becomes_0(several):
    scores = torch.tensor([[[500.0, -500.0], [400.0, -400.0]]])
    found = mean_answer(scores, several)
    assert torch.isfinite(found).all()
    assert found[0, 0] - found[0, 1] > 700


@pytest.mark.parametrize(
    "other",
    [
        OWN,
        Preprocess(size=(8, 8), resize=None, mean=(0.5,) * 3, std=(0.2, 0.3, 0.4)),
        Preprocess(size=(8, 8), resize=None, channels="BGR", scale=255, mean=(104.0, 117.0, 123.0), std=(1.0,) * 3),
    ],
)
@pytest.mark.parametrize("several", [True, False])
def test_each_network_sees_pixels_in_its_own_way_and_classes_are_matched_by_name(other, several):
    members = [member(1), member(2, other, ("oak", "ash", "elm"))]
    whole = ensemble(members, several).eval()
    assert whole.preprocess
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8))
    turn = expit if several else lambda scores: softmax(scores, axis=1)
    with torch.inference_mode():
        each = [
            turn(one(normalised(pixels, own)).double().numpy()) for one, own in zip(members, (OWN, other), strict=True)
        ]
        found = turn(whole(normalised(pixels, whole.preprocess)).double().numpy())
    assert np.allclose(found, (each[0] + each[1][:, [1, 2, 0]]) / 2, atol=1e-6)
    assert whole.classes == ("ash", "elm", "oak")
    assert whole.preprocess == OWN or other != OWN


def test_its_weights_are_those_of_its_members_and_nothing_else():
    other = Preprocess(size=(8, 8), resize=None, mean=(0.5,) * 3)
    members = [member(1), member(2, other, ("oak", "ash", "elm"))]
    weights = ensemble(members, False).state_dict()
    assert len(weights) == sum(len(one.state_dict()) for one in members)
    assert all(weights[f"members.1.net.{name}"] is not None for name in members[1].state_dict())


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (Preprocess(size=(9, 9), resize=None), r"there are size \(8, 8\) and \(9, 9\)"),
        (Preprocess(size=(8, 8), resize=12), "resize None and 12"),
        (Preprocess(size=(8, 8), resize=None, interpolation="bicubic"), "interpolation bilinear and bicubic"),
        (Preprocess(size=(8, 8), resize=None, channels="L", mean=(0.5,), std=(0.5,)), "channels RGB and L"),
    ],
)
def test_other_pixels_are_refused(other, sentence):
    with pytest.raises(StriateError, match=sentence):
        common_input([OWN, OWN, other])
