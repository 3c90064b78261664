"""TensorBoard's scalars, by a stand-in for its writer."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

from striate.train.tell import events as module
from striate.train.tell.events import events

EPOCH = {
    "kind": "epoch",
    "epoch": 1.5,
    "step": 40,
    "training": {"loss": 0.5},
    "validation": {"loss": 0.7, "top1": 0.9},
    "lr": 0.1,
    "best": True,
}


class Writer:
    def __init__(self, folder):
        self.folder, self.scalars, self.closed = folder, [], False

    def add_scalar(self, tag, value, step):
        self.scalars.append((tag, value, step))

    def close(self):
        self.closed = True


def test_a_history_becomes_scalars(tmp_path, monkeypatch):
    package, inner = ModuleType("tensorboard"), ModuleType("torch.utils.tensorboard")
    package.__spec__ = ModuleSpec("tensorboard", None)
    made = []
    inner.SummaryWriter = lambda folder: made.append(Writer(folder)) or made[0]
    monkeypatch.setitem(sys.modules, "tensorboard", package)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", inner)
    writer = events(tmp_path)
    assert writer
    writer.add({"kind": "step", "step": 7, "loss": 1.5})
    writer.add({"kind": "note", "text": "nothing to draw"})
    writer.add(EPOCH)
    writer.close()
    assert made[0].folder == str(tmp_path / "events")
    assert made[0].closed
    assert made[0].scalars == [
        ("loss", 1.5, 7),
        ("epoch", 1.5, 40),
        ("training/loss", 0.5, 40),
        ("validation/loss", 0.7, 40),
        ("validation/top1", 0.9, 40),
        ("lr", 0.1, 40),
    ]


def test_without_tensorboard_there_are_no_events(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert events(tmp_path) is None
    assert not list(tmp_path.iterdir())
