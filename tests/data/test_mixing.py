"""Mixup and CutMix on batches."""

import pytest
import torch

from striate.data.distort.mixing import Mixing, mix
from striate.errors import StriateError

CLASSES = 5
PIXELS = torch.randn(8, 3, 12, 10, generator=torch.manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])
SHARES = torch.nn.functional.one_hot(LABELS, CLASSES).float()


def mixed(mixing: Mixing, batch: int = 0, pixels=PIXELS, labels=LABELS, epoch: int = 0):
    return mix(pixels, labels, mixing, CLASSES, seed=3, epoch=epoch, batch=batch)


def partners(pixels: torch.Tensor, kept: float) -> list[int]:
    """With which picture each one is blended, found by trying all."""
    found = []
    for picture, result in zip(PIXELS, pixels, strict=True):
        apart = [(result - (kept * picture + (1 - kept) * other)).abs().max().item() for other in PIXELS]
        found.append(min(range(len(apart)), key=apart.__getitem__))
        assert min(apart) < 1e-6
    return found


def test_mixup_blends_pictures_and_labels_alike():
    shares_kept = []
    for batch in range(20):
        pixels, labels = mixed(Mixing(mixup=1), batch)
        torch.testing.assert_close(labels.sum(1), torch.ones(8))
        # a picture that is mixed with another class tells the share
        kept = next((row[label].item() for row, label in zip(labels, LABELS, strict=True) if row[label] < 1), 1.0)
        partner = partners(pixels, kept)
        assert sorted(partner) == list(range(8))
        torch.testing.assert_close(labels, kept * SHARES + (1 - kept) * SHARES[partner])
        shares_kept.append(kept)
    assert min(shares_kept) < 0.2
    assert max(shares_kept) > 0.8


def test_cutmix_pastes_a_rectangle_and_counts_its_true_area():
    areas = []
    for batch in range(40):
        pixels, labels = mixed(Mixing(cutmix=1), batch)
        pasted = (pixels != PIXELS).any(dim=1)  # (batch, height, width)
        changed = pasted.any(dim=2).any(dim=1)
        for row in changed.nonzero().ravel().tolist():
            ys, xs = pasted[row].nonzero(as_tuple=True)
            area = (ys.max() - ys.min() + 1) * (xs.max() - xs.min() + 1)
            assert area == pasted[row].sum()  # a full rectangle
            other = next(n for n in range(8) if torch.equal(PIXELS[n][:, pasted[row]], pixels[row][:, pasted[row]]))
            share = area.item() / 120
            torch.testing.assert_close(labels[row], (1 - share) * SHARES[row] + share * SHARES[other])
            areas.append(share)
    assert min(areas) < 0.1
    assert max(areas) > 0.8


def test_what_comes_in_stays_as_it_is():
    before = PIXELS.clone(), LABELS.clone(), SHARES.clone()
    for batch in range(5):
        mixed(Mixing(mixup=1, cutmix=1), batch)
        mixed(Mixing(mixup=1, cutmix=1), batch, labels=SHARES)
    for was, now in zip(before, (PIXELS, LABELS, SHARES), strict=True):
        assert torch.equal(was, now)


def test_the_address_decides_alone():
    first = mixed(Mixing(mixup=0.4, cutmix=1), 7)
    again = mixed(Mixing(mixup=0.4, cutmix=1), 7, labels=SHARES)
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    for other in (mixed(Mixing(mixup=0.4, cutmix=1), 8), mixed(Mixing(mixup=0.4, cutmix=1), 7, epoch=1)):
        assert not torch.equal(first[0], other[0])


def test_each_kind_comes_as_often_as_it_should():
    kinds = {"none": 0, "mixup": 0, "cutmix": 0}
    for batch in range(400):
        pixels, labels = mixed(Mixing(mixup=1, cutmix=1, probability=0.5), batch)
        same = (pixels == PIXELS).float().mean()
        if torch.equal(labels, SHARES) and same == 1:
            kinds["none"] += 1
        else:  # a blend changes every pixel of a picture that has a partner
            kept = torch.isclose(pixels, PIXELS, rtol=0, atol=1e-6).float().mean(dim=(1, 2, 3))
            kinds["cutmix" if ((kept > 0.05) & (kept < 1)).any() else "mixup"] += 1
    assert 160 < kinds["none"] < 260
    assert 70 < kinds["mixup"] < 140
    assert 70 < kinds["cutmix"] < 140


def test_half_precision_and_several_labels():
    several = torch.tensor([[1, 1, 0, 0, 0]] * 8)
    pixels, labels = mixed(Mixing(mixup=1), pixels=PIXELS.half(), labels=several)
    assert pixels.dtype == labels.dtype == torch.float16
    torch.testing.assert_close(labels, several.half(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("wrong", [{"mixup": -1}, {"cutmix": float("nan")}, {"probability": 1.1}])
def test_strengths_out_of_range(wrong):
    with pytest.raises(
        StriateError, match="mixup and cutmix are strengths from 0 to 100 and probability is from 0 to 1"
    ):
        Mixing(**wrong)
