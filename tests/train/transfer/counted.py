"""Features that are made by an engine which counts what it is given."""

import torch
from made import dataset

from striate.data.batches import Batches
from striate.data.normalise import normalised
from striate.engine.fastest import Engine
from striate.engine.runners import pytorch
from striate.nets.build import net
from striate.preprocess import Preprocess
from striate.train.transfer.cut import cut
from striate.train.transfer.features import features

INPUT = Preprocess(size=(16, 16), resize=18)
SMALL = "conv 3x3x4 p1 nobias, bn, relu, maxpool 2, conv 3x3x8 p1, relu, maxpool 2, dropout 0.5, fc 2"
COUNT = 40


def front(seed: int = 0):
    return cut(net(SMALL, input="16x16x3", seed=seed), "all").front


class Counted:
    """PyTorch as the engine; counts the views that it is given, and may stop."""

    def __init__(self, stop: int = 10**9, change=lambda outputs: outputs):
        self.made = self.views = 0
        self.stop, self.change = stop, change

    def __call__(self, module, example) -> Engine:
        self.made += 1
        run = pytorch(module.eval(), torch.device("cpu"), "float32")

        def counting(batch):
            if self.views >= self.stop:
                raise KeyboardInterrupt
            self.views += len(batch)
            return self.change(run(batch))

        return Engine("counted", "float32", counting)


def computed(data, module=None, **settings):
    settings = {"engine": Counted(), "keeping": "full", "workers": 2} | settings
    return features(module or front(), data, INPUT, **settings)


def expected_of(contents) -> torch.Tensor:
    plain = torch.cat([normalised(b.pixels, INPUT) for b in Batches(dataset(contents), INPUT, cache="off")])
    with torch.no_grad():
        return torch.stack([front()(plain), front()(plain.flip(3))], 1)
