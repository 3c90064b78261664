"""Random numbers with an address."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.randomness import Purpose, generator, normals, uniforms
from striate.errors import StriateError

whole = st.integers(0, 2**64 - 1)


def philox(key: tuple[int, int], counter: tuple[int, int, int, int]) -> list[int]:
    """Salmon and others' Philox 4×64 with ten rounds, from the paper."""
    mask, (k0, k1), (x0, x1, x2, x3) = 2**64 - 1, key, counter
    for _ in range(10):
        p, q = 0xD2E7470EE14C6C93 * x0, 0xCA5A826395121157 * x2
        x0, x1, x2, x3 = (q >> 64) ^ x1 ^ k0, q & mask, (p >> 64) ^ x3 ^ k1, p & mask
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & mask, (k1 + 0xBB67AE8584CAA73B) & mask
    return [x0, x1, x2, x3]


@given(whole, whole, whole, st.sampled_from(Purpose))
def test_they_are_philox_at_the_address(seed, epoch, sample, purpose):
    words = [word for count in (1, 2) for word in philox((seed, purpose), (count, sample, epoch, 0))]
    assert uniforms(seed, epoch, sample, purpose, 7).tolist() == [(word >> 11) / 2**53 for word in words[:7]]


def test_they_never_change():
    told = uniforms(1, 2, 3, Purpose.DISTORT, 3).tolist()
    assert told == [0.7177444577629966, 0.6588312986854017, 0.6841675948531574]
    assert {purpose.name: purpose.value for purpose in Purpose}.items() >= {"ORDER": 1, "DISTORT": 2, "MIX": 3}.items()


def test_who_draws_beside_it_changes_nothing():
    def drawn(sample: int) -> list[float]:
        return uniforms(3, 2, sample, Purpose.DISTORT, 9).tolist()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(drawn, range(400))) == [drawn(sample) for sample in range(400)]
    order, beside = generator(0, 1, Purpose.ORDER), generator(0, 1, Purpose.ORDER)
    for _ in range(3):
        uniforms(4, 5, 6, Purpose.VIEW, 3)
        assert order.random() == beside.random()


def test_neighbours_have_nothing_in_common():
    at = [(s, e, n, p) for s in range(4) for e in range(4) for n in range(32) for p in (Purpose.DISTORT, Purpose.MIX)]
    numbers = np.array([uniforms(*address[:3], address[3], 16) for address in at])  # (addresses, numbers)
    assert len(np.unique(numbers)) == numbers.size
    assert np.abs(np.corrcoef(numbers.T) - np.eye(16)).max() < 0.15
    # each of 16 cells as often as the others: the sum of squares is of chi-square's 15 degrees of freedom
    counts = np.bincount((numbers * 16).astype(int).ravel(), minlength=16)
    assert ((counts - numbers.size / 16) ** 2 / (numbers.size / 16)).sum() < 38  # one in a thousand is above


def test_normal_numbers_are_normal():
    values = normals(uniforms(0, 0, 0, Purpose.DISTORT, 20_000))
    assert len(values) == 20_000
    np.testing.assert_allclose(
        [values.mean(), values.std(), (values**3).mean(), (values**4).mean()], [0, 1, 0, 3], atol=0.1
    )
    assert np.isfinite(normals(np.array([0.0, 0.0, 1 - 2.0**-53, 0.5]))).all()


def test_a_generator_is_that_of_its_address():
    orders = [generator(0, epoch, Purpose.ORDER).permutation(50).tolist() for epoch in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]
    assert generator(0, 0, Purpose.MIX, 1).random() != generator(0, 0, Purpose.MIX, 2).random()


@pytest.mark.parametrize("address", [(-1, 0, 0), (0, 2**64, 0), (0, 0, 1.5)])
def test_addresses_are_whole_numbers(address):
    seed, epoch, sample = address
    with pytest.raises(StriateError, match="are whole numbers from 0 to 2\\^64 − 1, but are"):
        uniforms(seed, epoch, sample, Purpose.ORDER, 1)
