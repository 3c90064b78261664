"""Training on batches of features is training on pictures behind a frozen front."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made import dataset, encoded, photo
from torch.nn.functional import cross_entropy

from striate.data.batches import Batches
from striate.data.normalise import normalised
from striate.engine.fastest import fastest
from striate.errors import DataError, StriateError
from striate.nets.build import net
from striate.preprocess import Preprocess
from striate.train.transfer.cut import cut
from striate.train.transfer.features import Features, features
from striate.train.transfer.feed import FeatureBatches
from striate.train.transfer.views import Views

INPUT = Preprocess(size=(16, 16), resize=18)
DEEP = "conv 3x3x4 p1 nobias, bn, relu, maxpool 2, conv 3x3x8 p1, bn, relu, maxpool 2, dropout 0.3, fc 16, relu, fc 2"
COUNT = 37


def features_of(values: np.ndarray, labels=None) -> Features:
    """Features that need no pictures; a picture's number is its row."""
    return Features({"features": values}, dataset([b""] * len(values), labels), "key")


def numbered(count: int, views: int) -> Features:
    """Each number tells of which picture and view it is."""
    return features_of((10 * np.arange(count)[:, None, None] + np.arange(views)[:, None]).astype(np.float32))


@pytest.mark.parametrize(("depth", "precision"), [("all", "full"), ("stage1", "full"), ("stage1", "half")])
def test_learning_from_features_is_learning_behind_a_frozen_front(depth, precision):
    data = dataset([encoded(photo(number, 24, 30)) for number in range(COUNT)])
    nets = [net(DEEP, input="16x16x3", seed=4) for _ in range(2)]
    kept, live = (cut(one, depth) for one in nets)
    made = features(kept.front, data, INPUT, views=Views(1), keeping=precision, workers=1, engine=fastest)
    plain = next(iter(Batches(data, INPUT, cache="off", batch_size=COUNT)))
    pictures = dict(zip(plain.rows.tolist(), normalised(plain.pixels, INPUT), strict=True))
    optimisers = [torch.optim.SGD(half.rest.parameters(), 0.05, momentum=0.9) for half in (kept, live)]
    batches = FeatureBatches(made, batch_size=8, seed=2)
    steps = 0
    for _ in range(3):
        for batch in batches:
            inputs = batch.pixels, live.front(torch.stack([pictures[row] for row in batch.rows.tolist()]))
            for half, optimiser, x in zip((kept, live), optimisers, inputs, strict=True):
                torch.manual_seed(steps)
                optimiser.zero_grad()
                cross_entropy(half.rest.train()(x), batch.labels).backward()
                optimiser.step()
            steps += 1
    assert steps == 15
    before = net(DEEP, input="16x16x3", seed=4).state_dict()
    off = moved = 0.0
    for name, value in nets[1].state_dict().items():
        off = max(off, float((nets[0].state_dict()[name] - value).abs().max()))
        moved = max(moved, float((before[name] - value).abs().max()))
    assert moved > 0.1
    assert off < (1e-6 if precision == "full" else 1e-2)
    assert precision == "full" or off > 1e-6  # half precision is another training, a little


