"""Batches of views: each picture has its own map, colours, blur and rectangle."""

import numpy as np
import pytest
import torch

from striate.data.distort.distortion import distortion
from striate.data.distort.draw import Drawn
from striate.data.distort.warp import reading, warp
from striate.data.distort.warp_torch import warp_batch
from striate.errors import StriateError


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("text", ["photo", "strong, blur 0.5, erase 0.5", "none"])
def test_a_batch_is_its_pictures_one_by_one(channels, text):
    pictures = torch.randint(0, 256, (12, channels, 130, 170), dtype=torch.uint8, generator=torch.manual_seed(0))
    drawns = [distortion(text).draw((130, 170), (32, 40), 5, 0, sample) for sample in range(12)]
    if text == "strong, blur 0.5, erase 0.5":
        assert len({reading(drawn).halvings for drawn in drawns}) > 2
        assert len({drawn.blur for drawn in drawns}) > 3
    views = warp_batch(pictures, drawns)
    assert views.dtype == torch.uint8
    for view, picture, drawn in zip(views, pictures, drawns, strict=True):
        np.testing.assert_array_equal(view, warp_batch(picture[None], [drawn])[0])
        by_opencv = warp(np.ascontiguousarray(np.moveaxis(picture.numpy(), 0, 2)), drawn)
        apart = np.abs(np.moveaxis(view.numpy(), 0, 2).astype(int) - by_opencv)
        assert apart.max() <= 1
        assert (apart > 0).mean() < 0.01


def test_pictures_stay_as_they_are():
    pictures = torch.randint(0, 256, (2, 3, 30, 30), dtype=torch.uint8)
    before = pictures.clone()
    warp_batch(pictures, [distortion("strong, erase 1").draw((30, 30), (8, 8), 0, 0, n) for n in range(2)])
    assert torch.equal(pictures, before)


def test_views_of_several_sizes_are_no_batch():
    pictures = torch.zeros((2, 3, 8, 8), dtype=torch.uint8)
    same = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    with pytest.raises(
        StriateError, match="a batch of 2 pictures becomes as many views of one size, but 2 were drawn, of 2"
    ):
        warp_batch(pictures, [Drawn((4, 4), same), Drawn((4, 5), same)])
    with pytest.raises(StriateError, match="but 1 were drawn"):
        warp_batch(pictures, [Drawn((4, 4), same)])
