"""A small network with every kind of tensor, and the sentence that a user gets when its weights are refused."""

import pytest
import torch
from pattern import weight

from striate.errors import WeightsError
from striate.nets.build import net

SMALL = "conv 3x3x4 p1 nobias, bn, relu, maxpool 2, conv 3x3x8, relu, globalpool, flatten, fc 5"


def small(**more):
    return net(SMALL, input="12x12x3", **more)


def small_state() -> dict[str, torch.Tensor]:
    state = small().state_dict()
    return {
        name: weight(name, tuple(t.shape)) if t.is_floating_point() else torch.tensor(7) for name, t in state.items()
    }


def refused(layers=SMALL, **more) -> str:
    """The one sentence that a user gets."""
    with pytest.raises(WeightsError) as caught:
        net(layers, **({"input": "12x12x3"} if layers == SMALL else {}), **more)
    message = str(caught.value)
    assert "\n" not in message
    return message