@given(count=st.integers(1, 50), size=st.integers(1, 12), views=st.integers(1, 3), epochs=st.integers(1, 3))
def test_every_picture_comes_once_in_an_epoch(count, size, views, epochs):
    batches = FeatureBatches(numbered(count, views), batch_size=size, seed=5)
    orders = []
    for epoch in range(epochs):
        seen = list(batches)
        assert len(seen) == len(batches)
        assert [(batch.epoch, batch.number) for batch in seen] == [(epoch, number) for number in range(len(seen))]
        rows = np.concatenate([batch.rows for batch in seen])
        numbers = torch.cat([batch.pixels for batch in seen])[:, 0].numpy()
        assert sorted(rows) == list(range(count))
        np.testing.assert_array_equal(numbers // 10, rows)
        assert set(numbers % 10) <= set(range(views))
        np.testing.assert_array_equal(torch.cat([batch.labels for batch in seen]), rows % 2)
        assert all(2 * len(batch) >= size for batch in seen[1:])
        orders.append(tuple(rows))
    assert count < 10 or len(set(orders)) == epochs


def test_the_order_is_that_of_pictures():
    data = dataset([encoded(photo(number)) for number in range(20)])
    pictures = Batches(data, INPUT, batch_size=6, distortion="light", seed=3, cache="off")
    ours = FeatureBatches(features_of(np.zeros((20, 1, 2))), batch_size=6, seed=3)
    for _ in range(2):
        for one, other in zip(pictures, ours, strict=True):
            np.testing.assert_array_equal(one.rows, other.rows)


def test_views_are_drawn_evenly_and_anew():
    batches = FeatureBatches(numbered(300, 3), batch_size=300)
    drawn = []
    for _ in range(4):
        (batch,) = batches
        drawn.append((batch.pixels[:, 0] % 10)[np.argsort(batch.rows)])
    counts = torch.stack(drawn).int().ravel().bincount().tolist()
    assert all(330 < number < 470 for number in counts)
    assert not torch.equal(drawn[0], drawn[1])


def test_judging_sees_the_plain_view_in_order():
    batches = FeatureBatches(numbered(9, 3), batch_size=4, learning=False)
    for _ in range(2):
        seen = list(batches)
        assert [len(batch) for batch in seen] == [4, 4, 1]
        assert torch.cat([batch.pixels for batch in seen])[:, 0].tolist() == [10 * row for row in range(9)]


@given(stop=st.integers(0, 20))
def test_it_goes_on_where_it_stopped(stop):
    def endless(batches):
        while True:
            yield from batches

    whole, first, again = (FeatureBatches(numbered(23, 2), batch_size=5, seed=1) for _ in range(3))
    every = [batch for batch, _ in zip(endless(whole), range(stop + 5), strict=False)]
    for _ in zip(range(stop), endless(first), strict=False):
        pass
    again.resume(first.state())
    for batch, expected in zip(endless(again), every[stop:], strict=False):
        assert (batch.epoch, batch.number) == (expected.epoch, expected.number)
        np.testing.assert_array_equal(batch.rows, expected.rows)
        assert torch.equal(batch.pixels, expected.pixels)


def test_a_state_of_other_features_is_refused():
    state = FeatureBatches(numbered(9, 2), batch_size=5).state()
    with pytest.raises(DataError, match="batch size"):
        FeatureBatches(numbered(9, 2), batch_size=4).resume(state)
    other = Features({"features": np.zeros((9, 2, 1))}, numbered(9, 2).data, "another key")
    with pytest.raises(DataError, match="another key"):
        FeatureBatches(other, batch_size=5).resume(state)
    with pytest.raises(StriateError, match="pictures in a batch"):
        FeatureBatches(numbered(9, 2), batch_size=0)


def test_several_labels_and_parts_of_several_processes():
    labels = np.arange(16).reshape(8, 2) % 3 == 0
    parts = [FeatureBatches(features_of(np.zeros((8, 1, 2)), labels), rank=rank, world=2) for rank in (0, 1)]
    seen = [batch for part in parts for batch in part]
    assert sorted(np.concatenate([batch.rows for batch in seen])) == list(range(8))
    for batch in seen:
        assert batch.labels.dtype == torch.float32
        np.testing.assert_array_equal(batch.labels, labels[batch.rows])


def test_balanced_classes_come_equally_often():
    labels = np.array([0] * 90 + [1] * 10)
    batches = FeatureBatches(features_of(np.zeros((100, 2, 1)), labels), batch_size=100, balanced=True)
    share = np.mean([float(batch.labels.float().mean()) for _ in range(20) for batch in batches])
    assert 0.4 < share < 0.6


def test_a_picture_that_comes_twice_is_seen_in_several_views():
    made = features_of(numbered(20, 3).arrays["features"], [0] * 19 + [1])
    (batch,) = FeatureBatches(made, batch_size=20, balanced=True)
    again = batch.pixels[batch.rows == 19, 0] % 10
    assert len(again) > 5
    assert len(set(again.tolist())) > 1
