"""Pieces side by side."""

import pytest
from threadpoolctl import threadpool_info

from striate.train.transfer.side import side_by_side


def threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_results_come_in_order_and_products_use_one_processor_meanwhile():
    before = threads()
    assert side_by_side(lambda piece: (piece, threads()), range(20)) == [(piece, {1}) for piece in range(20)]
    assert threads() == before


def test_a_mistake_in_a_piece_is_raised():
    before = threads()
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda piece: 1 / piece, [1, 0])
    assert threads() == before
