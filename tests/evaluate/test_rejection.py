"""Saying "don't know", beside trying every threshold."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from striate.evaluate.rejection import coverage, rejection

TOLD = some.lists(some.tuples(some.sampled_from([0.3, 0.5, 0.7, 0.9, 1.0]), some.booleans()), min_size=1, max_size=40)


@given(TOLD, some.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_no_lower_threshold_is_right_as_often(told, wanted):
    sure, right = (np.array(column) for column in zip(*told, strict=True))
    fitting = [least for least in np.unique(sure) if right[sure >= least].mean() >= wanted]
    found = rejection(sure, right, wanted)
    if not fitting:
        assert found is None
        return
    assert found is not None
    assert found.least == min(fitting)
    assert found.answered == (sure >= found.least).mean()
    assert found.right == right[sure >= found.least].mean()
    assert found.low <= found.right <= found.high
    assert f'"don\'t know" below a probability of {found.least:.3f}' in found.sentence


@given(TOLD)
def test_coverage_ends_with_all_pictures(told):
    sure, right = (np.array(column) for column in zip(*told, strict=True))
    line = coverage(sure, right)
    assert np.allclose(line[-1], (100, 100 * right.mean()))
    assert len(line) == len(np.unique(sure))
