"""Losses that are not numbers, and memory that is full."""

import pytest
import torch
from training import NET, assert_equal_tensors, newest, pictures, step

from striate.errors import StriateError
from striate.train import loop, work
from striate.train.learn.loss import Loss
from striate.train.train import train

PLAIN = "conv 3x3x8 same, relu, maxpool 2, dropout 0.2, fc 32, relu, fc 3"
SETTINGS = {"size": "16x16", "batch_size": 8, "epochs": 2, "precision": "float32", "quiet": True}


@pytest.fixture
def photos(tmp_path):
    return pictures(tmp_path / "photos")


def test_a_loss_that_is_no_number_names_the_pictures_and_keeps_the_checkpoint(photos, tmp_path, monkeypatch):
    computed, calls = Loss.__call__, []

    def spoiled(self, *arguments):
        calls.append(1)
        return computed(self, *arguments) * (float("nan") if len(calls) == 14 else 1)  # 10 steps, 1 validation

    monkeypatch.setattr(work, "_settled", lambda plan, around, *_: (plan, around))  # the trial computes losses, too
    monkeypatch.setattr(Loss, "__call__", spoiled)
    told = (
        r"the loss is nan in batch 3 of epoch 2 \(step 12\); most likely the learning rate is too high: try --lr \S+, "
        r"or --clip 1. The last checkpoint is as it was. The batch held ([abc]/\d\d\.png, ){7}[abc]/\d\d\.png$"
    )
    with pytest.raises(StriateError, match=told):
        train(photos, NET, **SETTINGS, output=tmp_path / "run")
    assert step(tmp_path / "run") == 10
    run = train(resume=tmp_path / "run", quiet=True)
    assert run and run.result
    whole = train(photos, NET, **SETTINGS, output=tmp_path / "whole")
    assert whole
    assert_equal_tensors(newest(run.folder)[0], newest(whole.folder)[0])


def test_a_rate_far_too_high_ends_in_a_sentence(photos, tmp_path):
    with pytest.raises(StriateError, match=r"most likely the learning rate is too high|that are not finite"):
        train(photos, PLAIN, **SETTINGS, lr=1000.0, optimizer="sgd", clip=0.0, output=tmp_path / "run")
    tensors, _ = newest(tmp_path / "run")
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def small_memory(monkeypatch, most: int) -> None:
    """From the fifth step on, the memory holds so many pictures."""
    gradient = loop._gradient

    def limited(learner, job, batch):
        if learner.step < 4:
            return gradient(learner, job, batch)

        def check(module, inputs):
            if len(inputs[0]) > most and module.training:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

        hook = learner.network.register_forward_pre_hook(check)
        try:
            return gradient(learner, job, batch)
        finally:
            hook.remove()

    monkeypatch.setattr(loop, "_gradient", limited)


def test_a_full_memory_makes_the_parts_of_a_batch_smaller(photos, tmp_path, monkeypatch, capfd):
    settings = SETTINGS | {"precision": "float64", "lr": 0.01, "quiet": False, "distortion": "light"}
    plain = PLAIN.replace("dropout 0.2, ", "")  # its choices depend on the parts
    settings["batch_size"] = "auto"
    whole = train(photos, plain, **settings, output=tmp_path / "whole")
    assert whole
    small_memory(monkeypatch, whole.recipe.batch_size // 4)
    parts = train(photos, plain, **settings, output=tmp_path / "parts")
    assert "the memory does not hold" in capfd.readouterr().err
    assert parts and parts.recipe.batch_size == whole.recipe.batch_size
    (ours, about), (theirs, _) = newest(parts.folder), newest(whole.folder)
    assert about["accumulate"] > 1
    for name, tensor in ours.items():
        assert torch.allclose(tensor, theirs[name], rtol=1e-9, atol=1e-9), name
    pictures_seen = [line["training"] for line in parts.history if line["kind"] == "epoch"]
    assert pictures_seen == [pytest.approx(line["training"]) for line in whole.history if line["kind"] == "epoch"]


def test_a_full_memory_is_told_with_a_way_out(photos, tmp_path, monkeypatch):
    small_memory(monkeypatch, 2)
    told = "the memory does not hold a training step of 8 pictures; --accumulate 2 would compute .* --batch-size auto"
    with pytest.raises(StriateError, match=told):
        train(photos, PLAIN, **SETTINGS, output=tmp_path / "run")
