"""Answers without any network: which are told, in which order, and how many pictures wait in memory."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from striate.pictures.decode import Decoded
from striate.ship.answering import AHEAD, AT_ONCE, Asked, Said, Source, answered
from striate.ship.predict import _predictions


def fake(classes: tuple[str, ...], several: bool) -> Asked:
    """A network that is never asked."""
    return Asked(classes, several, {}, lambda content, name: Decoded(np.zeros(1)), lambda fitted: fitted)


SHARES = some.lists(some.floats(0, 1, width=32), min_size=1, max_size=6)


@given(
    shares=SHARES, several=some.booleans(), top=some.integers(1, 6) | some.none(), least=some.floats(0, 1) | some.none()
)
def test_only_what_is_sure_enough_is_told(shares, several, top, least):
    asked = fake(tuple(f"class {place}" for place in range(len(shares))), several)
    (one,) = _predictions(asked, [Said(Source("x", b""), np.array(shares, np.float32), None)], top, least)
    sure = least if least is not None else 0.5 if several else 0.0
    assert one.unknown == (max(shares) < sure)
    assert one.told[0].probability == max(shares)
    if one.unknown:
        assert [name for name, _ in one.told] == ["unknown"]
        assert one.likeliest == asked.classes[int(np.argmax(shares))]
        assert [row["likeliest"] for row in one.rows()] == [one.to_dict()["likeliest"]] == [one.likeliest]
        return
    by_name = dict(zip(asked.classes, shares, strict=True))
    assert [share for _, share in one.told] == sorted((by_name[name] for name, _ in one.told), reverse=True)
    enough = [share for share in shares if not several or share >= sure]
    most = top or (len(shares) if several else 1)
    assert [share for _, share in one.told] == sorted(enough, reverse=True)[:most]


@pytest.mark.parametrize("workers", [1, 3])
def test_few_pictures_are_in_memory_at_a_time_and_their_order_stays(workers):
    read = []

    def reading(content, name: str) -> Decoded:
        read.append(name)
        time.sleep(0.002 * (int(name) % 3))  # so that they end in another order
        return Decoded(np.array([float(name)]))

    asked = Asked(("a",), False, {}, reading, lambda fitted: fitted)
    sources = [Source(str(number), b"") for number in range(120)]
    for place, said in enumerate(answered(asked, sources, workers)):
        assert said.source is sources[place]
        assert said.probabilities == [place]
        assert len(read) - place <= AT_ONCE * (AHEAD * workers + 2)
    assert sorted(read, key=int) == [source.name for source in sources]


def test_a_fault_of_ours_is_not_taken_for_a_bad_picture():
    def reading(content, name: str) -> Decoded:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(answered(Asked(("a",), False, {}, reading, lambda x: x), [Source("1", b"")] * 50, 2))
